# SPDX-License-Identifier: Apache-2.0
"""Recurrence sets of whole objects: exceptions, overrides, zones; recurring-ical-events as oracle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import icalendar
import recurring_ical_events
from hypothesis import given, settings
from hypothesis import strategies as st

from armgs_server.formats.icalendar import check
from armgs_server.formats.icalendar_values import to_micros
from armgs_server.formats.recurrence import bounds, expand, from_micros, in_zone
from armgs_server.formats.timezones import named
from tests.formats.recurring import FIRST, LAST, NEW_YORK, event, first_match, override, rules, starts


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


def test_a_cut_expansion_says_so() -> None:
    found = event("DTSTART:20260101T000000Z", "RRULE:FREQ=MINUTELY")
    expansion = expand(found, FIRST, LAST, limit=100)
    assert len(expansion.instances) == 100
    assert expansion.until == to_micros(datetime(2026, 1, 1, 1, 40), None)


def test_local_time_of_a_moment() -> None:
    moment = to_micros(datetime(2026, 7, 1, 12), None)
    assert in_zone(moment, named("Europe/Berlin")) == datetime(2026, 7, 1, 14)
    assert in_zone(moment, None) == datetime(2026, 7, 1, 12)


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
