# SPDX-License-Identifier: Apache-2.0
"""When somebody is busy on a day, and what a room is booked for, from the calendars' index."""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from armgs_server.errors import Invalid
from armgs_server.formats import icalendar
from armgs_server.portal.moments import end_of, start_of
from armgs_server.storage import Store, calindex, collections
from armgs_server.storage.calindex import Window
from armgs_server.storage.tx import Tx

BOOKINGS: Final = 50  # of one room on one day
_OBJECT_LIMIT: Final = 256 * 1024  # bytes of an event that is read for its title


class Booking(NamedTuple):
    """One meeting, as much of it as is on the day; `title` is "" where nobody else is to read it."""

    starts: int
    ends: int
    title: str


async def busy(tx: Tx, owner: int, day: date) -> list[tuple[int, int]]:
    """The busy times of a day, those that touch made one."""
    start, end = start_of(day), end_of(day)
    found: list[tuple[int, int]] = []
    for calendar in await collections.children(tx, owner, 0, "calendar"):
        if calendar.data.get("transp") == "transparent":  # RFC 6638 §9.1
            continue
        for _, starts, ends, kind, _ in await calindex.busy(
            tx, owner, calendar.id, Window(start, end, start, end)
        ):
            if kind != "FREE" and ends > starts:
                found.append((max(starts, start), min(ends, end)))
    merged: list[tuple[int, int]] = []
    for starts, ends in sorted(found):
        if merged and starts <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(ends, merged[-1][1]))
        else:
            merged.append((starts, ends))
    return merged


async def bookings(store: Store, room: int, day: date, *, titles: bool) -> list[Booking]:
    """The meetings of a room on a day. Without `titles` when they are is all that is told."""
    start, end = start_of(day), end_of(day)

    async def work(tx: Tx) -> list[tuple[int, int, bytes, int]]:
        rows: list[tuple[int, int, bytes, int]] = []
        for calendar in await collections.children(tx, room, 0, "calendar"):
            window = Window(start, end, start, end)
            for uid, starts, ends, kind, _ in await calindex.busy(tx, room, calendar.id, window):
                item = await tx.row(
                    "SELECT blob, size FROM item WHERE owner = ? AND collection = ? AND uid = ?",
                    room,
                    calendar.id,
                    uid,
                )
                if item is not None and kind != "FREE":
                    rows.append((starts, ends, bytes(item[0]), item[1]))
        return sorted(rows)[:BOOKINGS]

    found: list[Booking] = []
    for starts, ends, blob, size in await store.read(work):
        title = ""
        if titles and size <= _OBJECT_LIMIT:
            title = _title(await store.blobs.read(blob))
        found.append(Booking(max(starts, start), min(ends, end), title))
    return found


def _title(data: bytes) -> str:
    """RFC 5545 §3.8.1.3: only what is not private or confidential."""
    try:
        master = icalendar.check(data).master
    except Invalid:
        return ""
    if master is None:
        return ""
    access = master.value("CLASS").strip().upper()
    return master.text("SUMMARY") if access in ("", "PUBLIC") else ""
