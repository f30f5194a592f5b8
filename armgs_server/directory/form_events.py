# SPDX-License-Identifier: Apache-2.0
"""What a granted form becomes in the asker's calendar: an event of whole days, and an absence if wanted.

[trip.event]
start = "first"                            # fields of the form, by name
end = "last"                               # the last day; the same as the first where it is not given
summary = "Командировка: {place}"
location = "place"
absence = true
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from armgs_server.errors import Invalid
from armgs_server.formats.contentline import escape, serialise
from armgs_server.storage import clock
from armgs_server.storage.absences import Absence

LONGEST: Final = timedelta(days=2 * 366)  # between the first day and the last
_KEYS: Final = frozenset({"start", "end", "summary", "location", "absence"})


@dataclass(frozen=True, slots=True)
class FormEvent:
    """Which fields are what; "" for none. `summary` has fields in braces."""

    start: str
    end: str
    summary: str
    location: str
    is_absence: bool


def parse(form: str, values: Any, kinds: Mapping[str, str]) -> FormEvent:
    """The table `event` of a form; `kinds` are those of its fields that must be filled in, "" for others.

    Invalid.
    """
    where = f"{form}.event"
    if not isinstance(values, dict) or not _KEYS.issuperset(values):
        raise Invalid(f"{where}: a table; known are {', '.join(sorted(_KEYS))}")
    start, end = values.get("start", ""), values.get("end", "")
    summary, location = values.get("summary", ""), values.get("location", "")
    if not all(isinstance(each, str) for each in (start, end, summary, location)) or not summary:
        raise Invalid(f"{where}: start, end and location name fields, summary is a text")
    for key, name in (("start", start), ("end", end)):
        if kinds.get(name) != "date" and (name or key == "start"):
            raise Invalid(f"{where}.{key}: names no field of the kind date that must be filled in")
    if location and location not in kinds:
        raise Invalid(f"{where}.location: names a field that is not there")
    if not isinstance(values.get("absence", False), bool):
        raise Invalid(f"{where}.absence: true or false")
    return FormEvent(start, end, summary, location, values.get("absence", False))


def is_in_order(event: FormEvent, values: Mapping[str, str]) -> bool:
    """Whether the last day is not before the first, nor years after it."""
    first, last = days(event, values)
    return timedelta() <= last - first <= LONGEST


def days(event: FormEvent, values: Mapping[str, str]) -> tuple[date, date]:
    """The first and the last day."""
    first = date.fromisoformat(values[event.start])
    return first, date.fromisoformat(values[event.end]) if event.end else first


def calendar_object(uid: str, event: FormEvent, summary: str, values: Mapping[str, str], now: int) -> bytes:
    """The event (RFC 5545 §3.6.1): whole days, so in every time zone; busy, as who is not there is."""
    first, last = days(event, values)
    stamp = f"{datetime.fromtimestamp(now // clock.SECOND, UTC):%Y%m%dT%H%M%SZ}"
    lines = [
        ("BEGIN", "", "VCALENDAR"),
        ("VERSION", "", "2.0"),
        ("PRODID", "", "-//armgs_server//forms//RU"),
        ("BEGIN", "", "VEVENT"),
        ("UID", "", uid),
        ("DTSTAMP", "", stamp),
        ("DTSTART", ";VALUE=DATE", f"{first:%Y%m%d}"),
        ("DTEND", ";VALUE=DATE", f"{last + timedelta(days=1):%Y%m%d}"),  # the day after: §3.6.1
        ("SUMMARY", "", escape(summary)),
        ("TRANSP", "", "OPAQUE"),
        ("END", "", "VEVENT"),
        ("END", "", "VCALENDAR"),
    ]
    if event.location and values.get(event.location):
        lines.insert(-2, ("LOCATION", "", escape(" ".join(values[event.location].split()))))
    if event.is_absence:
        lines.insert(-2, ("X-MICROSOFT-CDO-BUSYSTATUS", "", "OOF"))  # COMPAT Outlook: out of office
    return serialise(lines)


def absence(
    owner: int, event: FormEvent, summary: str, values: Mapping[str, str], now: int
) -> Absence | None:
    """What colleagues are told meanwhile; None where none is wanted, or it is over."""
    first, last = days(event, values)
    starts, ends = _midnight(first), _midnight(last + timedelta(days=1))
    if not event.is_absence or ends <= now:
        return None
    return Absence(owner, starts, ends, f"{summary} ({first:%d.%m.%Y} – {last:%d.%m.%Y})", "")


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day).astimezone().timestamp()) * clock.SECOND
