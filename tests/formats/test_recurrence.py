# SPDX-License-Identifier: Apache-2.0
"""Recurrence sets: the examples of RFC 5545, two other implementations as oracles, and hostile rules."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
import recurring_ical_events
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from armgs_server.formats.icalendar import CalendarObject, check
from armgs_server.formats.icalendar_values import to_micros
from armgs_server.formats.recurrence import bounds, expand, from_micros, in_zone
from armgs_server.formats.recurrence_periods import Budget, Exhausted, occurrences
from armgs_server.formats.recurrence_rule import parse
from armgs_server.formats.timezones import named

NEW_YORK = "TZID=America/New_York:"
FIRST, LAST = to_micros(datetime(1990, 1, 1), None), to_micros(datetime(2040, 1, 1), None)


def event(*content: str, others: str = "") -> CalendarObject:
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:1", *content, "END:VEVENT"])
    return check(f"{text}\r\n{others}END:VCALENDAR\r\n".encode())


def override(*content: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", "UID:1", *content, "END:VEVENT", ""])


def starts(found: CalendarObject, first: int = FIRST, last: int = LAST, limit: int = 1000) -> list[str]:
    return [
        f"{from_micros(instance.starts):%Y%m%dT%H%M}"
        for instance in expand(found, first, last, limit=limit).instances
    ]


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


def test_until_in_utc_and_as_a_date() -> None:
    zoned = event(f"DTSTART;{NEW_YORK}19971220T210000", "RRULE:FREQ=DAILY;UNTIL=19971224T020000Z")
    assert starts(zoned)[-1] == "19971224T0200"  # 21:00 in New York on the 23rd is 02:00 UTC
    dated = event("DTSTART:19971220T210000Z", "RRULE:FREQ=DAILY;UNTIL=19971222")
    assert len(starts(dated)) == 3  # COMPAT: the whole day counts


def test_summer_time_keeps_the_clock_and_the_exact_duration() -> None:
    found = event(
        "DTSTART;TZID=Europe/Berlin:20260328T090000",
        "DTEND;TZID=Europe/Berlin:20260328T100000",
        "RRULE:FREQ=DAILY;COUNT=2",
    )
    instances = expand(found, FIRST, LAST, limit=10).instances
    assert [from_micros(each.starts).hour for each in instances] == [8, 7]
    assert {each.ends - each.starts for each in instances} == {3_600_000_000}


def test_rdates_exdates_and_periods() -> None:
    found = event(
        "DTSTART:20260101T100000Z",
        "DTEND:20260101T110000Z",
        "RRULE:FREQ=DAILY;COUNT=4",
        "EXDATE:20260102T100000Z,20260103T100000Z",
        "RDATE:20260110T120000Z",
        "RDATE;VALUE=PERIOD:20260104T100000Z/PT30M,20260111T100000Z/20260111T103000Z",
    )
    instances = expand(found, FIRST, LAST, limit=10).instances
    assert [
        (f"{from_micros(each.starts):%d}", (each.ends - each.starts) // 60_000_000) for each in instances
    ] == [
        ("01", 60),
        ("04", 30),
        ("10", 60),
        ("11", 30),
    ]
    by_day = event("DTSTART:20260101T100000Z", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:20260102")
    assert [each[6:8] for each in starts(by_day)] == ["01", "03"]


def test_overrides_replace_and_move() -> None:
    found = event(
        "DTSTART:20260105T100000Z",
        "DTEND:20260105T110000Z",
        "RRULE:FREQ=WEEKLY;COUNT=4",
        others=override("RECURRENCE-ID:20260112T100000Z", "DTSTART:20260114T150000Z", "SUMMARY:Moved"),
    )
    assert starts(found) == ["20260105T1000", "20260114T1500", "20260119T1000", "20260126T1000"]
    january_14 = to_micros(datetime(2026, 1, 14), None)
    assert [
        each.component.text("SUMMARY")
        for each in expand(found, january_14, january_14 + 86400_000_000, limit=9).instances
    ] == ["Moved"]
    assert starts(found, to_micros(datetime(2026, 1, 12), None), january_14) == []


def test_this_and_future() -> None:
    found = event(
        "DTSTART:20260105T100000Z",
        "DTEND:20260105T110000Z",
        "RRULE:FREQ=WEEKLY;COUNT=4",
        others=override(
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20260112T100000Z",
            "DTSTART:20260112T120000Z",
            "DTEND:20260112T123000Z",
        ),
    )
    assert starts(found) == ["20260105T1000", "20260112T1200", "20260119T1200", "20260126T1200"]


def test_overrides_without_their_master() -> None:
    alone = override("RECURRENCE-ID:20260112T100000Z", "DTSTART:20260112T120000Z")
    found = check(f"BEGIN:VCALENDAR\r\n{alone}END:VCALENDAR\r\n".encode())
    assert found.master is None and found.is_recurring
    assert starts(found) == ["20260112T1200"]


def test_bounds() -> None:
    day = 86_400_000_000
    first = to_micros(datetime(2026, 1, 5), None)
    assert bounds(event("DTSTART;VALUE=DATE:20260105")) == (first, first + day)
    assert bounds(event("DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=DAILY")) == (first, None)
    low, high = bounds(event("DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=DAILY;UNTIL=20260107"))
    assert low == first and high is not None and high >= first + 3 * day


def test_windows_agree_with_the_whole() -> None:
    for rule in (
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;BYDAY=MO,WE",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=YEARLY",
    ):
        found = event(f"DTSTART;{NEW_YORK}20050310T233000", f"RRULE:{rule}", "DURATION:PT2H")
        whole = expand(found, FIRST, LAST, limit=10_000).instances
        for year in (2005, 2013, 2026):
            low, high = (to_micros(datetime(year, month, 7), None) for month in (3, 9))
            part = expand(found, low, high, limit=10_000).instances
            assert part == [each for each in whole if each.starts < high and each.ends > low]


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
        except Exception as error:
            assert "BYMINUTE" in str(error)
            return
        assert len(expand(found, FIRST, LAST, limit=1000).instances) <= 1000
        bounds(found)
    assert time.process_time() - begun < 4


def test_a_cut_expansion_says_so() -> None:
    found = event("DTSTART:20260101T000000Z", "RRULE:FREQ=MINUTELY")
    expansion = expand(found, FIRST, LAST, limit=100)
    assert len(expansion.instances) == 100
    assert expansion.until == to_micros(datetime(2026, 1, 1, 1, 40), None)
    with pytest.raises(Exhausted):
        list(
            occurrences(
                parse("FREQ=DAILY"),
                datetime(2026, 1, 1),
                datetime(2026, 1, 1),
                datetime(2027, 1, 1),
                Budget(5),
            )
        )


def test_local_time_of_a_moment() -> None:
    moment = to_micros(datetime(2026, 7, 1, 12), None)
    assert in_zone(moment, named("Europe/Berlin")) == datetime(2026, 7, 1, 14)
    assert in_zone(moment, None) == datetime(2026, 7, 1, 12)


def _list(values: st.SearchStrategy[int], size: int = 3) -> st.SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=size, unique=True).map(lambda each: ",".join(map(str, each)))


WEEKDAYS = st.lists(
    st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=3, unique=True
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={freq}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 5))}")
    if draw(st.booleans()):
        parts.append("BYMONTH=" + draw(_list(st.integers(1, 12))))
    if freq != "WEEKLY" and draw(st.booleans()):
        parts.append("BYMONTHDAY=" + draw(_list(st.sampled_from([1, 2, 13, 15, 28, 31, -1, -2, -15, -28]))))
    if draw(st.booleans()):
        number = draw(st.sampled_from(["", "1", "2", "-1"])) if freq in ("MONTHLY", "YEARLY") else ""
        parts.append("BYDAY=" + ",".join(number + day for day in draw(WEEKDAYS)))
    if len(parts) > 2 and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from(['1', '-1', '1,-1']))}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(['MO', 'SU', 'WE']))}")
    if draw(st.booleans()):
        parts.append(f"COUNT={draw(st.integers(1, 30))}")
    return ";".join(parts)


def first_match(rule: str, start: datetime) -> datetime:
    """Where the rule may begin: dateutil leaves out a DTSTART that does not fit it, RFC 5545 counts it."""
    found = rrulestr(rule.partition(";COUNT")[0], dtstart=start.replace(microsecond=0)).after(start)
    assume(found is not None)
    assert isinstance(found, datetime)
    return found


@settings(max_examples=80, deadline=None)
@given(rules(), st.datetimes(datetime(2020, 1, 1), datetime(2021, 12, 31)))
def test_dateutil_agrees(rule: str, start: datetime) -> None:
    start = first_match(rule, start)
    end = start + timedelta(days=800)
    theirs = rrulestr(rule, dtstart=start).between(start, end, inc=True)
    assert list(occurrences(parse(rule), start, start, end, Budget(100_000))) == theirs


@settings(max_examples=30, deadline=None)
@given(
    rules(),
    st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 31)),
    st.sampled_from([NEW_YORK, "TZID=Europe/Berlin:", "VALUE=DATE:"]),
)
def test_recurring_ical_events_agrees(rule: str, start: datetime, kind: str) -> None:
    """The same instances of a whole object: exceptions, an added date, a moved instance."""
    start = first_match(rule, start.replace(second=0))
    text = f"{start:%Y%m%d}" if "DATE" in kind else f"{start:%Y%m%dT%H%M00}"
    local = start.replace(hour=0, minute=0) if "DATE" in kind else start
    added = f"{local + timedelta(days=11):%Y%m%d}" + text[8:]
    later = f"{local + timedelta(days=3):%Y%m%d}" + text[8:]
    found = event(
        f"DTSTART;{kind}{text}",
        f"RRULE:{rule}",
        f"RDATE;{kind}{added}",
        f"EXDATE;{kind}{later}",
        others=override(f"RECURRENCE-ID;{kind}{added}", f"DTSTART;{kind}{text}", "SUMMARY:Moved"),
    )
    data = b"".join(f"{line[0]}{line[1]}:{line[2]}\r\n".encode() for line in found.calendar.lines())
    low, high = datetime(2024, 1, 10, tzinfo=UTC), datetime(2026, 1, 10, tzinfo=UTC)
    theirs = recurring_ical_events.of(icalendar.Calendar.from_ical(data)).between(low, high)
    expected = sorted(_micros(each["DTSTART"].dt) for each in theirs)
    margin = 86_400_000_000  # the two differ in how a date meets the window's border
    ours = expand(
        found,
        to_micros(low.replace(tzinfo=None), None),
        to_micros(high.replace(tzinfo=None), None),
        limit=5000,
    )
    inside = [
        to_micros(low.replace(tzinfo=None), None) + margin,
        to_micros(high.replace(tzinfo=None), None) - margin,
    ]
    assert [each.starts for each in ours.instances if inside[0] <= each.starts < inside[1]] == [
        each for each in expected if inside[0] <= each < inside[1]
    ]


def _micros(value: object) -> int:
    if isinstance(value, datetime):
        return int(value.timestamp()) * 1_000_000
    return to_micros(datetime.strptime(f"{value:%Y%m%d}", "%Y%m%d"), None)
