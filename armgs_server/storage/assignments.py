# SPDX-License-Identifier: Apache-2.0
"""Tasks that are assigned: a row for each person's copy of one, beside the copy itself.

It says in whose control list the task is shown (directory.control_lists), and when somebody is to be reminded
of it. Reminders are taken by lease, as the mail queue is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from armgs_server.storage.tx import Tx

_COLUMNS: Final = "owner, ical_uid, holder, organizer, summary, due, remind, told, ended"
SUMMARY_LENGTH: Final = 250
BATCH: Final = 200
# Published on the bus when somebody is to be reminded.
TOPIC: Final = "assignments"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One task of one person; times are 0 where there is none."""

    owner: int
    ical_uid: str
    holder: int  # the unit or department in whose control list it is; 0 = in none
    organizer: str  # the address of who has assigned it
    summary: str
    due: int  # when it is over its time
    remind: int  # when somebody is to look whether to remind
    told: int  # the due time of the last reminder
    ended: int  # since when nothing is to be done

    @property
    def name(self) -> str:
        """Of the object in the control list."""
        return f"{self.owner}-{hashlib.sha256(self.ical_uid.encode()).hexdigest()[:32]}.ics"


async def get(tx: Tx, owner: int, ical_uid: str) -> Assignment | None:
    """A person's task."""
    row = await tx.row(f"SELECT {_COLUMNS} FROM assignment WHERE owner = ? AND ical_uid = ?", owner, ical_uid)
    return Assignment(*row) if row else None


async def of(tx: Tx, owner: int) -> list[Assignment]:
    """All that is assigned to a person."""
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM assignment WHERE owner = ? ORDER BY ical_uid", owner)
    return [Assignment(*row) for row in rows]


async def put(tx: Tx, row: Assignment) -> None:
    """Writes a row."""
    await tx.execute(
        f"INSERT INTO assignment ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, ical_uid) DO UPDATE SET holder = excluded.holder,"
        " organizer = excluded.organizer, summary = excluded.summary, due = excluded.due,"
        " remind = excluded.remind, told = excluded.told, ended = excluded.ended",
        row.owner,
        row.ical_uid,
        row.holder,
        row.organizer,
        row.summary,
        row.due,
        row.remind,
        row.told,
        row.ended,
    )


async def remove(tx: Tx, owner: int, ical_uid: str) -> None:
    """Takes a row away."""
    await tx.execute("DELETE FROM assignment WHERE owner = ? AND ical_uid = ?", owner, ical_uid)


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Assignment]:
    """Takes up to `limit` whose time has come; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE assignment SET remind = ? WHERE remind > 0 AND remind <= ?"
        " AND (owner, ical_uid) IN (SELECT owner, ical_uid FROM assignment"
        f" WHERE remind > 0 AND remind <= ? ORDER BY remind LIMIT ?) RETURNING {_COLUMNS}",
        now + lease,
        now,
        now,
        limit,
    )
    return sorted((Assignment(*row) for row in rows), key=lambda row: (row.owner, row.ical_uid))


async def next_reminder(tx: Tx) -> int | None:
    """When the next has to be looked at."""
    found: int | None = await tx.value("SELECT MIN(remind) FROM assignment WHERE remind > 0")
    return found


async def told(tx: Tx, row: Assignment, due: int) -> bool:
    """Notes that somebody is told of the due time, after which another (0: none) comes; False where it was
    told, or the task has become another, since the row was read."""
    sql = (
        "UPDATE assignment SET told = due, due = ?, remind = ?"
        " WHERE owner = ? AND ical_uid = ? AND due = ? AND told <> due AND ended = 0"
    )
    following = due or row.due
    return await tx.execute(sql, following, due, row.owner, row.ical_uid, row.due) > 0


async def ended(tx: Tx, before: int, limit: int) -> list[Assignment]:
    """Tasks with which nothing is to be done since before then."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM assignment WHERE ended > 0 AND ended < ? ORDER BY ended LIMIT ?",
        before,
        limit,
    )
    return [Assignment(*row) for row in rows]
