# SPDX-License-Identifier: Apache-2.0
"""Revisions of an organiser's object: SEQUENCE (RFC 5546 §2.1.4), who must answer anew (RFC 6638 §3.2.8)."""

from __future__ import annotations

from armgs_server.formats.contentline import ContentLine
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import (
    Who,
    fingerprint,
    identity,
    is_server,
    parameter,
    replaced,
    with_line,
    with_parameter,
)
from armgs_server.formats.itip_instance import derive, exclusions
from armgs_server.formats.recurrence import DAY, bounds, expand

COMPARED = 3660 * DAY  # how far two rules are followed to see which times are new
MAX_COMPARED = 2000


def sequence(component: Component) -> int:
    """SEQUENCE, 0 where it is missing or no number."""
    text = component.value("SEQUENCE")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0


def raised(old: CalendarObject, new: CalendarObject, who: Who, *, is_told: bool) -> CalendarObject:
    """The new object as a newer revision, where its organiser's client did not say so (RFC 5546 §2.1.4).

    A client that raised SEQUENCE in all it changed is left alone. Otherwise the whole object becomes one
    revision, so that no message of it is older than one before. No member goes back to an earlier one,
    although nobody is told of the change.
    """
    earlier = {identity(old, member): member for member in old.members}
    newest = max(map(sequence, old.members))
    is_newer = not is_told or all(
        sequence(member) > sequence(previous)
        for member in new.members
        if (previous := earlier.get(identity(new, member)) or old.master) is not None
        and fingerprint(old, previous, who) != fingerprint(new, member, who)
    )
    if is_told and earlier.keys() - {identity(new, member) for member in new.members}:  # an override is gone
        is_newer = is_newer and max(map(sequence, new.members)) > newest
    members = []
    for member in new.members:
        previous = earlier.get(identity(new, member))
        least = sequence(previous) if previous is not None else 0
        least = least if is_newer else newest + 1
        if sequence(member) < least:
            member = with_line(member, ("SEQUENCE", "", str(least)))
        members.append(member)
    return replaced(new, members) if members != list(new.members) else new


def with_known_status(old: CalendarObject, new: CalendarObject, who: Who) -> CalendarObject:
    """The new object with what has become of earlier messages (RFC 6638 §7.3), which its client has left out.

    Clients drop parameters that they do not know; only the server can say what the status is.
    """
    earlier = {identity(old, member): member for member in old.members}
    members = []
    for member in new.members:
        previous = earlier.get(identity(new, member)) or old.master
        invited = previous.all("ATTENDEE") if previous is not None else []
        known = {who(line[2]): parameter(line, "SCHEDULE-STATUS") for line in invited}
        lines: list[ContentLine] = []
        for line in member.properties:
            if line[0] == "ATTENDEE" and is_server(line) and not parameter(line, "SCHEDULE-STATUS"):
                status = known.get(who(line[2]))
                line = with_parameter(line, "SCHEDULE-STATUS", status) if status else line
            lines.append(line)
        is_same = lines == member.properties
        members.append(member if is_same else Component(member.name, member.begin, lines, member.components))
    return replaced(new, members) if members != list(new.members) else new


def rescheduled(old: CalendarObject, new: CalendarObject, organizer: str, who: Who) -> CalendarObject:
    """The new object, in which whoever must answer anew has answered nothing (RFC 6638 §3.2.8)."""
    whole = old.master is not None and new.master is not None and _is_moved(old, new)
    earlier = {identity(old, member): member for member in old.members}
    members = []
    for member in new.members:
        moment = identity(new, member)
        previous = earlier.get(moment)
        if member is new.master:
            reset = whole
        elif whole:
            reset = True
        elif previous is not None:
            reset = _span(old, previous) != _span(new, member)
        else:
            usual = derive(old, moment) if moment is not None else None
            reset = usual is not None and _span(old, usual) != _span(new, member)
        members.append(_reset(member, organizer, who) if reset else member)
    return replaced(new, members) if members != new.members else new


def _is_moved(old: CalendarObject, new: CalendarObject) -> bool:
    assert old.master is not None and new.master is not None  # asked by the caller
    if _span(old, old.master) != _span(new, new.master):
        return True
    if exclusions(old, old.master) - exclusions(new, new.master):
        return True  # instances are back
    if {line[2] for line in new.master.all("RDATE")} - {line[2] for line in old.master.all("RDATE")}:
        return True
    earlier, later = old.master.first("RRULE"), new.master.first("RRULE")
    if later is None or (earlier is not None and earlier[2] == later[2]):
        return False
    return not _is_shortened(old, new)


def _is_shortened(old: CalendarObject, new: CalendarObject) -> bool:
    """Whether a rule gives no time that the one before did not, as far as they are compared."""
    first = bounds(old)[0] or 0
    before, after = (
        {instance.starts for instance in expand(found, first, first + COMPARED, limit=MAX_COMPARED).instances}
        for found in (old, new)
    )
    return after <= before


def _span(found: CalendarObject, component: Component) -> tuple[object, ...]:
    moments = []
    for name in ("DTSTART", "DTEND", "DUE"):
        line = component.first(name)
        moments.append(None if line is None else (found.moment(line).micros, found.moment(line).is_date))
    return (*moments, component.value("DURATION"))


def _reset(member: Component, organizer: str, who: Who) -> Component:
    lines: list[ContentLine] = []
    for line in member.properties:
        if line[0] == "ATTENDEE" and is_server(line) and who(line[2]) != organizer:
            line = with_parameter(with_parameter(line, "PARTSTAT", "NEEDS-ACTION"), "RSVP", "TRUE")
        lines.append(line)
    return Component(member.name, member.begin, lines, member.components)
