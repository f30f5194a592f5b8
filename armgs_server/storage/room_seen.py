# SPDX-License-Identifier: Apache-2.0
"""Up to where people have seen the archives of their chat rooms, and up to where they were told by mail.

Both are archive ids (storage.archive), which carry time: who is in a room has seen it up to now.
"""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.storage.tx import Tx


async def see(tx: Tx, rows: Iterable[tuple[int, int, int]]) -> None:
    """(person, room, archive id): they have seen everything up to there; never less than before."""
    await tx.executemany(
        "INSERT INTO room_seen (person, room, seen, told) VALUES (?, ?, ?, 0)"
        " ON CONFLICT (person, room) DO UPDATE SET seen = excluded.seen WHERE room_seen.seen < excluded.seen",
        sorted(rows),
    )


async def tell(tx: Tx, person: int, told: Iterable[tuple[int, int]]) -> None:
    """(room, archive id): a mail has told the person of everything up to there."""
    await tx.executemany(
        "INSERT INTO room_seen (person, room, seen, told) VALUES (?, ?, 0, ?)"
        " ON CONFLICT (person, room) DO UPDATE SET told = excluded.told",
        sorted((person, room, last) for room, last in told),
    )


async def of_room(tx: Tx, room: int) -> dict[int, int]:
    """Up to where each person has seen, or been told of, a room."""
    rows = await tx.rows("SELECT person, seen, told FROM room_seen WHERE room = ?", room)
    return {person: max(seen, told) for person, seen, told in rows}


async def forget(tx: Tx, owner: int) -> None:
    """The person or the room is deleted."""
    await tx.execute("DELETE FROM room_seen WHERE person = ? OR room = ?", owner, owner)
