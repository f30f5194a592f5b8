# SPDX-License-Identifier: Apache-2.0
"""RFC 7953: what is not open is taken, and the higher priority counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats.availability import parse_availability, unavailable

HOUR = 3_600_000_000
MONDAY = 1_795_392_000_000_000  # 2026-11-23 00:00 UTC


def text(*parts: str) -> str:
    return "\n".join(["BEGIN:VCALENDAR", *parts, "END:VCALENDAR", ""])


def block(*lines: str, opened: str = "") -> str:
    inside = f"BEGIN:AVAILABLE\nUID:x\n{opened}\nEND:AVAILABLE\n" if opened else ""
    return "\n".join(["BEGIN:VAVAILABILITY", "UID:v", *lines]) + f"\n{inside}END:VAVAILABILITY"


OFFICE = "DTSTART:20261123T090000Z\nDTEND:20261123T180000Z\nRRULE:FREQ=DAILY"


def test_office_hours() -> None:
    found = unavailable([text(block(opened=OFFICE))], MONDAY, MONDAY + 24 * HOUR)
    kind = "BUSY-UNAVAILABLE"
    assert found == [(MONDAY, MONDAY + 9 * HOUR, kind), (MONDAY + 18 * HOUR, MONDAY + 24 * HOUR, kind)]


def test_a_trip_goes_before_office_hours() -> None:
    trip = block("PRIORITY:1", "BUSYTYPE:BUSY", "DTSTART:20261123T120000Z", "DTEND:20261124T000000Z")
    for parts in ((block(opened=OFFICE), trip), (trip, block(opened=OFFICE))):
        found = unavailable([text(*parts)], MONDAY, MONDAY + 24 * HOUR)
        assert found == [
            (MONDAY, MONDAY + 9 * HOUR, "BUSY-UNAVAILABLE"),
            (MONDAY + 12 * HOUR, MONDAY + 24 * HOUR, "BUSY"),
        ]


@pytest.mark.parametrize(
    "wrong", ["", "x", text(), text("BEGIN:VEVENT", "END:VEVENT"), text(block("DTSTART:noon")),
              text(block(opened="DTSTART:20261123T090000Z\nRRULE:FREQ=NEVER"))],
)  # fmt: skip
def test_what_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid):
        parse_availability(wrong)


@given(st.text(max_size=80))
def test_whatever_comes(inside: str) -> None:
    try:
        found = unavailable([text(block(inside))], MONDAY, MONDAY + HOUR)
    except Invalid:
        return
    assert all(MONDAY <= start < end <= MONDAY + HOUR for start, end, _ in found)


def test_several_say_it_together_and_a_duration_ends_it() -> None:
    office = text(block("DTSTART:20261123T000000Z", "DURATION:PT20H", opened=OFFICE))
    trip = text(block("PRIORITY:1", "BUSYTYPE:BUSY", "DTSTART:20261123T120000Z", "DURATION:PT1H"))
    assert unavailable([office, trip], MONDAY, MONDAY + 24 * HOUR) == [
        (MONDAY, MONDAY + 9 * HOUR, "BUSY-UNAVAILABLE"),
        (MONDAY + 12 * HOUR, MONDAY + 13 * HOUR, "BUSY"),
        (MONDAY + 18 * HOUR, MONDAY + 20 * HOUR, "BUSY-UNAVAILABLE"),
    ]
    assert unavailable([], MONDAY, MONDAY + HOUR) == []
