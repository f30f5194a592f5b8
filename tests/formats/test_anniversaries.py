# SPDX-License-Identifier: Apache-2.0
"""Days of cards: what is read, and what a calendar shows of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats import icalendar, vcard
from armgs_server.formats.anniversaries import Day, Kind, days, event, from_text, to_text
from tests.dav.calendars import card

BIRTHDAY = Kind.BIRTHDAY
STAMP = "20261122T000000Z"


def read(*lines: str) -> tuple[Day, ...]:
    return days(vcard.check(card("one", "One", *lines)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("BDAY:19800415", (1980, 4, 15)),
        ("BDAY:1980-04-15", (1980, 4, 15)),
        ("item1.BDAY;VALUE=date:1980-04-15", (1980, 4, 15)),
        ("BDAY:1953-10-15T23:10:00Z", (1953, 10, 15)),
        ("BDAY:19531015T231000Z", (1953, 10, 15)),
        ("BDAY:--0415", (0, 4, 15)),
        ("BDAY:--04-15", (0, 4, 15)),
        ("BDAY:--0229", (0, 2, 29)),
        ("BDAY:20000229", (2000, 2, 29)),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-15", (0, 4, 15)),
        ("BDAY;X-APPLE-OMIT-YEAR=1985:1985-04-15", (0, 4, 15)),
        ("BDAY:0001-04-15", (0, 4, 15)),
    ],
)
def test_a_day_is_read(line: str, expected: tuple[int, int, int]) -> None:
    assert read(line) == (Day(BIRTHDAY, *expected),)


@pytest.mark.parametrize(
    "value", ["", "1980", "1980-04", "---15", "circa 1800", "19810229", "20211340", "--0230", "T102200"]
)
def test_what_is_no_day_of_the_year_is_left_out(value: str) -> None:
    assert read(f"BDAY:{value}") == ()


def test_one_of_each_kind() -> None:
    assert read("BDAY:--0101", "BDAY:--0202", "X-ANNIVERSARY:2010-06-12", "ANNIVERSARY:20110612") == (
        Day(BIRTHDAY, 0, 1, 1),
        Day(Kind.ANNIVERSARY, 2010, 6, 12),
    )
    assert read("KIND:group", "BDAY:--0101") == ()


@given(value=st.text(max_size=40).filter(lambda text: text.isprintable()))
def test_any_value_is_a_day_or_none(value: str) -> None:
    found = days(vcard.Card("one", "4.0", "One", [("BDAY", "", value)]))
    assert len(found) <= 1 and from_text(to_text(found)) == found


@given(
    day=st.dates().filter(lambda day: day.year >= 1800),
    kind=st.sampled_from(Kind),
    name=st.text(alphabet=st.characters(exclude_categories=("C",)), max_size=200),
    is_russian=st.booleans(),
    has_year=st.booleans(),
)
def test_every_day_is_an_object_that_takes_no_time(
    day: object, kind: Kind, name: str, is_russian: bool, has_year: bool
) -> None:
    found = Day(kind, day.year if has_year else 0, day.month, day.day)  # type: ignore[attr-defined]
    assert from_text(to_text([found])) == (found,)
    made = icalendar.check(event("one", found, name, STAMP, is_russian=is_russian))
    assert made.uid == "one" and made.master is not None and made.is_recurring
    assert made.master.value("TRANSP") == "TRANSPARENT"
    assert name in made.master.text("SUMMARY")
