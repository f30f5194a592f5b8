# SPDX-License-Identifier: Apache-2.0
"""The attendee's side of iTIP (RFC 5546 §3.2.3, RFC 6638 §3.2.2): what it may change, and its answers."""

from __future__ import annotations

from collections.abc import Callable

from armgs_server.formats.contentline import ContentLine
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import (
    Message,
    Who,
    attendee,
    bare,
    calendar_of,
    identity,
    is_server,
    organizer,
    parameter,
    replaced,
    stamped,
    with_line,
    with_parameter,
    with_partstat,
)
from armgs_server.formats.itip_instance import derive, exclusions
from armgs_server.formats.itip_revision import sequence

# What an answer repeats of the member it is about.
_ANSWERED = frozenset(
    ("UID", "SEQUENCE", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID", "SUMMARY", "COMMENT",
     "PERCENT-COMPLETE", "COMPLETED", "RRULE", "RDATE", "EXDATE")
)  # fmt: skip
# What is the organiser's alone to change (RFC 6638 §3.2.2.1).
_ORGANIZERS = ("DTSTART", "DTEND", "DUE", "DURATION")
_RULES = ("RRULE", "RDATE", "EXRULE")
_UNANSWERED = "NEEDS-ACTION"
Test = Callable[[Component], bool]


def partstat(component: Component, key: str, who: Who) -> str:
    """The participation status of somebody in one member."""
    line = attendee(component, key, who)
    return (parameter(line, "PARTSTAT").upper() or _UNANSWERED) if line is not None else _UNANSWERED


def check_change(old: CalendarObject, new: CalendarObject, who: Who) -> str:
    """What an attendee has changed that is the organiser's to change (RFC 6638 §3.2.2.1), or ''."""
    earlier, later = organizer(old), organizer(new)
    if earlier is None or later is None or who(earlier[2]) != who(later[2]):
        return "ORGANIZER"
    before = {identity(old, member): member for member in old.members}
    for member in new.members:
        moment = identity(new, member)
        previous = before.get(moment)
        if previous is None and moment is not None:
            previous = derive(old, moment)
        if previous is None:
            return "RECURRENCE-ID" if moment is not None else "DTSTART"
        for name in _ORGANIZERS:
            if _value(old, previous, name) != _value(new, member, name):
                return name
        for name in _RULES if moment is None else ():
            if sorted(line[2] for line in previous.all(name)) != sorted(line[2] for line in member.all(name)):
                return name
        known = {who(line[2]) for line in previous.all("ATTENDEE")}
        if not {who(line[2]) for line in member.all("ATTENDEE")} <= known:
            return "ATTENDEE"
    return ""


def _value(found: CalendarObject, component: Component, name: str) -> object:
    line = component.first(name)
    if line is None:
        return None
    return line[2] if name == "DURATION" else (found.moment(line).micros, found.moment(line).is_date)


def reply(
    old: CalendarObject | None, new: CalendarObject | None, key: str, who: Who, stamp: str
) -> Message | None:
    """The REPLY to the organiser for a change by an attendee; None where there is nothing to say."""
    source = new or old
    line = organizer(source) if source is not None else None
    if source is None or line is None:
        return None
    if new is None:
        assert old is not None  # one of them is there
        answers = _declined(old, key, who)
    else:
        answers = _answers(old, new, key, who)
        if parameter(line, "SCHEDULE-FORCE-SEND").upper() == "REPLY" and not answers:  # RFC 6638 §7.2
            answers = [part for part in new.members if attendee(part, key, who) is not None]
    if not answers:
        return None
    parts = [stamped(_answer(part, key, who), stamp) for part in answers]
    return Message("REPLY", key, who(line[2]), calendar_of(parts, source.calendar, "REPLY"))


def _declined(old: CalendarObject, key: str, who: Who) -> list[Component]:
    """RFC 6638 §3.2.2.4: who deletes an invitation declines it."""
    return [part for member in old.members for part in _open(member, key, who)]


