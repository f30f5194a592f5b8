# SPDX-License-Identifier: Apache-2.0
"""RRULE (RFC 5545 §3.3.10) as a value: text to a Rule. `recurrence_periods` generates from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

FREQUENCIES = ("SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)$")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?$")
# Part -> lowest and highest value; the *days, weeks and positions may count from the end too.
_NUMBERS = {
    "BYSECOND": (0, 60), "BYMINUTE": (0, 59), "BYHOUR": (0, 23), "BYMONTH": (1, 12),
    "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366), "BYWEEKNO": (-53, 53), "BYSETPOS": (-366, 366),
}  # fmt: skip
Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Until:
    local: datetime  # as written; a DATE stands for the whole day
    is_utc: bool


@dataclass(frozen=True, slots=True)
class Rule:
    freq: str
    interval: int = 1
    count: int | None = None
    until: Until | None = None
    wkst: int = 0
    byday: tuple[tuple[int, int], ...] = ()  # (n or 0, weekday)
    by: dict[str, Numbers] = field(default_factory=dict)

    def numbers(self, part: str) -> Numbers:
        return self.by.get(part, ())


@lru_cache(maxsize=512)
def parse(text: str) -> Rule:
    """ValueError says what is wrong."""
    parts: dict[str, str] = {}
    for part in text.strip().upper().rstrip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise ValueError(f"rule part {part!r} has no value")
        parts[name.strip()] = value.strip()
    freq = parts.pop("FREQ", "")
    if freq not in FREQUENCIES:
        raise ValueError(f"FREQ is {freq or 'missing'}")
    interval = _number("INTERVAL", parts.pop("INTERVAL", "1"), 1, 1_000_000)
    count = parts.pop("COUNT", None)
    until = parts.pop("UNTIL", None)
    byday = parts.pop("BYDAY", None)
    wkst = parts.pop("WKST", "MO")
    # RFC 7529: the calendar and the skipping that RFC 5545 means anyway.
    if parts.pop("RSCALE", "GREGORIAN") != "GREGORIAN" or parts.pop("SKIP", "OMIT") != "OMIT":
        raise ValueError("RSCALE or SKIP that is not supported")
    if wkst not in WEEKDAYS:
        raise ValueError(f"WKST is {wkst}")
    return Rule(
        freq=freq,
        interval=interval,
        count=None if count is None else _number("COUNT", count, 1, 1_000_000_000),
        until=None if until is None else _parse_until(until),
        wkst=WEEKDAYS.index(wkst),
        byday=() if byday is None else _parse_byday(byday),
        by={name: _parse_numbers(name, value) for name, value in parts.items() if not name.startswith("X-")},
    )


def _number(name: str, value: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[+-]?\d{1,9}", value) or not low <= int(value) <= high:
        raise ValueError(f"{name} is {value}")
    return int(value)


def _parse_numbers(name: str, value: str) -> Numbers:
    if name not in _NUMBERS:
        raise ValueError(f"unknown rule part {name}")
    low, high = _NUMBERS[name]
    numbers = {_number(name, number, low, high) for number in value.split(",")}
    if low < 0 and 0 in numbers:
        raise ValueError(f"{name} is 0")
    return tuple(sorted(numbers))


def _parse_byday(value: str) -> tuple[tuple[int, int], ...]:
    days = set()
    for part in value.split(","):
        match = _BYDAY.match(part.strip())
        if match is None:
            raise ValueError(f"BYDAY is {value}")
        days.add((int(match[1] or 0), WEEKDAYS.index(match[2])))
    return tuple(sorted(days))


def _parse_until(value: str) -> Until:
    match = _UNTIL.match(value)
    if match is None:
        raise ValueError(f"UNTIL is {value}")
    # COMPAT a DATE where DTSTART has a time means the day through, as clients show it.
    return Until(datetime.strptime(match[1] + (match[2] or "235959"), "%Y%m%d%H%M%S"), match[3] == "Z")
