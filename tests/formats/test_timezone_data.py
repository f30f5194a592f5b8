# SPDX-License-Identifier: Apache-2.0
"""VTIMEZONE components: they mean what zoneinfo says, and are as short as the rules allow."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import timezone_data, timezones
from armgs_server.formats.contentline import scan
from armgs_server.formats.icalendar import parse, vtimezone
from tests.formats.test_tzif import ZONES

BERLIN = """\
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:20260101T010000
TZOFFSETFROM:+0100
TZOFFSETTO:+0100
TZNAME:CET
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20260329T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:20261025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""
YEAR_2026, YEAR_2027 = 1767225600, 1798761600


def text(tzid: str, start: int | None = 0, end: int | None = None) -> str:
    return timezone_data.vtimezone(tzid, start, end).decode().replace("\r\n", "\n")


def test_a_rule_becomes_a_rule() -> None:
    assert text("Europe/Berlin", YEAR_2026) == BERLIN


def test_cut_off_at_the_end_it_says_until_when() -> None:
    cut = text("Europe/Berlin", YEAR_2026, YEAR_2027)
    assert "TZUNTIL:20270101T000000Z\n" in cut and "RRULE" not in cut
    assert cut.count("DTSTART") == 3


def test_what_has_no_changes() -> None:
    assert "DTSTART:19700101T000000\nTZOFFSETFROM:+0000\nTZOFFSETTO:+0000\nTZNAME:UTC" in text("Etc/UTC")
    assert text("Etc/GMT+5", None).count("BEGIN:STANDARD") == 1


def test_the_whole_zone_begins_with_local_mean_time() -> None:
    assert "DTSTART:18910316T000000\nTZOFFSETFROM:+000921\n" in text("Europe/Paris", None)


def test_an_odd_rule_is_written_out_up_to_its_horizon() -> None:
    assert "TZUNTIL:20380119T031408Z" in text("Africa/Cairo") and "RRULE" not in text("Africa/Cairo")
    assert "BYDAY=SA;BYMONTHDAY=24,25,26,27,28,29,30" in text("America/Nuuk")


@pytest.mark.parametrize("name", (*ZONES, "Europe/Riga"))
def test_it_means_what_zoneinfo_says(name: str) -> None:
    made = vtimezone(parse(scan(timezone_data.vtimezone(name)))[0])
    known = ZoneInfo(name)
    for month in range(12 * 67):
        for day, hour in ((1, 0), (11, 12), (21, 23)):
            moment = datetime(1970 + month // 12, 1 + month % 12, day, hour)
            assert moment.replace(tzinfo=made).utcoffset() == moment.replace(tzinfo=known).utcoffset(), moment


def test_names() -> None:
    assert timezone_data.is_known("Europe/Moscow") and not timezone_data.is_known("europe/moscow")
    for name in ("Europe/Nowhere", "../../etc/passwd", "/etc/passwd", "", "tzdata.zi"):
        with pytest.raises(NotFound):
            timezone_data.zone(name)
    for alias, tzid in timezone_data.aliases().items():
        assert {alias, tzid} <= timezones.known()


def test_moments() -> None:
    assert timezone_data.parse_moment("2026-01-01T00:00:00Z") == YEAR_2026
    assert timezone_data.moment_text(YEAR_2026) == "2026-01-01T00:00:00Z"
    for wrong in ("", "2026", "2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+01:00"):
        with pytest.raises(Invalid):
            timezone_data.parse_moment(wrong)
