# SPDX-License-Identifier: Apache-2.0
"""What a granted form becomes in the calendar."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import form_events, forms
from armgs_server.directory.form_events import FormEvent
from armgs_server.directory.forms import WrongField
from armgs_server.errors import Invalid
from armgs_server.formats import icalendar
from armgs_server.storage import clock

EVENT = FormEvent("first", "last", "Trip: {place}", "place", True)
VALUES = {"first": "2026-12-01", "last": "2026-12-03", "place": "Казань; Кремль"}
FORM = """
[trip]
title = "Trip"
fields = [
  {name = "place", title = "Where"},
  {name = "first", title = "First", kind = "date"},
  {name = "last", title = "Last", kind = "date"},
  {name = "back", title = "Back", kind = "date", required = false},
]
[trip.event]
"""


def test_the_event_is_of_whole_days() -> None:
    data = form_events.calendar_object("request-1-2", EVENT, "Trip: Казань", VALUES, clock.SECOND)
    assert data.decode().split("\r\n") == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//armgs_server//forms//RU",
        "BEGIN:VEVENT",
        "UID:request-1-2",
        "DTSTAMP:19700101T000001Z",
        "DTSTART;VALUE=DATE:20261201",
        "DTEND;VALUE=DATE:20261204",
        "SUMMARY:Trip: Казань",
        "TRANSP:OPAQUE",
        "LOCATION:Казань\\; Кремль",
        "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


@given(st.text(max_size=200), st.dates(date(1971, 1, 1), date(8990, 1, 1)))
def test_whatever_is_filled_in_can_be_stored(place: str, day: date) -> None:
    if not all(each.isprintable() for each in place):
        return  # the form has refused it
    values = {"first": day.isoformat(), "last": day.isoformat(), "place": place}
    data = form_events.calendar_object("u", EVENT, place or "x", values, 0)
    found = icalendar.check(data)
    assert found.members[0].text("SUMMARY") == (place or "x")


def test_an_absence_is_the_same_days_unless_it_is_over() -> None:
    before = clock.SECOND
    away = form_events.absence(5, EVENT, "Trip", VALUES, before)
    assert away is not None and away.inside == "Trip (01.12.2026 – 03.12.2026)" and away.outside == ""
    assert away.ends - away.starts == 3 * clock.DAY and away.owner == 5
    assert form_events.absence(5, EVENT, "Trip", VALUES, away.ends) is None
    one_day = FormEvent("first", "", "Trip", "", False)
    assert form_events.absence(5, one_day, "Trip", VALUES, before) is None
    assert form_events.days(one_day, VALUES) == (date(2026, 12, 1), date(2026, 12, 1))


def test_the_last_day_is_not_before_the_first(tmp_path: Path) -> None:
    file = tmp_path / "forms.toml"
    file.write_text(FORM + 'start = "first"\nend = "last"\nsummary = "{place}"\n')
    form = forms.load(file)["trip"]
    assert forms.filled(form, VALUES)["last"] == "2026-12-03"
    for last in ("2026-11-30", "2029-01-01"):
        with pytest.raises(WrongField) as refused:
            forms.filled(form, {**VALUES, "last": last})
        assert refused.value.field == "last"


@pytest.mark.parametrize(
    "text",
    [
        'start = "first"',  # without a summary
        'summary = "x"',
        'start = "place"\nsummary = "x"',
        'start = "back"\nsummary = "x"',  # may be left empty
        'start = "first"\nend = "nothing"\nsummary = "x"',
        'start = "first"\nsummary = "{nothing}"',
        'start = "first"\nsummary = 1',
        'start = "first"\nsummary = "x"\nlocation = "nothing"',
        'start = "first"\nsummary = "x"\nabsence = "yes"',
        'start = "first"\nsummary = "x"\nmore = 1',
    ],
)
def test_a_wrong_event_is_refused(tmp_path: Path, text: str) -> None:
    tomllib.loads(FORM + text)
    file = tmp_path / "forms.toml"
    file.write_text(FORM + text)
    with pytest.raises(Invalid, match=r"trip\.event"):
        forms.load(file)
