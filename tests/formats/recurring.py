# SPDX-License-Identifier: Apache-2.0
"""Recurring events, and rules made at random, that the recurrence tests share."""

from __future__ import annotations

from datetime import datetime

from dateutil.rrule import rrulestr
from hypothesis import assume
from hypothesis import strategies as st

from armgs_server.formats.icalendar import CalendarObject, check
from armgs_server.formats.icalendar_values import to_micros
from armgs_server.formats.recurrence import expand, from_micros

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
