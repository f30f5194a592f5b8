# SPDX-License-Identifier: Apache-2.0
"""How far an assigned task is, when it is due, and how it is shown to who leads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.icalendar import CalendarObject, check
from armgs_server.formats.icalendar_values import to_micros
from armgs_server.formats.itip import attendee, data_of, parameter, plain
from armgs_server.formats.itip_task import (
    control_copy,
    is_open,
    next_due,
    percent,
    progress,
    state,
    with_answer,
    with_progress,
)
from armgs_server.formats.recurrence import DAY

KEY = "b@example.com"


def todo(*lines: str, partstat: str = "NEEDS-ACTION") -> CalendarObject:
    text = (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\nBEGIN:VTODO\nUID:t\nDTSTAMP:20261101T000000Z\n"
        "ORGANIZER:mailto:a@example.com\nATTENDEE:mailto:a@example.com\n"
        f"ATTENDEE;PARTSTAT={partstat}:mailto:{KEY}\n"
        + "".join(f"{line}\n" for line in lines)
        + "END:VTODO\nEND:VCALENDAR\n"
    )
    return check(text.replace("\n", "\r\n").encode())


def said(found: CalendarObject) -> str:
    line = attendee(found.members[0], KEY, plain)
    assert line is not None
    return parameter(line, "PARTSTAT")


def moment(month: int, day: int, hour: int = 0) -> int:
    return to_micros(datetime(2026, month, day, hour), UTC)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), "NEEDS-ACTION"),
        (("PERCENT-COMPLETE:1",), "IN-PROCESS"),
        (("PERCENT-COMPLETE:100",), "COMPLETED"),
        (("COMPLETED:20261122T100000Z",), "COMPLETED"),
        (("COMPLETED:20261122T100000Z", "STATUS:NEEDS-ACTION"), "NEEDS-ACTION"),
        (("STATUS:completed",), "COMPLETED"),
        (("STATUS:CANCELLED", "PERCENT-COMPLETE:100"), "CANCELLED"),
        (("PERCENT-COMPLETE:much",), "NEEDS-ACTION"),
    ],
)
def test_progress(lines: tuple[str, ...], expected: str) -> None:
    assert progress(todo(*lines).members[0]) == expected


@pytest.mark.parametrize(
    ("before", "after", "partstat"),
    [
        ((), ("STATUS:COMPLETED",), "COMPLETED"),
        ((), ("PERCENT-COMPLETE:30",), "IN-PROCESS"),
        (("STATUS:COMPLETED",), ("STATUS:NEEDS-ACTION",), "ACCEPTED"),
        ((), ("STATUS:CANCELLED",), "NEEDS-ACTION"),  # the organiser's to say
        (("STATUS:COMPLETED",), ("STATUS:COMPLETED",), "NEEDS-ACTION"),
    ],
)
def test_the_participation_follows(before: tuple[str, ...], after: tuple[str, ...], partstat: str) -> None:
    assert said(with_progress(todo(*before), todo(*after), KEY, plain)) == partstat


def test_what_the_client_says_itself_counts() -> None:
    new = todo("STATUS:COMPLETED", partstat="DECLINED")
    assert with_progress(todo(), new, KEY, plain) is new


def test_an_answer_of_the_only_assignee() -> None:
    answer = todo("PERCENT-COMPLETE:40").members[0]
    made = with_answer(todo(partstat="IN-PROCESS").members[0], answer, plain)
    assert (made.value("STATUS"), percent(made)) == ("IN-PROCESS", 40)
    done = with_answer(todo(partstat="COMPLETED").members[0], todo().members[0], plain)
    assert (done.value("STATUS"), percent(done)) == ("COMPLETED", 100)
    assert done.value("COMPLETED") == "20261101T000000Z"  # when the answer was made
    was_done = todo("STATUS:COMPLETED", "PERCENT-COMPLETE:100", partstat="ACCEPTED").members[0]
    again = with_answer(was_done, todo().members[0], plain)
    assert again.value("STATUS") == "NEEDS-ACTION" and again.first("PERCENT-COMPLETE") is None
    off = with_answer(todo("STATUS:CANCELLED", partstat="COMPLETED").members[0], todo().members[0], plain)
    assert off.value("STATUS") == "CANCELLED"
    gone = todo("STATUS:COMPLETED", partstat="DECLINED").members[0]
    assert with_answer(gone, todo().members[0], plain).value("STATUS") == "COMPLETED"


def test_when_it_is_due() -> None:
    found = todo("DUE:20261130T150000Z")
    due = next_due(found, 0, KEY, plain)
    assert due is not None and due[0] == moment(11, 30, 15)
    assert next_due(found, due[0], KEY, plain) is None
    day = next_due(todo("DUE;VALUE=DATE:20261130"), 0, KEY, plain)
    assert day is not None and day[0] == moment(12, 1)  # the day belongs to it
    length = next_due(todo("DTSTART:20261130T150000Z", "DURATION:PT2H"), 0, KEY, plain)
    assert length is not None and length[0] == moment(11, 30, 17)
    assert next_due(todo("DTSTART:20261130T150000Z"), 0, KEY, plain) is None
    assert next_due(todo("DUE:20261130T150000Z", partstat="COMPLETED"), 0, KEY, plain) is None


def test_each_instance_is_due() -> None:
    found = todo("DTSTART:20261102T080000Z", "DUE:20261102T170000Z", "RRULE:FREQ=WEEKLY")
    due = next_due(found, moment(11, 20), KEY, plain)
    assert due is not None and due[0] == moment(11, 23, 17)
    later = next_due(found, due[0], KEY, plain)
    assert later is not None and later[0] == due[0] + 7 * DAY


def test_a_list_shows_nothing_private() -> None:
    found = todo(
        "SUMMARY:a\\, b", "CATEGORIES:own", "X-NOTE:own", "ATTACH:https://x.example/", partstat="DECLINED"
    )
    shown = control_copy(found, KEY, "Name; of", "t.7", plain)
    assert shown is not None and shown.uid == "t.7"
    text = data_of(shown.calendar).decode()
    assert "SUMMARY:a\\, b (Name\\; of)" in text and "PARTSTAT=DECLINED" in text
    assert "own" not in text and "ATTACH" not in text and "STATUS:" not in text
    assert len(shown.members[0].all("ATTENDEE")) == 1
    assert control_copy(todo("CLASS:private"), KEY, "", "t.7", plain) is None


VALUES = st.sampled_from(("NEEDS-ACTION", "IN-PROCESS", "COMPLETED", "CANCELLED", "DECLINED", "nonsense"))


@given(VALUES, VALUES, st.integers(-1, 200), st.booleans())
def test_every_combination_is_one_state(status: str, partstat: str, number: int, completed: bool) -> None:
    lines = [f"STATUS:{status}", f"PERCENT-COMPLETE:{number}", "DUE:20261130T150000Z"]
    if completed:
        lines.append("COMPLETED:20261122T100000Z")
    found = todo(*lines, partstat=partstat)
    reached = state(found.members[0], KEY, plain)
    assert reached in ("NEEDS-ACTION", "IN-PROCESS", "COMPLETED", "CANCELLED", "DECLINED")
    assert is_open(found.members[0], KEY, plain) == (next_due(found, 0, KEY, plain) is not None)
    shown = control_copy(found, KEY, "N", "u", plain)
    assert shown is not None and check(data_of(shown.calendar)).uid == "u"
    settled = with_answer(found.members[0], found.members[0], plain)
    assert len(settled.all("STATUS")) == 1 and 0 <= percent(settled) <= 100
