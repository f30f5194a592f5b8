# SPDX-License-Identifier: Apache-2.0
"""An absence is set once: mail answers by it, and the calendar shows it, so that free-busy does, too.

In the default calendar it is one event of the owner's, found by its UID; whoever sets another absence, or
clears it, replaces or removes that event in the same transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from armgs_server.errors import Invalid
from armgs_server.formats import icalendar
from armgs_server.storage import Store, absences, calindex, clock, collections, items, scheduling
from armgs_server.storage.absences import Absence
from armgs_server.storage.tx import Tx

TITLE: Final = "Отсутствие"
TEXT_LIMIT: Final = 10_000
LONGEST: Final = 2 * 366 * clock.DAY
_FORMAT: Final = "%Y%m%dT%H%M%SZ"


async def set_absence(store: Store, absence: Absence, now: int) -> None:
    """Invalid for one without an end, or too long a text; NotFound for who has no account."""
    if not absence.starts < absence.ends or absence.ends - absence.starts > LONGEST:
        raise Invalid("an absence ends after its beginning, within two years")
    if absence.ends <= now:
        raise Invalid("the absence is over already")
    if len(absence.inside) > TEXT_LIMIT or len(absence.outside) > TEXT_LIMIT:
        raise Invalid(f"a text has at most {TEXT_LIMIT} characters")
    data = event(absence, now)
    made = calindex.entry(icalendar.check(data))
    ref = store.blobs.small(data)

    async def work(tx: Tx) -> None:
        await absences.put(tx, absence)
        await _remove_event(tx, absence.owner)
        calendar = await scheduling.default_calendar(tx, absence.owner, "VEVENT")
        if calendar is not None:
            name = f"absence-{clock.unique_id():x}.ics"
            item = await items.add(tx, calendar, ref, name=name, content_type="text/calendar")
            await calindex.put(tx, item, made)

    await store.write(work)


async def clear_absence(store: Store, owner: int) -> bool:
    """Whether there was one."""

    async def work(tx: Tx) -> bool:
        await _remove_event(tx, owner)
        return await absences.remove(tx, owner)

    return await store.write(work)


async def _remove_event(tx: Tx, owner: int) -> None:
    for item, _ in await scheduling.find(tx, owner, _uid(owner)):
        calendar = await collections.get(tx, owner, item.collection)
        await items.remove(tx, calendar, [item.uid])


def event(absence: Absence, now: int) -> bytes:
    """The event that stands for it: opaque, so that the time is busy (RFC 5545 §3.8.2.7)."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//armgs_server//absence//RU",
        "BEGIN:VEVENT",
        f"UID:{_uid(absence.owner)}",
        f"DTSTAMP:{_moment(now)}",
        f"DTSTART:{_moment(absence.starts)}",
        f"DTEND:{_moment(absence.ends)}",
        f"SUMMARY:{TITLE}",
        "TRANSP:OPAQUE",
        "X-MICROSOFT-CDO-BUSYSTATUS:OOF",  # COMPAT Outlook: shown as out of office
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(lines).encode()


def _uid(owner: int) -> str:
    return f"absence-{owner}"


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time // clock.SECOND, UTC).strftime(_FORMAT)
