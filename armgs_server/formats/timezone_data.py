# SPDX-License-Identifier: Apache-2.0
"""The time zones this server knows, as VTIMEZONE components (RFC 5545 §3.6.5) made from the IANA database.

The files are those that zoneinfo reads, so dates are computed and shown alike. Changes of one kind are one
STANDARD or DAYLIGHT with a list of dates; the rule at the end of a file becomes an RRULE where RFC 5545 has
words for it, else dates up to `HORIZON`, and TZUNTIL says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import TZPATH

from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import timezones, tzif
from armgs_server.formats.contentline import ContentLine, serialise
from armgs_server.formats.tzif import Onset, Yearly, Zone

HORIZON = 2147483648  # 2038-01-19, as far as dates are listed where there is no rule for them
SINCE = 0  # 1970: calendars of clients begin here
_FORM = 1  # goes into the entity tags: the same file makes another component when this changes
_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_EPOCH = datetime(1970, 1, 1)
_DAY = 86400
_LAST = 5


def is_known(tzid: str) -> bool:
    """Whether a name is one of the database's, exactly as spelled."""
    return tzid in timezones.known()


def zone(tzid: str) -> Zone:
    """All that the database says of a zone. NotFound."""
    return _read(tzid)[0]


def etag(tzid: str) -> str:
    """Another one when the zone's data have changed. NotFound."""
    return _read(tzid)[1]


@lru_cache(maxsize=1024)
def _read(tzid: str) -> tuple[Zone, str]:
    if not is_known(tzid):
        raise NotFound("no such time zone")
    data = read_file(tzid)
    mark = hashlib.sha256(data + bytes([_FORM])).hexdigest()[:20]
    return tzif.parse(data), f'"{mark}"'


def _places() -> list[Path]:
    """Where zoneinfo looks, in its order."""
    places = [Path(folder) for folder in TZPATH]
    if find_spec("tzdata") is not None:
        places.append(Path(str(resources.files("tzdata.zoneinfo"))))
    return places


def read_file(name: str) -> bytes:
    """A file of the database. NotFound."""
    for place in _places():
        if (place / name).is_file():
            return (place / name).read_bytes()
    raise NotFound("no such time zone")


@lru_cache(maxsize=1)
def _source() -> tuple[str, dict[str, str]]:
    """The version of the database, and what each alias stands for."""
    try:
        lines = read_file("tzdata.zi").decode("ascii", "replace").splitlines()
    except NotFound:
        return "unknown", {}
    version = lines[0].rpartition(" ")[2] if lines and lines[0].startswith("# version") else "unknown"
    links = [line.split() for line in lines if line.startswith("L ")]
    return version, {alias: target for _, target, alias in links if is_known(alias) and is_known(target)}


def version() -> str:
    """As the publisher has it: 2026a."""
    return _source()[0]


@lru_cache(maxsize=1)
def modified() -> int:
    """When the database came to this machine: seconds since 1970."""
    files = (place / "UTC" for place in _places())
    return next((int(file.stat().st_mtime) for file in files if file.is_file()), 0)


def aliases() -> dict[str, str]:
    """Each alias, and the zone it stands for."""
    return _source()[1]


@lru_cache(maxsize=256)
def vtimezone(tzid: str, start: int | None = SINCE, end: int | None = None) -> bytes:
    """The VTIMEZONE, cut off at moments where they are given (RFC 7808 §3.9). NotFound."""
    found = zone(tzid)
    lines: list[ContentLine] = [("TZID", "", tzid)]
    if tzid in aliases():
        lines.append(("TZID-ALIAS-OF", "", aliases()[tzid]))
    listed, ruled = _parts(found, start, end)
    until = end
    if until is None and found.rule and not ruled:
        until = HORIZON
    if until is not None:
        lines.append(("TZUNTIL", "", f"{_EPOCH + timedelta(seconds=until):%Y%m%dT%H%M%SZ}"))
    for group in listed:
        lines += _observance(group)
    for yearly, onset in ruled:
        lines += _observance([onset], _rrule(yearly))
    return serialise([("BEGIN", "", "VTIMEZONE"), *lines, ("END", "", "VTIMEZONE")])


