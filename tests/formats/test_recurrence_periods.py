# SPDX-License-Identifier: Apache-2.0
"""Rules: the examples of RFC 5545, python-dateutil as oracle, and hostile ones."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats.recurrence import bounds, expand
from armgs_server.formats.recurrence_periods import Budget, Exhausted, occurrences
from armgs_server.formats.recurrence_rule import parse
from tests.formats.recurring import FIRST, LAST, event, first_match, rules, starts


def days(rule: str, start: str = "19970902T090000", count: int = 100) -> list[str]:
    found = event(f"DTSTART:{start}", f"RRULE:{rule}")
    return [each[:8] for each in starts(found, limit=count)]


# RFC 5545 §3.8.5.3: rule, DTSTART, the dates it lists.
EXAMPLES = [
    ("FREQ=DAILY;COUNT=3", "19970902", "0902 0903 0904"),
    ("FREQ=DAILY;INTERVAL=10;COUNT=5", "19970902", "0902 0912 0922 1002 1012"),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;COUNT=4", "19970902", "0902 0916 0930 1014"),
    ("FREQ=WEEKLY;UNTIL=19970915T000000Z;WKST=SU;BYDAY=TU,TH", "19970902", "0902 0904 0909 0911"),
    (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
        "19970902",
        "0902 0904 0916 0918 0930 1002 1014 1016",
    ),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=1FR", "19970905", "0905 1003 1107"),
    ("FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU", "19970907", "0907 0928 1102 1130"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", "19970922", "0922 1020 1117"),
    ("FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3", "19970928", "0928 1029 1128"),
    ("FREQ=MONTHLY;COUNT=4;BYMONTHDAY=2,15", "19970902", "0902 0915 1002 1015"),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "19970904", "0904 1007 1106"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=3", "19970929", "0929 1030 1127"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "19970805", "0805 0810 0819 0824"),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "19970805", "0805 0817 0819 0831"),
]


@pytest.mark.parametrize(("rule", "start", "expected"), EXAMPLES)
def test_examples_of_the_rfc(rule: str, start: str, expected: str) -> None:
    assert [day[4:] for day in days(rule, f"{start}T090000")] == expected.split()


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        ("FREQ=YEARLY;COUNT=4;BYMONTH=6,7", "19970610", "19970610 19970710 19980610 19980710"),
        (
            "FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200",
            "19970101",
            "19970101 19970410 19970719 20000101",
        ),
        ("FREQ=YEARLY;BYDAY=20MO;COUNT=3", "19970519", "19970519 19980518 19990517"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=3", "19970512", "19970512 19980511 19990517"),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=3",
            "19961105",
            "19961105 20001107 20041102",
        ),
        ("FREQ=YEARLY;COUNT=3", "19960229", "19960229 20000229 20040229"),
        # DTSTART counts although it fits nothing: the first of COUNT.
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=3", "19970902", "19970902 19980213 19980313"),
    ],
)
def test_years(rule: str, start: str, expected: str) -> None:
    assert days(rule, f"{start}T090000") == expected.split()


def test_hours_and_minutes() -> None:
    hourly = event("DTSTART:19970902T090000", "RRULE:FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z")
    assert starts(hourly) == ["19970902T0900", "19970902T1200", "19970902T1500"]
    office = event("DTSTART:19970902T090000", "RRULE:FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,16;COUNT=8")
    assert starts(office)[5:] == ["19970902T1040", "19970902T1600", "19970902T1620"]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYHOUR=3;BYMINUTE=61",
        "FREQ=MINUTELY;BYDAY=MO;BYSETPOS=366",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=YEARLY;BYWEEKNO=53;BYYEARDAY=200",
        "FREQ=SECONDLY;COUNT=999999999",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11;BYMINUTE=0,1,2,3,4,5,6,7,8,9;BYSECOND=1,2,3,4,5,6,7,8,9",
        "FREQ=YEARLY;INTERVAL=1000000",
    ],
)
def test_bombs_end(rule: str) -> None:
    begun = time.process_time()
    for start in ("00010101T000000", "19700101T000000", "20260101T000000", "99981231T235959"):
        try:
            found = event(f"DTSTART:{start}", f"RRULE:{rule}")
        except Invalid as error:
            assert "BYMINUTE" in error.text
            return
        assert len(expand(found, FIRST, LAST, limit=1000).instances) <= 1000
        bounds(found)
    assert time.process_time() - begun < 4


@settings(max_examples=80, deadline=None)
@given(rules(), st.datetimes(datetime(2020, 1, 1), datetime(2021, 12, 31)))
def test_dateutil_agrees(rule: str, start: datetime) -> None:
    start = first_match(rule, start)
    end = start + timedelta(days=800)
    theirs = rrulestr(rule, dtstart=start).between(start, end, inc=True)
    assert list(occurrences(parse(rule), start, start, end, Budget(100_000))) == theirs


def test_the_budget_is_kept() -> None:
    start = datetime(2026, 1, 1)
    with pytest.raises(Exhausted):
        list(occurrences(parse("FREQ=DAILY"), start, start, datetime(2027, 1, 1), Budget(5)))


def test_rules_that_cannot_be_read() -> None:
    for text in (
        "",
        "FREQ",
        "FREQ=",
        "COUNT=3",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;BYMONTHDAY=0",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=DAILY;WKST=XX",
        "FREQ=DAILY;BYFOO=1",
        "RSCALE=CHINESE;FREQ=YEARLY",
        "FREQ=MONTHLY;SKIP=FORWARD;RSCALE=GREGORIAN",
    ):
        with pytest.raises(ValueError, match=r".+"):
            parse(text)
    assert parse("RSCALE=GREGORIAN;freq=daily;X-FOO=1;").freq == "DAILY"  # COMPAT: small letters, a last ";"


def test_large_objects_end() -> None:
    """A megabyte of what costs most: overrides for all that follows, dates, own zones, excluding rules."""
    begun = time.process_time()
    changed = "".join(
        f"BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;RANGE=THISANDFUTURE:{start:%Y%m%dT%H%M%SZ}\r\n"
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}\r\nEND:VEVENT\r\n"
        for start in (datetime(2026, 1, 1) + timedelta(number) for number in range(2000))
    )
    found = event("DTSTART:20260101T000000Z", "RRULE:FREQ=DAILY", others=changed)
    assert expand(found, FIRST, LAST, limit=1000).instances
    dates = ",".join(f"{datetime(2026, 1, 1) + timedelta(number):%Y%m%dT%H%M%SZ}" for number in range(20_000))
    found = event("DTSTART:20260101T000000Z", f"RDATE:{dates}", f"EXDATE:{dates}")
    assert expand(found, FIRST, LAST, limit=1000).instances == []
    everything = "FREQ=DAILY;BYHOUR={};BYMINUTE={};BYSECOND={}".format(
        *(",".join(map(str, range(count))) for count in (24, 60, 60))
    )
    found = event("DTSTART:20260101T000000Z", "RRULE:FREQ=DAILY", *[f"EXRULE:{everything}"] * 20)
    expand(found, FIRST, LAST, limit=1000)
    zones = "".join(
        f"BEGIN:VTIMEZONE\r\nTZID:Z{number}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T{number % 24:02}0000\r\n"
        "TZOFFSETFROM:+0000\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=HOURLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        for number in range(1000)
    )
    excluded = [f"EXDATE;TZID=Z{number}:20260101T000000" for number in range(1000)]
    event("DTSTART:20260101T000000Z", "RRULE:FREQ=DAILY", *excluded, others=zones)
    assert time.process_time() - begun < 10
