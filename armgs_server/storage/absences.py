# SPDX-License-Identifier: Apache-2.0
"""When somebody is away: said once, for mail, calendar and chat. One absence a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.storage.sieve import TOPIC
from armgs_server.storage.tx import Tx

COLUMNS = "owner, starts, ends, inside, outside, deputy"


@dataclass(frozen=True, slots=True)
class Absence:
    """`inside` is what colleagues are told, `outside` everybody else ("" = they are told nothing)."""

    owner: int
    starts: int
    ends: int
    inside: str
    outside: str
    deputy: int = 0  # a principal who answers meanwhile

    def is_now(self, now: int) -> bool:
        """Whether the person is away at that moment."""
        return self.starts <= now < self.ends


async def of(tx: Tx, owner: int) -> Absence | None:
    """The absence of a person, past, present or to come."""
    row = await tx.row(f"SELECT {COLUMNS} FROM absence WHERE owner = ?", owner)
    return None if row is None else Absence(*row)


async def of_many(tx: Tx, owners: Sequence[int]) -> dict[int, Absence]:
    """The absences of these."""
    marks = ", ".join("?" * len(owners))
    rows = await tx.rows(f"SELECT {COLUMNS} FROM absence WHERE owner IN ({marks})", *owners)
    return {row[0]: Absence(*row) for row in rows}


async def not_over(tx: Tx, now: int) -> dict[int, Absence]:
    """All that are or will be."""
    rows = await tx.rows(f"SELECT {COLUMNS} FROM absence WHERE ends > ?", now)
    return {row[0]: Absence(*row) for row in rows}


async def put(tx: Tx, absence: Absence) -> None:
    """Instead of the one before. Who answers mail hears of it on `sieve.TOPIC`."""
    await tx.execute(
        f"INSERT INTO absence ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner) DO UPDATE SET starts = excluded.starts, ends = excluded.ends,"
        " inside = excluded.inside, outside = excluded.outside, deputy = excluded.deputy",
        absence.owner,
        absence.starts,
        absence.ends,
        absence.inside,
        absence.outside,
        absence.deputy,
    )
    tx.publish(TOPIC, b"%d" % absence.owner)


async def remove(tx: Tx, owner: int) -> bool:
    """Whether there was one."""
    gone = await tx.execute("DELETE FROM absence WHERE owner = ?", owner) > 0
    if gone:
        tx.publish(TOPIC, b"%d" % owner)
    return gone
