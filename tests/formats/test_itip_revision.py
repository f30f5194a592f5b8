# SPDX-License-Identifier: Apache-2.0
"""SEQUENCE of an organiser's object: raised where the client left it, and never taken back."""

from __future__ import annotations

from armgs_server.formats.icalendar import CalendarObject
from armgs_server.formats.itip import plain
from armgs_server.formats.itip_revision import raised, sequence
from tests.formats.test_itip import BORIS, event, obj

DAILY = "RRULE:FREQ=DAILY;COUNT=5"
SECOND = "RECURRENCE-ID:20261124T100000Z"


def revisions(old: CalendarObject, new: CalendarObject) -> list[int]:
    return [sequence(member) for member in raised(old, new, plain).members]


def test_a_change_is_a_newer_revision() -> None:
    assert revisions(obj(event("SUMMARY:a")), obj(event("SUMMARY:b"))) == [1]
    assert revisions(obj(event("SEQUENCE:4")), obj(event("SEQUENCE:4", start="20261124T100000Z"))) == [5]
    assert revisions(obj(event("SEQUENCE:4")), obj(event(people=(BORIS,)))) == [5]


def test_what_the_client_says_stays() -> None:
    new = obj(event("SEQUENCE:7", "SUMMARY:b"))
    assert raised(obj(event("SEQUENCE:4", "SUMMARY:a")), new, plain) is new
    # RFC 5546 §2.1.4: an instance has its own SEQUENCE; the client raised it in the one that it changed.
    old = obj(event(DAILY), event(SECOND, start="20261124T100000Z"))
    new = obj(event(DAILY), event(SECOND, "SEQUENCE:1", start="20261124T120000Z"))
    assert raised(old, new, plain) is new


def test_one_instance_makes_a_revision_of_the_whole() -> None:
    old = obj(event(DAILY, "SEQUENCE:2"))
    changed = event(SECOND, "SEQUENCE:2", start="20261124T120000Z")
    assert revisions(old, obj(event(DAILY, "SEQUENCE:2"), changed)) == [3, 3]
    # … and so does an override that is gone.
    assert revisions(obj(event(DAILY, "SEQUENCE:2"), changed), old) == [3]


def test_no_member_goes_back() -> None:
    old, new = obj(event("SEQUENCE:3", "SUMMARY:a")), obj(event("SUMMARY:a"))
    assert revisions(old, new) == [3]
    same = obj(event("SEQUENCE:3", "SUMMARY:a"))
    assert raised(old, same, plain) is same