def _open(member: Component, key: str, who: Who) -> list[Component]:
    """A member that somebody takes out, as declined; nothing where that is known, or it is off anyway."""
    if member.value("STATUS") == "CANCELLED" or attendee(member, key, who) is None:
        return []
    return [with_partstat(member, "DECLINED", key, who)] if partstat(member, key, who) != "DECLINED" else []


def _answers(old: CalendarObject | None, new: CalendarObject, key: str, who: Who) -> list[Component]:
    earlier = {identity(old, member): member for member in old.members} if old is not None else {}
    parts = []
    for member in new.members:
        if attendee(member, key, who) is None:
            continue
        previous = earlier.get(identity(new, member)) or (old.master if old is not None else None)
        known = partstat(previous, key, who) if previous is not None else _UNANSWERED
        commented = previous is not None and previous.all("COMMENT") != member.all("COMMENT")
        done = previous is not None and previous.text("PERCENT-COMPLETE") != member.text("PERCENT-COMPLETE")
        if partstat(member, key, who) != known or commented or done:
            parts.append(member)
    if old is not None and old.master is not None and new.master is not None:
        gone = exclusions(new, new.master) - exclusions(old, old.master)
        for moment in sorted(gone):  # RFC 6638 §3.2.2.1: an instance taken out is one declined
            instance = derive(old, moment)
            instance = earlier.get(moment) or instance
            if instance is not None:
                parts += _open(instance, key, who)
    elif old is not None and old.master is None and new.master is None:
        left = {identity(new, member) for member in new.members}
        for which, removed in earlier.items():
            if which not in left:
                parts += _open(removed, key, who)
    return parts


def _answer(component: Component, key: str, who: Who) -> Component:
    lines = [line for line in component.properties if line[0] in _ANSWERED]
    if component.name == "VTODO":
        lines += component.all("STATUS")
    line, own = component.first("ORGANIZER"), attendee(component, key, who)
    assert line is not None and own is not None  # chosen by the caller
    lines += [bare(line), bare(own), ("REQUEST-STATUS", "", "2.0;Success")]
    made = Component(component.name, component.begin, lines)
    return with_line(made, ("SEQUENCE", "", str(sequence(component))))


def with_status(found: CalendarObject, status: str) -> CalendarObject:
    """SCHEDULE-STATUS on the ORGANIZER after an answer was sent (RFC 6638 §7.3)."""

    def updated(member: Component, line: ContentLine) -> ContentLine:
        line = with_parameter(line, "SCHEDULE-FORCE-SEND", None)
        return with_parameter(line, "SCHEDULE-STATUS", status)

    return _with_organizer(found, updated)


def with_known_status(old: CalendarObject | None, new: CalendarObject) -> CalendarObject:
    """The new object with what has become of the last answer, which its client has left out."""
    if old is None:
        return new
    earlier = {identity(old, member): member for member in old.members}

    def updated(member: Component, line: ContentLine) -> ContentLine:
        previous = earlier.get(identity(new, member)) or old.master
        known = previous.first("ORGANIZER") if previous is not None else None
        status = parameter(known, "SCHEDULE-STATUS") if known is not None else ""
        is_missing = is_server(line) and not parameter(line, "SCHEDULE-STATUS")
        return with_parameter(line, "SCHEDULE-STATUS", status) if status and is_missing else line

    return _with_organizer(new, updated)


def _with_organizer(
    found: CalendarObject, updated: Callable[[Component, ContentLine], ContentLine]
) -> CalendarObject:
    members = []
    for member in found.members:
        lines = [updated(member, line) if line[0] == "ORGANIZER" else line for line in member.properties]
        is_same = lines == list(member.properties)
        members.append(member if is_same else Component(member.name, member.begin, lines, member.components))
    return replaced(found, members) if members != list(found.members) else found
