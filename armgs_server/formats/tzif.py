# SPDX-License-Identifier: Apache-2.0
"""Time zones as the IANA database ships them: TZif files (RFC 9636), and the rule at their end.

`parse` reads a whole file; `onsets` goes on with the rule where the file ends. A rule is the
POSIX TZ string of RFC 9636 §3.3: only its form with month, week and day is read, the others occur nowhere.
"""

from __future__ import annotations

import re
import struct
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from armgs_server.errors import Invalid

_HEADER = struct.Struct(">4sc15x6I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86400
_OFFSET = r"([+-]?\d{1,3}(?::\d\d){0,2})"
_NAME = r"(?:<([A-Za-z0-9+-]+)>|([A-Za-z]+))"
_DATE = rf"M(\d{{1,2}})\.([1-5])\.([0-6])(?:/{_OFFSET})?"
_RULE = re.compile(rf"{_NAME}{_OFFSET}(?:{_NAME}{_OFFSET}?,{_DATE},{_DATE})?\Z")
_LAST_WEEK = 5


class Onset(NamedTuple):
    """When an offset begins to hold: seconds since 1970 UTC, seconds east of UTC before and after."""

    at: int
    before: int
    after: int
    is_dst: bool
    name: str


@dataclass(frozen=True, slots=True)
class Yearly:
    """One of the two changes of a rule: the `week`th (5: last) `day` (0: Sunday) of a month, and when."""

    month: int
    week: int
    day: int
    time: int  # seconds after midnight by the offset before; may lie on another day
    before: int
    after: int
    is_dst: bool
    name: str

    def date(self, year: int) -> date:
        """The day that is meant, before the time is added."""
        first = date(year, self.month, 1)
        # date.isoweekday: Monday is 1; here Sunday is 0
        number = 1 + (self.day - first.isoweekday()) % 7 + 7 * (self.week - 1)
        length = monthrange(year, self.month)[1]
        return first.replace(day=number if number <= length else number - 7)

    def onset(self, year: int) -> Onset:
        """The change in one year."""
        days = (self.date(year) - _EPOCH.date()).days
        at = days * _DAY + self.time - self.before
        return Onset(at, self.before, self.after, self.is_dst, self.name)


@dataclass(frozen=True, slots=True)
class Zone:
    """A whole time zone: what held first, all changes of the file, and the rule after them."""

    first: Onset  # its moment means nothing
    onsets: tuple[Onset, ...]
    rule: tuple[Yearly, ...]

    def in_effect(self, at: int) -> Onset:
        """What holds at a moment."""
        found = self.first
        for onset in self.until(at + 1):
            found = onset
        return found

    def until(self, end: int) -> Iterator[Onset]:
        """All changes before a moment, in order."""
        yield from (onset for onset in self.onsets if onset.at < end)
        if not self.rule:
            return
        last = self.onsets[-1].at if self.onsets else -(1 << 40)
        year = max(_year(last), 1970)
        while year <= _year(end) + 1 and year < 9999:
            for onset in sorted(each.onset(year) for each in self.rule):
                if last < onset.at < end:
                    yield onset
            year += 1


def _year(at: int) -> int:
    days = at // _DAY
    return (_EPOCH.date() + timedelta(days=days)).year if abs(days) < 2_000_000 else 1


def parse(data: bytes) -> Zone:
    """A TZif file; Invalid."""
    try:
        version, counts = _header(data, 0)
        if version < b"2":
            raise Invalid("a TZif file without 64-bit data")
        start = _HEADER.size + _size(counts, 4)  # RFC 9636 §3: the second block counts
        _, counts = _header(data, start)
        body = start + _HEADER.size
        footer = data[body + _size(counts, 8) :]
        return _zone(data[body:], counts, footer)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError) as error:
        raise Invalid("a TZif file that cannot be read") from error


def _header(data: bytes, at: int) -> tuple[bytes, tuple[int, ...]]:
    magic, version, *counts = _HEADER.unpack_from(data, at)
    if magic != b"TZif":
        raise Invalid("not a TZif file")
    return version, tuple(counts)


def _size(counts: tuple[int, ...], width: int) -> int:
    """RFC 9636 §3.2: the octets of a data block."""
    isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt = counts
    return timecnt * (width + 1) + typecnt * 6 + charcnt + leapcnt * (width + 4) + isstdcnt + isutcnt


def _zone(block: bytes, counts: tuple[int, ...], footer: bytes) -> Zone:
    _, _, _, timecnt, typecnt, charcnt = counts
    times = struct.unpack_from(f">{timecnt}q", block, 0)
    indices = block[8 * timecnt : 9 * timecnt]
    at = 9 * timecnt
    types = [struct.unpack_from(">iBB", block, at + 6 * index) for index in range(typecnt)]
    names = block[at + 6 * typecnt : at + 6 * typecnt + charcnt]

    def onset(moment: int, before: int, index: int) -> Onset:
        offset, is_dst, place = types[index]
        name = names[place : names.index(b"\0", place)].decode("ascii")
        return Onset(moment, before, offset, bool(is_dst), name)

    first = onset(0, types[0][0], 0)
    found: list[Onset] = []
    for moment, index in zip(times, indices, strict=True):
        made = onset(moment, found[-1].after if found else first.after, index)
        if not found or made[1:] != (found[-1].after, *found[-1][2:]):  # a change that changes nothing
            found.append(made)
    if footer[:1] != b"\n" or not footer.endswith(b"\n"):
        raise Invalid("a TZif file without its end")
    return Zone(first, tuple(found), parse_rule(footer[1:-1].decode("ascii")))


def parse_rule(text: str) -> tuple[Yearly, ...]:
    """A POSIX TZ string: the two changes of each year, or none where nothing changes. Invalid."""
    match = _RULE.match(text)
    if not text:
        return ()
    if match is None:
        raise Invalid(f"a rule of another form: {text!r}")
    (quoted, plain, offset, *daylight) = match.groups()
    if daylight[3] is None:
        return ()
    standard = -_seconds(offset)  # west of UTC there
    name = daylight[0] or daylight[1]
    saving = -_seconds(daylight[2]) if daylight[2] else standard + 3600
    begin, end = daylight[3:7], daylight[7:11]
    return (
        _yearly(begin, standard, saving, True, name),
        _yearly(end, saving, standard, False, quoted or plain),
    )


def _yearly(when: list[str], before: int, after: int, is_dst: bool, name: str) -> Yearly:
    month, week, day, time = when
    if not 1 <= int(month) <= 12:
        raise Invalid(f"a rule without month: {month}")
    at = _seconds(time) if time else 7200
    return Yearly(int(month), int(week), int(day), at, before, after, is_dst, name)


def _seconds(text: str) -> int:
    hours, *rest = text.lstrip("+-").split(":")
    total = int(hours) * 3600 + sum(int(part) * unit for part, unit in zip(rest, (60, 1), strict=False))
    return -total if text.startswith("-") else total
