# SPDX-License-Identifier: Apache-2.0
"""Invitations that went out by mail a short while ago, so that nobody is told the same twice.

Many clients mail an invitation themselves and PUT the event as well. What the client mails may have a word
of its author's in it, so it goes before what the calendar would send: that waits a moment in the queue and is
taken out of it when the client's own comes; after the client's own it is not written at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.storage import clock, queue
from armgs_server.storage.tx import Tx

LIFETIME = 10 * clock.MINUTE


async def take_mailed(tx: Tx, owner: int, mark: bytes) -> bool:
    """Whether the owner's own client has just sent that; it counts once, for the same may be told again."""
    taken = await tx.execute(
        "DELETE FROM told WHERE owner = ? AND mark = ? AND queued = 0 AND expires > ?",
        *(owner, mark, clock.now()),
    )
    return taken > 0


async def waits(tx: Tx, owner: int, mark: bytes, queued: int, due: int) -> None:
    """The calendar's own is in the queue until then."""
    await _put(tx, owner, mark, queued, due)


async def mailed(tx: Tx, owner: int, marks: Iterable[bytes]) -> int:
    """The owner's client has sent these; what still waits of the calendar's is withdrawn. How many are."""
    withdrawn = 0
    for mark in marks:
        row = await tx.row("SELECT queued, due FROM told WHERE owner = ? AND mark = ?", owner, mark)
        if row is not None and row[0]:
            gone = await queue.withdraw(tx, owner, row[0], row[1])
            withdrawn += gone
            if gone:  # the two have met
                await tx.execute("DELETE FROM told WHERE owner = ? AND mark = ?", owner, mark)
                continue
        await _put(tx, owner, mark, 0, 0)
    return withdrawn


async def _put(tx: Tx, owner: int, mark: bytes, queued: int, due: int) -> None:
    await tx.execute(
        "INSERT INTO told (owner, mark, queued, due, expires) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, mark) DO UPDATE SET queued = excluded.queued, due = excluded.due,"
        " expires = excluded.expires",
        *(owner, mark, queued, due, clock.now() + LIFETIME),
    )


async def expire(tx: Tx, now: int) -> int:
    """Forgets what is over; how many."""
    return await tx.execute("DELETE FROM told WHERE expires <= ?", now)
