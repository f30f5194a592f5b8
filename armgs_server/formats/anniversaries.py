# SPDX-License-Identifier: Apache-2.0
"""The days of a card that come again each year, and what a calendar shows of them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Final, NamedTuple

from armgs_server.formats.contentline import escape, serialise
from armgs_server.formats.vcard import Card, parameter_values

# RFC 6350 §4.3.1 and §4.3.4, and RFC 2426 §3.1.5: a date, perhaps with a time behind it.
_DATE: Final = re.compile(r"([0-9]{4}-?|--)([0-9]{2})-?([0-9]{2})(?:[T ][0-9:.+Z-]*)?", re.ASCII)
EARLIEST: Final = 1800  # a year before it was made up by a program
LEAP: Final = 1972  # stands for a year that is not told


class Kind(Enum):
    """Why a day is kept in mind."""

    BIRTHDAY = "b"
    ANNIVERSARY = "a"


_PROPERTIES: Final = {
    "BDAY": Kind.BIRTHDAY,  # RFC 6350 §6.2.5
    "ANNIVERSARY": Kind.ANNIVERSARY,  # RFC 6350 §6.2.6
    "X-ANNIVERSARY": Kind.ANNIVERSARY,  # COMPAT: vCard 3.0 has no other
}
_TITLES: Final = {
    (Kind.BIRTHDAY, True): "День рождения: {}",
    (Kind.BIRTHDAY, False): "Birthday: {}",
    (Kind.ANNIVERSARY, True): "Годовщина: {}",
    (Kind.ANNIVERSARY, False): "Anniversary: {}",
}


class Day(NamedTuple):
    """A day of the year; `year` is that of the first time, 0 where it is not told."""

    kind: Kind
    year: int
    month: int
    day: int


def days(card: Card) -> tuple[Day, ...]:
    """At most one of each kind; none of a group, or where the day or the month is missing."""
    found: dict[Kind, Day] = {}
    for line in () if card.is_group else card.lines:
        kind = _PROPERTIES.get(line[0])
        match = _DATE.fullmatch(line[2].strip()) if kind is not None else None
        if kind is None or kind in found or match is None:
            continue
        year = int(match[1][:4]) if match[1] != "--" else 0
        omitted = parameter_values(line, "X-APPLE-OMIT-YEAR") or ()  # COMPAT: Apple's vCard 3.0
        if year < EARLIEST or str(year) in omitted:
            year = 0
        try:
            date(year or LEAP, int(match[2]), int(match[3]))
        except ValueError:
            continue  # no day of the calendar: the card is stored all the same
        found[kind] = Day(kind, year, int(match[2]), int(match[3]))
    return tuple(found.values())


def to_text(found: Sequence[Day]) -> str:
    """As the index of cards keeps them."""
    return " ".join(f"{day.kind.value}{day.year:04}{day.month:02}{day.day:02}" for day in found)


def from_text(text: str) -> tuple[Day, ...]:
    """What to_text wrote."""
    return tuple(Day(Kind(each[0]), int(each[1:5]), int(each[5:7]), int(each[7:9])) for each in text.split())


def uid_of(card_uid: str, kind: Kind) -> str:
    """The UID of the event of a card."""
    return hashlib.sha256(f"{kind.value}{card_uid}".encode("utf-8", "surrogatepass")).hexdigest()[:40]


def event(uid: str, day: Day, name: str, stamp: str, *, is_russian: bool) -> bytes:
    """A calendar object of all the years to come, which takes no time; `stamp` is its DTSTAMP."""
    title = _TITLES[day.kind, is_russian].format(name) + (f" ({day.year})" if day.year else "")
    # RFC 5545 §3.3.10: a day that a year has not is left out; -1 is the last of the month, 28 or 29.
    leap = ";BYMONTH=2;BYMONTHDAY=-1" if (day.month, day.day) == (2, 29) else ""
    lines = (
        ("BEGIN", "", "VCALENDAR"),
        ("VERSION", "", "2.0"),
        ("PRODID", "", "-//armgs_server//CardDAV//EN"),
        ("BEGIN", "", "VEVENT"),
        ("UID", "", uid),
        ("DTSTAMP", "", stamp),
        ("DTSTART", ";VALUE=DATE", f"{day.year or LEAP:04}{day.month:02}{day.day:02}"),
        ("RRULE", "", f"FREQ=YEARLY{leap}"),
        ("SUMMARY", "", escape(title)),
        ("TRANSP", "", "TRANSPARENT"),
        ("END", "", "VEVENT"),
        ("END", "", "VCALENDAR"),
    )
    return serialise(list(lines))
