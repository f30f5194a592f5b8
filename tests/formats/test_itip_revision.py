# SPDX-License-Identifier: Apache-2.0
"""SEQUENCE of an organiser's object: raised where the client left it, and never taken back."""

from __future__ import annotations

from armgs_server.formats.icalendar import CalendarObject
from armgs_server.formats.itip import attendee, parameter, plain
from armgs_server.formats.itip_revision import raised, sequence, with_known_status
from tests.formats.test_itip import ANNA, BORIS, event, obj

DAILY = "RRULE:FREQ=DAILY;COUNT=5"
SECOND = "RECURRENCE-ID:20261124T100000Z"


def revisions(old: CalendarObject, new: CalendarObject) -> list[int]:
    return [sequence(member) for member in raised(old, new, plain, is_told=True).members]


def test_a_change_is_a_newer_revision() -> None:
    assert revisions(obj(event("SUMMARY:a")), obj(event("SUMMARY:b"))) == [1]
    assert revisions(obj(event("SEQUENCE:4")), obj(event("SEQUENCE:4", start="20261124T100000Z"))) == [5]
    assert revisions(obj(event("SEQUENCE:4")), obj(event(people=(BORIS,)))) == [5]


def test_what_the_client_says_stays() -> None:
    new = obj(event("SEQUENCE:7", "SUMMARY:b"))
    assert raised(obj(event("SEQUENCE:4", "SUMMARY:a")), new, plain, is_told=True) is new
    # RFC 5546 §2.1.4: an instance has its own SEQUENCE; the client raised it in the one that it changed.
    old = obj(event(DAILY), event(SECOND, start="20261124T100000Z"))
    new = obj(event(DAILY), event(SECOND, "SEQUENCE:1", start="20261124T120000Z"))
    assert raised(old, new, plain, is_told=True) is new


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
    assert raised(old, same, plain, is_told=True) is same
    # Nobody is told by the server where the client invites people itself (RFC 6638 §7.1).
    other = obj(event("SEQUENCE:3", "SUMMARY:b"))
    assert raised(old, other, plain, is_told=False) is other


def statuses(found: CalendarObject, key: str) -> list[str]:
    lines = [attendee(member, key, plain) for member in found.members]
    return [parameter(line, "SCHEDULE-STATUS") for line in lines if line is not None]


def test_a_client_that_drops_the_status_does_not_lose_it() -> None:
    told = f"ATTENDEE;SCHEDULE-STATUS=1.2:mailto:{ANNA}"
    old = obj(event(DAILY, told, people=()))
    new = obj(event(DAILY, people=(ANNA, BORIS)), event(SECOND, people=(ANNA,), start="20261124T120000Z"))
    kept = with_known_status(old, new, plain)
    assert statuses(kept, ANNA) == ["1.2", "1.2"] and statuses(kept, BORIS) == [""]
    said = obj(event(DAILY, f"ATTENDEE;SCHEDULE-STATUS=2.0:mailto:{ANNA}", people=()))
    assert with_known_status(old, said, plain) is said
    # RFC 6638 §7.1: the server has nothing to say of whom the client invites itself.
    own = obj(event(DAILY, f"ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:{ANNA}", people=()))
    assert with_known_status(old, own, plain) is own
