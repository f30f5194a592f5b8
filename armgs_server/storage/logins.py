# SPDX-License-Identifier: Apache-2.0
"""Each person's journal of log-ins, by day, and which of the services they have ever used, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

REFUSED_LIMIT: Final = 200  # addresses of one day from which guesses are kept apart; others count together
_COLUMNS = "principal, day, service, mechanism, peer, admitted, first, last, count"


class Login(NamedTuple):
    """What came from one address in one way on one day. `times` is exact for what was refused alone: who is
    let in again and again is noted once an hour."""

    principal: int
    day: int  # since 1970
    service: str
    mechanism: str
    peer: str  # "" for the many addresses of a flood of guesses
    admitted: int
    first: int
    last: int
    times: int


async def add(tx: Tx, logins: Sequence[Login]) -> None:
    """Adds to what is there of the same day; nothing is kept of who has been deleted meanwhile."""
    for login in logins:
        if await tx.value("SELECT 1 FROM principal WHERE id = ?", login.principal) is None:
            continue
        if not login.admitted and await _is_flood(tx, login):
            login = login._replace(peer="")
        await tx.execute(
            f"INSERT INTO login ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (principal, day, service, mechanism, peer, admitted)"
            " DO UPDATE SET last = excluded.last, count = login.count + excluded.count",
            *login,
        )


async def _is_flood(tx: Tx, login: Login) -> bool:
    rows = await tx.rows(
        "SELECT peer FROM login WHERE principal = ? AND day = ? AND admitted = 0 LIMIT ?",
        login.principal,
        login.day,
        REFUSED_LIMIT,
    )
    return len(rows) >= REFUSED_LIMIT and (login.peer,) not in rows


async def of(tx: Tx, principal: int, limit: int) -> list[Login]:
    """The last ones of a person, the last first."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM login WHERE principal = ? ORDER BY last DESC, first DESC LIMIT ?",
        principal,
        limit,
    )
    return [Login(*row) for row in rows]


async def expire(tx: Tx, before: int) -> int:
    """Forgets the days before a moment; how many rows."""
    return await tx.execute("DELETE FROM login WHERE day < ?", before // clock.DAY)


async def connect(tx: Tx, parts: Sequence[tuple[int, str, int]]) -> None:
    """Somebody (principal) has used a part of the service at that moment."""
    for principal, part, now in parts:
        if await tx.value("SELECT 1 FROM principal WHERE id = ?", principal) is None:
            continue
        await tx.execute(
            "INSERT INTO connected (principal, part, first, last) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (principal, part) DO UPDATE SET last = excluded.last",
            principal,
            part,
            now,
            now,
        )


async def connected(tx: Tx, principal: int) -> dict[str, tuple[int, int]]:
    """The parts a person has used: first and last time, to the hour."""
    rows = await tx.rows("SELECT part, first, last FROM connected WHERE principal = ?", principal)
    return {part: (first, last) for part, first, last in rows}