def _parts(
    found: Zone, start: int | None, end: int | None
) -> tuple[list[list[Onset]], list[tuple[Yearly, Onset]]]:
    """The changes in lists of one kind each, and those of the rule with the first time it holds."""
    low = -(1 << 62) if start is None else start
    has_rule = end is None and bool(found.rule) and all(_rrule(each) for each in found.rule)
    last = end if end is not None else HORIZON if found.rule else 1 << 40
    onsets = [each for each in found.until(last) if each.at >= low]
    ruled: list[tuple[Yearly, Onset]] = []
    if has_rule:
        onsets, ruled = _tail(found.rule, onsets)
    if start is not None or (not onsets and not ruled):
        held = found.in_effect(low) if start is not None else found.first
        at = 0 if start is None else start
        if not onsets or onsets[0].at != at:
            onsets.insert(0, Onset(at, held.after, held.after, held.is_dst, held.name))
    groups: dict[tuple[object, ...], list[Onset]] = {}
    for onset in onsets:
        groups.setdefault(onset[1:], []).append(onset)
    return list(groups.values()), ruled


def _tail(rule: Sequence[Yearly], onsets: list[Onset]) -> tuple[list[Onset], list[tuple[Yearly, Onset]]]:
    """Takes off the end what the rule says as well."""
    first: dict[int, tuple[int, Onset]] = {}
    while onsets:
        onset = onsets[-1]
        year = (_EPOCH + timedelta(seconds=onset.at + onset.before)).year
        index = next((at for at, each in enumerate(rule) if each.onset(year) == onset), None)
        if index is None or first.get(index, (year + 1,))[0] != year + 1:  # a year without: no such rule yet
            break
        first[index] = year, onsets.pop()
    ruled = [(rule[at], onset) for at, (_, onset) in first.items()]
    return onsets, sorted(ruled, key=lambda part: part[1])


def _observance(onsets: Sequence[Onset], rrule: str = "") -> Iterator[ContentLine]:
    first, *others = onsets
    name = "DAYLIGHT" if first.is_dst else "STANDARD"
    yield "BEGIN", "", name
    yield "DTSTART", "", _local(first)
    yield "TZOFFSETFROM", "", _offset(first.before)
    yield "TZOFFSETTO", "", _offset(first.after)
    yield "TZNAME", "", first.name
    if rrule:
        yield "RRULE", "", rrule
    for other in others:
        yield "RDATE", "", _local(other)
    yield "END", "", name


def _local(onset: Onset) -> str:
    moment = _EPOCH + timedelta(seconds=onset.at + onset.before)
    return f"{moment:%Y%m%dT%H%M%S}"


def _offset(seconds: int) -> str:
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02}{minutes % 60:02}"
    return text + (f"{rest:02}" if rest else "")


def _rrule(yearly: Yearly) -> str:
    """RFC 5545 §3.3.10; '' where the time of the rule leads out of what can be said of a month."""
    shift = yearly.time // _DAY
    day = _DAYS[(yearly.day + shift) % 7]
    text = f"FREQ=YEARLY;BYMONTH={yearly.month};BYDAY="
    if shift == 0:
        return text + (f"-1{day}" if yearly.week == _LAST else f"{yearly.week}{day}")
    length = _EPOCH.replace(month=yearly.month).replace(day=28)
    days_in_month = ((length + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    low = (days_in_month - 6 if yearly.week == _LAST else 7 * yearly.week - 6) + shift
    if low < 1 or low + 6 > days_in_month or (yearly.month == 2 and yearly.week == _LAST):
        return ""
    return f"{text}{day};BYMONTHDAY={','.join(str(low + number) for number in range(7))}"


def parse_moment(text: str) -> int:
    """A date-time of RFC 3339 in UTC: seconds since 1970. Invalid."""
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("not a date-time in UTC") from error
    return (moment - _EPOCH.replace(tzinfo=UTC)) // timedelta(seconds=1)


def moment_text(at: int) -> str:
    """The same back."""
    return f"{_EPOCH + timedelta(seconds=at):%Y-%m-%dT%H:%M:%SZ}"
