# SPDX-License-Identifier: Apache-2.0
"""The organiser's side of iTIP (RFC 5546 §3.2.2, §3.2.5): messages for a change, and replies taken in.

`messages` gives each attendee what concerns it: a REQUEST with the instances it is invited to, the others
excluded, or a CANCEL. Attendees who are in the same members get the same calendar, built once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from armgs_server.formats import itip_task
from armgs_server.formats.contentline import ContentLine
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import (
    Message,
    Who,
    attendee,
    calendar_of,
    identity,
    parameter,
    rebuild,
    replaced,
    stamped,
    with_line,
    with_parameter,
)
from armgs_server.formats.itip_instance import derive
from armgs_server.formats.itip_invited import Invited, Places
from armgs_server.formats.itip_revision import sequence

# What stays of a cancelled member (RFC 5546 §3.2.5).
_CANCELLED = frozenset(
    ("UID", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID", "ORGANIZER", "SUMMARY", "SEQUENCE",
     "LOCATION", "RRULE", "RDATE", "EXDATE", "EXRULE")
)  # fmt: skip


def messages(
    old: CalendarObject | None, new: CalendarObject | None, organizer: str, who: Who, stamp: str
) -> list[Message]:
    """What the attendees are to be told when an object becomes another; None is one that is not there."""
    before = Invited(old, organizer, who) if old is not None else None
    after = Invited(new, organizer, who) if new is not None else None
    requests: dict[Places, Component] = {}
    told: list[Message] = []
    if after is not None:
        for key, places in after.places.items():
            previous = before.places.get(key, ()) if before is not None else ()
            if before is not None and previous:
                told += _instances_lost(before, previous, after, places, (organizer, key), stamp)
                same = before.marks(previous) == after.marks(places)
                if same and key not in after.forced:
                    continue
            method = "CANCEL" if after.is_cancelled(places) else "REQUEST"
            if places not in requests:
                parts = [stamped(part, stamp) for part in after.view(places)]
                requests[places] = calendar_of(parts, after.found.calendar, method)
            told.append(Message(method, organizer, key, requests[places]))
    if before is not None:
        for key, places in before.places.items():
            if (after is None or key not in after.places) and not before.is_cancelled(places):
                if after is None or not _has_left(after.found, key, who):
                    parts = before.view(places)
                    told.append(_cancel(before, parts, (organizer, key), stamp))
    return told


def _has_left(found: CalendarObject, key: str, who: Who) -> bool:
    """Whether somebody is still an attendee, told by another agent than the server."""
    return any(attendee(member, key, who) is not None for member in found.members)


def _instances_lost(
    before: Invited, previous: Places, after: Invited, places: Places, people: tuple[str, str], stamp: str
) -> list[Message]:
    """A CANCEL for the single instances somebody was invited to and no longer is."""
    if any(after.found.members[index] is after.found.master for index in places):
        return []  # the REQUEST has the whole set
    kept = {identity(after.found, after.found.members[index]) for index in places}
    lost = [
        part
        for part in before.view(previous)
        if (moment := identity(before.found, part)) is not None and moment not in kept
    ]
    return [_cancel(before, lost, people, stamp)] if lost else []


def _cancel(before: Invited, parts: Iterable[Component], people: tuple[str, str], stamp: str) -> Message:
    organizer, key = people
    made = []
    for part in parts:
        line = attendee(part, key, before.who)
        kept = [each for each in part.properties if each[0] in _CANCELLED]
        cancelled = Component(part.name, part.begin, [*kept, *([line] if line else [])])
        # RFC 5546 §2.1.4: a cancellation is a newer revision than what it cancels.
        cancelled = with_line(cancelled, ("SEQUENCE", "", str(sequence(part) + 1)))
        made.append(stamped(with_line(cancelled, ("STATUS", "", "CANCELLED")), stamp))
    return Message("CANCEL", organizer, key, calendar_of(made, before.found.calendar, "CANCEL"))


def with_statuses(found: CalendarObject, statuses: Mapping[str, str], who: Who) -> CalendarObject:
    """SCHEDULE-STATUS on every attendee a message was for (RFC 6638 §7.3); the orders are carried out."""
    members = []
    for member in found.members:
        lines: list[ContentLine] = []
        for line in member.properties:
            if line[0] == "ATTENDEE":
                line = with_parameter(line, "SCHEDULE-FORCE-SEND", None)
                status = statuses.get(who(line[2]))
                line = with_parameter(line, "SCHEDULE-STATUS", status) if status else line
            lines.append(line)
        members.append(Component(member.name, member.begin, lines, member.components))
    return replaced(found, members)


def apply_reply(found: CalendarObject, reply: CalendarObject, key: str, who: Who) -> CalendarObject | None:
    """The organiser's object with an attendee's answer; None where it changes nothing or is not invited."""
    members = list(found.members)
    changed = False
    for answer in reply.members:
        said = attendee(answer, key, who)
        if said is None:
            continue
        moment = identity(reply, answer)
        index = next((at for at, part in enumerate(members) if identity(found, part) == moment), None)
        if index is None:
            made = derive(found, moment) if moment is not None else None
            if made is None:
                continue
            members.append(made)
            index = len(members) - 1
        updated = _answered(members[index], said, answer, key, who)
        if updated is not None:
            members[index] = updated
            changed = True
    return rebuild(replaced(found, members).calendar) if changed else None


def _answered(
    member: Component, said: ContentLine, answer: Component, key: str, who: Who
) -> Component | None:
    line = attendee(member, key, who)
    if line is None:
        return None  # not invited to this one
    made = with_parameter(line, "PARTSTAT", parameter(said, "PARTSTAT") or "NEEDS-ACTION")
    if parameter(made, "PARTSTAT") != "NEEDS-ACTION":
        made = with_parameter(made, "RSVP", None)  # RFC 5545 §3.2.17: no answer is awaited any more
    for name in ("DELEGATED-TO", "DELEGATED-FROM"):
        if parameter(said, name):
            made = with_parameter(made, name, parameter(said, name))
    code = answer.text("REQUEST-STATUS").partition(";")[0].strip() or "2.0"
    made = with_parameter(made, "SCHEDULE-STATUS", code)  # RFC 6638 §7.3
    lines = [made if each is line else each for each in member.properties]
    updated = Component(member.name, member.begin, lines, member.components)
    if member.name == "VTODO":
        updated = itip_task.with_answer(updated, answer, who)
    return updated
