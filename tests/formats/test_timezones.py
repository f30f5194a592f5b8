# SPDX-License-Identifier: Apache-2.0
"""Time zones: an object's own, those of the database, Windows' names, broken ones."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats import timezones
from armgs_server.formats.icalendar import check
from tests.formats.ics import EVENT, crlf


def vtimezone(text: str) -> str:
    return (
        "BEGIN:VCALENDAR\n"
        + text
        + EVENT.removeprefix("BEGIN:VCALENDAR\n").replace(
            "DTSTART:20261123T100000Z", "DTSTART;TZID=Mine:20261123T100000"
        )
    )


BERLIN = """\
BEGIN:VTIMEZONE
TZID:Mine
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""


@given(st.datetimes(datetime(1980, 1, 1), datetime(2095, 1, 1)))
def test_own_time_zone_agrees_with_the_database(local: datetime) -> None:
    """Summer time by the rule of the EU (in force since 1996), gaps and repeated hours included."""
    found = check(crlf(vtimezone(BERLIN)))
    zone, known = found.zone("Mine"), ZoneInfo("Europe/Berlin")
    assert zone is not None and not isinstance(zone, ZoneInfo)
    if local.year >= 1997:
        assert local.replace(tzinfo=zone).utcoffset() == local.replace(tzinfo=known).utcoffset()


def test_time_zones_that_are_broken_or_hostile() -> None:
    secondly = BERLIN.replace("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "FREQ=SECONDLY")
    impossible = BERLIN.replace("BYMONTH=3;BYDAY=-1SU", "BYMONTH=2;BYMONTHDAY=30")
    for text in (secondly, impossible):
        assert check(crlf(vtimezone(text))).zone("Mine") is not None
    for text in (
        BERLIN.replace("TZOFFSETTO:+0100\n", ""),
        BERLIN.replace("+0200", "+9999"),
        BERLIN.replace("19700329T020000", "soon"),
        BERLIN.replace("FREQ=YEARLY", "FREQ=NEVER"),
        "BEGIN:VTIMEZONE\nTZID:Mine\nEND:VTIMEZONE\n",
    ):
        found = check(crlf(vtimezone(text)))
        assert found.zone("Mine") is None  # floating
        assert found.unknown_zones == {"Mine"}
    assert timezones.named("Europe/Nowhere") is None
    assert timezones.named("W. Europe Standard Time") == ZoneInfo("Europe/Berlin")


def test_every_windows_name_is_known() -> None:
    assert [name for name in timezones.WINDOWS if timezones.named(name) is None] == []
