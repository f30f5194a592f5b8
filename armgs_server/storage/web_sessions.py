# SPDX-License-Identifier: Apache-2.0
"""Who is signed in on the pages, as rows; of the token in the browser's cookie only the hash is kept.

Functions of one transaction. A session is over when it was not used for a while, at its end, when the person
signs out, and with the password, the account, or the right to log in.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

SEEN_STEP: Final = 5 * clock.MINUTE  # how exactly the last use is kept
_COLUMNS = "principal, token, stage, created, last_seen, expires, peer, agent"


class WebSession(NamedTuple):
    """One sign-in. `stage` is `whole`, or `password` while a second step is still to be taken."""

    principal: int
    token: bytes
    stage: str
    created: int
    last_seen: int
    expires: int
    peer: str
    agent: str

    @property
    def id(self) -> str:
        """By which it is named to its owner."""
        return self.token.hex()[:16]


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


async def add(tx: Tx, session: WebSession, limit: int) -> None:
    """A new one; above the limit those go that were used longest ago."""
    await tx.execute(
        f"INSERT INTO web_session ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        *session,
    )
    others = [each for each in await of(tx, session.principal) if each.token != session.token]
    for each in others[max(limit - 1, 0) :]:
        await remove(tx, each.principal, each.token)


async def find(tx: Tx, principal: int, token: bytes, now: int, idle: int) -> WebSession | None:
    """The session, while it is good; `idle` is for how long it may go unused."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM web_session"
        " WHERE principal = ? AND token = ? AND expires > ? AND last_seen > ?",
        principal,
        token,
        now,
        now - idle,
    )
    return None if row is None else _of_row(row)


async def of(tx: Tx, principal: int) -> list[WebSession]:
    """All of a person, the one used last first."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM web_session WHERE principal = ? ORDER BY last_seen DESC, token", principal
    )
    return [_of_row(row) for row in rows]


async def note_use(tx: Tx, session: WebSession, now: int, peer: str) -> None:
    """It has been used now, from there."""
    await tx.execute(
        "UPDATE web_session SET last_seen = ?, peer = ? WHERE principal = ? AND token = ?",
        now,
        peer,
        session.principal,
        session.token,
    )


async def remove(tx: Tx, principal: int, token: bytes) -> bool:
    """Whether there was one to end."""
    sql = "DELETE FROM web_session WHERE principal = ? AND token = ?"
    return await tx.execute(sql, principal, token) > 0


async def remove_all(tx: Tx, principal: int, besides: bytes = b"") -> int:
    """Signs a person out everywhere, but perhaps here; from how many places."""
    return await tx.execute("DELETE FROM web_session WHERE principal = ? AND token <> ?", principal, besides)


async def expire(tx: Tx, now: int) -> int:
    """Rows of those that have ended by their time; how many."""
    return await tx.execute("DELETE FROM web_session WHERE expires <= ?", now)


def _of_row(row: tuple[object, ...]) -> WebSession:
    principal, token, *rest = row
    return WebSession(principal, bytes(token), *rest)  # type: ignore[arg-type, call-overload]
