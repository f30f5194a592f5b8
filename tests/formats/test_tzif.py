# SPDX-License-Identifier: Apache-2.0
"""TZif files: every zone of this machine as zoneinfo has it; hostile bytes are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import timezone_data, tzif

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# With and without a rule; summer first or last in the year; odd hours; none at all; negative summer time.
ZONES = (
    "Europe/Berlin",
    "Europe/Moscow",
    "Europe/Dublin",
    "America/New_York",
    "America/Nuuk",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Jerusalem",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Etc/GMT+5",
    "UTC",
)


@pytest.mark.parametrize("name", ZONES)
def test_every_change_is_one_of_zoneinfos(name: str) -> None:
    zone, known = timezone_data.zone(name), ZoneInfo(name)
    for onset in zone.until(3_000_000_000):
        after = (EPOCH + timedelta(seconds=onset.at)).astimezone(known)
        before = (EPOCH + timedelta(seconds=onset.at - 1)).astimezone(known)
        assert after.utcoffset() == timedelta(seconds=onset.after), onset
        assert before.utcoffset() == timedelta(seconds=onset.before), onset
        assert (after.tzname(), bool(after.dst())) == (onset.name, onset.is_dst)


def test_what_is_in_effect() -> None:
    berlin = timezone_data.zone("Europe/Berlin")
    assert berlin.in_effect(1_780_000_000).name == "CEST"  # May 2026
    assert berlin.in_effect(4_102_444_800 - 1).name == "CET"  # the last second of 2099
    assert berlin.in_effect(-(1 << 50)).name == "LMT"


def test_rules() -> None:
    begin, end = tzif.parse_rule("CET-1CEST,M3.5.0,M10.5.0/3")
    assert (begin.before, begin.after, begin.time, begin.name) == (3600, 7200, 7200, "CEST")
    assert (end.before, end.after, end.time, end.name) == (7200, 3600, 10800, "CET")
    assert str(begin.date(2026)) == "2026-03-29" and str(end.date(2026)) == "2026-10-25"
    assert tzif.parse_rule("<+0530>-5:30") == () == tzif.parse_rule("")
    begin, _ = tzif.parse_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0")
    assert (begin.time, begin.before, begin.after) == (-3600, -7200, -3600)


@pytest.mark.parametrize("text", ["CET", "CET-1CEST", "CET-1CEST,J60,J300", "CET-1CEST,M13.1.0,M1.1.0", "\n"])
def test_other_rules_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        tzif.parse_rule(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_zone_or_invalid(data: bytes) -> None:
    for body in (data, b"TZif2" + data, b"TZif2" + b"\0" * 39 + b"TZif2" + b"\0" * 15 + data):
        with pytest.raises(Invalid):
            tzif.parse(body)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_file_is_a_zone_or_invalid(draw: st.DataObject) -> None:
    whole = timezone_data.read_file("Europe/Berlin")
    at = draw.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + draw.draw(st.binary(min_size=1, max_size=4)) + whole[at + 1 :]
    try:
        assert tzif.parse(damaged).onsets is not None
    except Invalid as error:
        assert error.text
    with pytest.raises(Invalid):
        tzif.parse(whole[:at])
