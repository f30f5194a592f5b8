# SPDX-License-Identifier: Apache-2.0
"""Chat sessions on their way from one process to another, or to the next life of the same one (XEP-0198 §5).

A session is parked by whoever has it and taken by `take`, which only one can do. Where several processes
serve, its row in `session` goes along: at parking to the heir, and to whoever takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.storage import clock
from armgs_server.storage.tx import Row, Tx

_COLUMNS = "owner, number, heir, expires, state, queue"


@dataclass(frozen=True, slots=True)
class ParkedSession:
    """`state` and `queue` are the parking process's own words; `heir` is '' where anybody may take it."""

    owner: int
    number: int
    heir: str
    expires: int
    state: str
    queue: bytes


async def park(tx: Tx, sessions: Sequence[ParkedSession]) -> None:
    """Keeps them all, or none."""
    await tx.executemany(
        f"INSERT INTO parked ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        [(each.owner, each.number, each.heir, each.expires, each.state, each.queue) for each in sessions],
    )
    await tx.executemany(
        "UPDATE session SET process = ? WHERE owner = ? AND number = ?",
        [(each.heir, each.owner, each.number) for each in sessions if each.heir],
    )
    await tx.executemany(
        "DELETE FROM session WHERE owner = ? AND number = ?",
        [(each.owner, each.number) for each in sessions if not each.heir],
    )


async def take(tx: Tx, owner: int, number: int) -> ParkedSession | None:
    """The session, which is the caller's from now on; None where another was faster."""
    row = await tx.row(
        f"DELETE FROM parked WHERE owner = ? AND number = ? RETURNING {_COLUMNS}", owner, number
    )
    return _from_row(row) if row else None


async def orphans(tx: Tx, process: str, limit: int) -> list[tuple[int, int]]:
    """Owner and number of sessions nobody else will take: without an heir that lives, or left to `process`.

    Where `process` is '' there is no other.
    """
    rows = await tx.rows(
        "SELECT owner, number FROM parked WHERE ? = '' OR heir = ? OR NOT EXISTS"
        " (SELECT 1 FROM process WHERE process.id = parked.heir AND process.expires > ?)"
        " ORDER BY expires LIMIT ?",
        process,
        process,
        clock.now(),
        limit,
    )
    return [(owner, number) for owner, number in rows]


# Sessions that were not resumed in time


async def remember(tx: Tx, owner: int, number: int, handled: int, expires: int) -> None:
    """What a client that comes too late is told; what nobody asked for in time is forgotten."""
    await tx.execute("DELETE FROM ended_session WHERE expires <= ?", clock.now())
    await tx.execute(
        "INSERT INTO ended_session (owner, number, handled, expires) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (owner, number) DO NOTHING",
        owner,
        number,
        handled,
        expires,
    )


async def recall(tx: Tx, owner: int, number: int) -> int | None:
    """The number of stanzas that session had handled, where it is known."""
    row = await tx.row("SELECT handled FROM ended_session WHERE owner = ? AND number = ?", owner, number)
    return None if row is None else int(row[0])


def _from_row(row: Row) -> ParkedSession:
    owner, number, heir, expires, state, queue = row
    return ParkedSession(owner, number, heir, expires, state, bytes(queue))
