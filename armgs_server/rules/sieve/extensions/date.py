# SPDX-License-Identifier: Apache-2.0
"""date and currentdate: RFC 5260."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from armgs_server.errors import Invalid
from armgs_server.rules.sieve.extensions.headers import INDEX, check_header_names, pick
from armgs_server.rules.sieve.language import MATCHING, Extension, Option, Spec, Type
from armgs_server.rules.sieve.machine import Run
from armgs_server.rules.sieve.program import Node, Value
from armgs_server.storage import clock

_ZONE: Final = re.compile(r"([+-])([0-9]{2})([0-5][0-9])")
# RFC 5322 §4.3: comments and white space may stand between all the parts of an obsolete date.
_COMMENT: Final = re.compile(r"\([^()]*\)")
_COLON: Final = re.compile(r"[ \t]*:[ \t]*")
_MJD_OF_ORDINAL: Final = 678576  # day 1 of the common era in the Modified Julian calendar is -678575


def _zone_text(moment: datetime) -> str:
    return moment.strftime("%z")[:5]


# RFC 5260 §4.2
PARTS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "year": lambda moment: f"{moment.year:04}",
    "month": lambda moment: f"{moment.month:02}",
    "day": lambda moment: f"{moment.day:02}",
    "date": lambda moment: moment.date().isoformat(),
    "julian": lambda moment: str(moment.toordinal() - _MJD_OF_ORDINAL),
    "hour": lambda moment: f"{moment.hour:02}",
    "minute": lambda moment: f"{moment.minute:02}",
    "second": lambda moment: f"{moment.second:02}",
    "time": lambda moment: moment.strftime("%H:%M:%S"),
    "iso8601": lambda moment: moment.replace(microsecond=0).isoformat(),
    "std11": format_datetime,
    "zone": _zone_text,
    "weekday": lambda moment: str(moment.isoweekday() % 7),
}


async def test_date(run: Run, node: Node) -> bool:
    """RFC 5260 §4: the one field that :index means, the first by default."""
    values = run.letter.raw(run.text(node, "header"))
    chosen = pick(run, node, values)[:1]
    moment = parse_moment(chosen[0]) if chosen else None
    if moment is None:
        return await run.is_match(node, [], run.texts(node, "keys"))
    return await _compare(run, node, moment)


async def test_currentdate(run: Run, node: Node) -> bool:
    """RFC 5260 §5"""
    return await _compare(run, node, datetime.fromtimestamp(run.host.now / clock.SECOND, UTC).astimezone())


async def _compare(run: Run, node: Node, moment: datetime) -> bool:
    part = PARTS.get(run.text(node, "part").lower())
    if part is None:
        raise Invalid(f"{run.text(node, 'part')[:20]!r} is no part of a date")
    try:
        value = part(_in_zone(run, node, moment))
    except OverflowError:  # at the ends of the calendar
        return False
    return await run.is_match(node, [value], run.texts(node, "keys"))


def _in_zone(run: Run, node: Node, moment: datetime) -> datetime:
    """RFC 5260 §4.1: the zone given, the date's own, or the server's."""
    if "originalzone" in node.arguments:
        return moment
    if "zone" not in node.arguments:
        return moment.astimezone()
    found = _ZONE.fullmatch(run.text(node, "zone"))
    if found is None:
        raise Invalid("a time zone is +hhmm or -hhmm")
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    if offset >= timedelta(days=1):
        raise Invalid("a time zone is less than a day away")
    return moment.astimezone(timezone(-offset if found[1] == "-" else offset))


def parse_moment(value: bytes) -> datetime | None:
    """A date-time, alone or behind the last semicolon of a field (RFC 5260 §4)."""
    text = _COMMENT.sub(" ", value.decode("latin-1").rpartition(";")[2])
    text = _COLON.sub(":", text).strip()
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_part(arguments: Mapping[str, Value]) -> None:
    """A constant part must be one; :zone and :originalzone exclude one another."""
    part = arguments["part"]
    if isinstance(part, str) and part.lower() not in PARTS:
        raise Invalid(f"{part[:20]!r} is no part of a date")
    if "zone" in arguments and "originalzone" in arguments:
        raise Invalid("one of :zone and :originalzone")
    if "header" in arguments:
        check_header_names(arguments)


_ZONES = (Option("zone", Type.STRING), Option("originalzone"))

EXTENSION = Extension(
    capabilities={"date": ()},
    tests=(
        Spec(
            "date",
            test_date,
            (("header", Type.STRING), ("part", Type.STRING), ("keys", Type.STRINGS)),
            (*MATCHING, *_ZONES, *INDEX),
            "date",
            check=check_part,
        ),
        Spec(
            "currentdate",
            test_currentdate,
            (("part", Type.STRING), ("keys", Type.STRINGS)),
            (*MATCHING, _ZONES[0]),
            "date",
            check=check_part,
        ),
    ),
)
