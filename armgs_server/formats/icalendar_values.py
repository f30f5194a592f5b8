# SPDX-License-Identifier: Apache-2.0
"""Values of iCalendar properties (RFC 5545 §3.3): dates, times, durations."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

EPOCH = datetime(1970, 1, 1)
_DURATION = re.compile(
    r"([+-])?P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?$"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A DATE or DATE-TIME: local time, and the zone that makes it a moment; None = floating."""

    local: datetime
    zone: tzinfo | None
    is_date: bool

    @property
    def micros(self) -> int:
        """Microseconds since 1970 UTC, a floating time taken as UTC."""
        return to_micros(self.local, self.zone)


@dataclass(frozen=True, slots=True)
class Duration:
    days: int  # nominal: a day of 23 or 25 hours is one day (RFC 5545 §3.3.6)
    time: timedelta  # exact

    def after(self, local: datetime, zone: tzinfo | None) -> int:
        return to_micros(local + timedelta(self.days), zone) + self.time // timedelta(microseconds=1)


def to_micros(local: datetime, zone: tzinfo | None) -> int:
    since = local - EPOCH
    micros = (since.days * 86400 + since.seconds) * 1_000_000
    if zone is not None and zone is not UTC:
        offset = local.replace(tzinfo=zone).utcoffset()
        assert offset is not None
        micros -= (offset.days * 86400 + offset.seconds) * 1_000_000
    return micros


def parse_local(text: str) -> datetime:
    """DATE or DATE-TIME without its zone (RFC 5545 §3.3.4, §3.3.5); ValueError if it is none."""
    digits = text[:8] + text[9:15]
    if not (digits.isdecimal() and digits.isascii()):
        raise ValueError(text)
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    if len(text) == 8:
        return datetime(year, month, day)
    if len(digits) != 14 or text[8] not in "Tt" or text[15:] not in ("", "Z", "z"):
        raise ValueError(text)
    # A leap second counts as the one before (RFC 5545 §3.3.12).
    return datetime(year, month, day, int(text[9:11]), int(text[11:13]), min(int(text[13:15]), 59))


def parse_duration(text: str) -> Duration:
    """RFC 5545 §3.3.6; ValueError if it is none."""
    match = _DURATION.match(text.strip().upper())
    if match is None or not any(match.groups()[1:]):
        raise ValueError(text)
    sign = -1 if match[1] == "-" else 1
    weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[1:])
    exact = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return Duration(sign * (7 * weeks + days), sign * exact)
