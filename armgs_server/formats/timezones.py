# SPDX-License-Identifier: Apache-2.0
"""Time zones of calendar objects: VTIMEZONE (RFC 5545 §3.6.5), IANA names, Windows names.

`zone(tzid, vtimezone)` answers what a TZID means: the object's own VTIMEZONE first, then the IANA
database by that name, then Windows' names for it. None means nobody knows it; the caller then treats
the time as floating. A VTIMEZONE becomes a sorted list of onsets; those of a rule are computed up to
`HORIZON`, and no more than `ONSETS` of them, so a hostile rule costs no more than an honest one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from armgs_server.formats import recurrence_rule
from armgs_server.formats.recurrence_periods import Budget, occurrences

HORIZON = datetime(2100, 1, 1)
ONSETS = 1000
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d):?(\d\d)?$")
ZERO = timedelta(0)

# One observance of a VTIMEZONE: its properties as (name, parameters, value).
Observance = tuple[tuple[str, str, str], ...]


class VTimezone(tzinfo):
    """A zone as the object itself defines it."""

    def __init__(self, tzid: str, observances: Sequence[Observance]) -> None:
        self.tzid = tzid
        onsets: list[tuple[datetime, timedelta, timedelta]] = []
        for observance in observances:
            onsets.extend(_onsets(observance))
        if not onsets:
            raise ValueError("VTIMEZONE without STANDARD or DAYLIGHT")
        onsets.sort()
        self._before = onsets[0][1]
        # A local time skipped by going forward counts by the offset before (RFC 5545 §3.3.5), so the
        # new offset begins when the skipped hour is over.
        self._onsets = [onset + max(ZERO, to - from_) for onset, from_, to in onsets]
        self._offsets = [to for _, _, to in onsets]

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if moment is None:
            return self._offsets[-1]
        index = bisect_right(self._onsets, moment.replace(tzinfo=None))
        return self._offsets[index - 1] if index else self._before

    def dst(self, moment: datetime | None) -> timedelta:
        return ZERO

    def tzname(self, moment: datetime | None) -> str:
        return self.tzid


def _onsets(observance: Observance) -> list[tuple[datetime, timedelta, timedelta]]:
    values = {name: value for name, _, value in observance}
    try:
        start = _local(values["DTSTART"])
        from_, to = _offset(values["TZOFFSETFROM"]), _offset(values["TZOFFSETTO"])
    except KeyError as error:
        raise ValueError(f"time zone observance without {error.args[0]}") from error
    times = {start}
    for name, _, value in observance:
        if name == "RDATE":
            # COMPAT an empty RDATE; a PERIOD here counts by its start.
            times.update(_local(part.split("/")[0]) for part in value.split(",") if part.strip())
        elif name == "RRULE":
            rule = recurrence_rule.parse(value)
            budget = Budget(steps=4 * ONSETS)
            for count, onset in enumerate(occurrences(rule, start, start, HORIZON, budget)):
                if count == ONSETS or (rule.until is not None and onset > rule.until.local + from_):
                    break
                times.add(onset)
    return [(time, from_, to) for time in times]


def _local(value: str) -> datetime:
    value = value.strip()
    if len(value) == 8:
        value += "T000000"
    return datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S")


def _offset(value: str) -> timedelta:
    match = _OFFSET.match(value.strip())
    if match is None:
        raise ValueError(f"not a UTC offset: {value}")
    offset = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    if offset >= timedelta(days=1):
        raise ValueError(f"not a UTC offset: {value}")
    return -offset if match[1] == "-" else offset


@lru_cache(maxsize=256)
def defined(tzid: str, observances: tuple[Observance, ...]) -> tzinfo:
    """The zone a VTIMEZONE defines; clients send the same few again and again."""
    return VTimezone(tzid, observances)


@lru_cache(maxsize=1024)
def named(tzid: str) -> tzinfo | None:
    """The zone of this name; COMPAT Mozilla's and Evolution's prefixes ("/mozilla.org/…/Europe/Paris")."""
    name = WINDOWS.get(tzid, tzid).strip("/")
    names = known()
    parts = name.split("/")
    for length in (len(parts), 3, 2, 1):
        candidate = "/".join(parts[-length:])
        if candidate in names and (length > 1 or len(parts) == 1):
            return ZoneInfo(candidate)
    return None


@lru_cache(maxsize=1)
def known() -> frozenset[str]:
    return frozenset(available_timezones())


# Exchange and Outlook name zones as Windows does (Unicode CLDR, windowsZones); those in wide use.
WINDOWS = {
    "AUS Eastern Standard Time": "Australia/Sydney",
    "Afghanistan Standard Time": "Asia/Kabul",
    "Alaskan Standard Time": "America/Anchorage",
    "Altai Standard Time": "Asia/Barnaul",
    "Arab Standard Time": "Asia/Riyadh",
    "Arabian Standard Time": "Asia/Dubai",
    "Arabic Standard Time": "Asia/Baghdad",
    "Argentina Standard Time": "America/Buenos_Aires",
    "Astrakhan Standard Time": "Europe/Astrakhan",
    "Atlantic Standard Time": "America/Halifax",
    "Azerbaijan Standard Time": "Asia/Baku",
    "Belarus Standard Time": "Europe/Minsk",
    "Bangladesh Standard Time": "Asia/Dhaka",
    "Canada Central Standard Time": "America/Regina",
    "Caucasus Standard Time": "Asia/Yerevan",
    "Central America Standard Time": "America/Guatemala",
    "Central Asia Standard Time": "Asia/Almaty",
    "Central Europe Standard Time": "Europe/Budapest",
    "Central European Standard Time": "Europe/Warsaw",
    "Central Standard Time": "America/Chicago",
    "China Standard Time": "Asia/Shanghai",
    "E. Europe Standard Time": "Europe/Chisinau",
    "E. South America Standard Time": "America/Sao_Paulo",
    "Eastern Standard Time": "America/New_York",
    "Egypt Standard Time": "Africa/Cairo",
    "Ekaterinburg Standard Time": "Asia/Yekaterinburg",
    "FLE Standard Time": "Europe/Kiev",
    "GMT Standard Time": "Europe/London",
    "GTB Standard Time": "Europe/Bucharest",
    "Georgian Standard Time": "Asia/Tbilisi",
    "Greenwich Standard Time": "Atlantic/Reykjavik",
    "Hawaiian Standard Time": "Pacific/Honolulu",
    "India Standard Time": "Asia/Kolkata",
    "Iran Standard Time": "Asia/Tehran",
    "Israel Standard Time": "Asia/Jerusalem",
    "Kaliningrad Standard Time": "Europe/Kaliningrad",
    "Korea Standard Time": "Asia/Seoul",
    "Magadan Standard Time": "Asia/Magadan",
    "Middle East Standard Time": "Asia/Beirut",
    "Mountain Standard Time": "America/Denver",
    "N. Central Asia Standard Time": "Asia/Novosibirsk",
    "New Zealand Standard Time": "Pacific/Auckland",
    "North Asia East Standard Time": "Asia/Irkutsk",
    "North Asia Standard Time": "Asia/Krasnoyarsk",
    "Omsk Standard Time": "Asia/Omsk",
    "Pacific Standard Time": "America/Los_Angeles",
    "Pakistan Standard Time": "Asia/Karachi",
    "Qyzylorda Standard Time": "Asia/Qyzylorda",
    "Romance Standard Time": "Europe/Paris",
    "Russia Time Zone 3": "Europe/Samara",
    "Russia Time Zone 10": "Asia/Srednekolymsk",
    "Russia Time Zone 11": "Asia/Kamchatka",
    "Russian Standard Time": "Europe/Moscow",
    "SA Pacific Standard Time": "America/Bogota",
    "SE Asia Standard Time": "Asia/Bangkok",
    "Sakhalin Standard Time": "Asia/Sakhalin",
    "Saratov Standard Time": "Europe/Saratov",
    "Singapore Standard Time": "Asia/Singapore",
    "South Africa Standard Time": "Africa/Johannesburg",
    "Taipei Standard Time": "Asia/Taipei",
    "Tokyo Standard Time": "Asia/Tokyo",
    "Tomsk Standard Time": "Asia/Tomsk",
    "Transbaikal Standard Time": "Asia/Chita",
    "Turkey Standard Time": "Europe/Istanbul",
    "US Eastern Standard Time": "America/Indianapolis",
    "US Mountain Standard Time": "America/Phoenix",
    "UTC": "UTC",
    "Vladivostok Standard Time": "Asia/Vladivostok",
    "Volgograd Standard Time": "Europe/Volgograd",
    "W. Australia Standard Time": "Australia/Perth",
    "W. Central Africa Standard Time": "Africa/Lagos",
    "W. Europe Standard Time": "Europe/Berlin",
    "West Asia Standard Time": "Asia/Tashkent",
    "West Pacific Standard Time": "Pacific/Port_Moresby",
    "Yakutsk Standard Time": "Asia/Yakutsk",
}
