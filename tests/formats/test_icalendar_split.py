# SPDX-License-Identifier: Apache-2.0
"""Whole .ics files taken apart, and the real-world ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import icalendar
import pytest

from armgs_server.formats import contentline
from armgs_server.formats.icalendar import check
from armgs_server.formats.icalendar_split import split
from tests.formats.ics import EVENT, MOSCOW, crlf, lines

REAL = Path(__file__).parents[3] / "shared" / "data" / "calendar"


def test_split_of_an_export() -> None:
    export = (
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\nMETHOD:PUBLISH\nX-WR-CALNAME:Work\n"
        + MOSCOW
        + "BEGIN:VEVENT\nUID:a\nDTSTART;TZID=Europe/Moscow:20261101T100000\nRRULE:FREQ=DAILY\nEND:VEVENT\n"
        + "BEGIN:VEVENT\nUID:broken\nDTSTART:tomorrow\nEND:VEVENT\n"
        + "BEGIN:VTODO\nUID:t\nSUMMARY:Task\nEND:VTODO\n"
        + "BEGIN:VEVENT\nUID:a\nRECURRENCE-ID;TZID=Europe/Moscow:20261102T100000\n"
        + "DTSTART;TZID=Europe/Moscow:20261102T120000\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    outcome = split(crlf(export))
    assert [(part.object.kind, part.object.uid) for part in outcome.parts] == [
        ("VEVENT", "a"),
        ("VTODO", "t"),
    ]
    assert [str(error) for error in outcome.refused] == [
        "line 21: DTSTART is no date or date-time: 'tomorrow'"
    ]
    event, task = (part.data.decode() for part in outcome.parts)
    assert event.count("BEGIN:VEVENT") == 2 and "TZID:Europe/Moscow" in event
    assert "VTIMEZONE" not in task and "METHOD" not in task and "CALNAME" not in task
    assert "PRODID:-//Example//EN" in task
    for part in outcome.parts:
        assert check(part.data).uid == part.object.uid


def test_split_keeps_one_object_as_it_is_and_takes_bare_components() -> None:
    assert [part.data for part in split(crlf(EVENT)).parts] == [crlf(EVENT)]
    bare = lines("BEGIN:VEVENT", "UID:1", "DTSTART:20261101", "END:VEVENT")
    outcome = split(bare + bare.replace(b"UID:1", b"UID:2"))
    assert [part.object.uid for part in outcome.parts] == ["1", "2"]
    assert [part.line for part in outcome.parts] == [1, 5]


def test_split_of_files_without_anything() -> None:
    for data in (b"", b"\n\n", lines("BEGIN:VCALENDAR", "END:VCALENDAR"), b"hello world"):
        outcome = split(data)
        assert outcome.parts == []
        assert [error.line for error in outcome.refused] == [1]


def _real_files() -> Iterator[Path]:
    yield from sorted(REAL.glob("*/*.ics"))


def _properties(data: bytes) -> Counter[tuple[str, str, str]]:
    """Every property inside components, by our scanner's bytes: name, parameters, value."""
    return Counter(line for line in contentline.scan_tolerantly(data) if line[0] not in ("BEGIN", "END"))


@pytest.mark.skipif(not REAL.is_dir(), reason="the real-world calendars (../shared/data) are not there")
def test_real_files_are_loaded_or_refused_with_a_line() -> None:
    accepted = refused = 0
    for path in _real_files():
        data = path.read_bytes()
        outcome = split(data)
        accepted += len(outcome.parts)
        refused += len(outcome.refused)
        assert outcome.parts or outcome.refused, path
        for error in outcome.refused:
            assert f"line {error.line}: " in str(error), path
        given_ = _properties(data) if outcome.parts else Counter()
        for part in outcome.parts:
            assert check(part.data).uid == part.object.uid
            added = _properties(part.data) - given_
            assert {line[0] for line in added} <= {"VERSION", "PRODID"}, path
    assert accepted > 100 and refused > 0


@pytest.mark.skipif(not REAL.is_dir(), reason="the real-world calendars (../shared/data) are not there")
@pytest.mark.filterwarnings("ignore::icalendar.error.GloballyUniqueTZIDGuessed")
def test_real_files_that_are_accepted_can_be_read_by_another_library() -> None:
    read = 0
    for path in _real_files():
        for part in split(path.read_bytes()).parts:
            components = icalendar.Calendar.from_ical(part.data).walk(part.object.kind)
            assert {str(component["UID"]) for component in components} == {part.object.uid}, path
            read += 1
    assert read > 100
