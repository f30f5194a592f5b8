# SPDX-License-Identifier: Apache-2.0
"""The attendee's side of iTIP (RFC 5546 §3.2.3, RFC 6638 §3.2.2): answers, and invitations taken in."""

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
    fingerprint,
    identity,
    organizer,
    parameter,
    rebuild,
    replaced,
    stamped,
    with_line,
    with_parameter,
    with_partstat,
    without,
)
from armgs_server.formats.itip_instance import derive, exclude, exclusions
from armgs_server.formats.itip_revision import sequence
from armgs_server.formats.itip_task import PROGRESS, own_progress

# What an answer repeats of the member it is about.
_ANSWERED = frozenset(
    ("UID", "SEQUENCE", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID", "SUMMARY", "COMMENT",
     "PERCENT-COMPLETE", "COMPLETED", "RRULE", "RDATE", "EXDATE")
)  # fmt: skip
# What is the organiser's alone to change (RFC 6638 §3.2.2.1).
_ORGANIZERS = ("DTSTART", "DTEND", "DUE", "DURATION")
_RULES = ("RRULE", "RDATE", "EXRULE")
# What an attendee keeps of its own when the organiser's changes come in.
_OWN = frozenset(("TRANSP", "CATEGORIES", "COLOR"))
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
    parts = []
    for member in old.members:
        is_open = member.value("STATUS") != "CANCELLED" and partstat(member, key, who) != "DECLINED"
        if is_open and attendee(member, key, who) is not None:
            parts.append(with_partstat(member, "DECLINED", key, who))
    return parts


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
            if instance is not None and attendee(instance, key, who) is not None:
                parts.append(with_partstat(instance, "DECLINED", key, who))
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
    members = []
    for member in found.members:
        lines: list[ContentLine] = []
        for line in member.properties:
            if line[0] == "ORGANIZER":
                line = with_parameter(line, "SCHEDULE-FORCE-SEND", None)
                line = with_parameter(line, "SCHEDULE-STATUS", status)
            lines.append(line)
        members.append(Component(member.name, member.begin, lines, member.components))
    return replaced(found, members)


def apply_request(copy: CalendarObject | None, request: CalendarObject, *, whole: bool) -> CalendarObject:
    """An attendee's copy after a REQUEST; its own alarms, categories and private properties stay.

    `whole`: the message holds everything the attendee is invited to, as our own organisers' do.
    """
    if copy is None:
        return request
    before = {identity(copy, member): member for member in copy.members}
    members = []
    for member in request.members:
        moment = identity(request, member)
        members.append(_merged(before.get(moment) or copy.master, member))
    if not whole and request.master is None:
        named = {identity(request, member) for member in request.members}
        members = [part for part in copy.members if identity(copy, part) not in named] + members
    zones = {zone.text("TZID"): zone for zone in copy.calendar.components if zone.name == "VTIMEZONE"}
    zones.update(request.timezones)
    calendar = Component("VCALENDAR", copy.calendar.begin, [], list(zones.values()))
    return rebuild(calendar_of(members, calendar))


def _merged(own: Component | None, told: Component) -> Component:
    if own is None:
        return told
    named = {line[0] for line in told.properties}
    kept = [
        line
        for line in own.properties
        if line[0] in _OWN or (line[0].startswith("X-") and line[0] not in named)
    ]
    names = {line[0] for line in kept if line[0] in _OWN}
    asked_anew = bool(_unanswered(told) - _unanswered(own))  # RFC 6638 §3.2.8
    if told.name == "VTODO":
        answered = {line[2].lower() for line in own.all("ATTENDEE")} - _unanswered(own)
        kept += own_progress(own, told, asked_anew=bool(answered & _unanswered(told)))
        names.update(PROGRESS)
    lines = [
        _with_own_status(own, line, asked_anew=asked_anew) if line[0] == "ORGANIZER" else line
        for line in told.properties
        if line[0] not in names
    ]
    alarms = [part for part in own.components if part.name == "VALARM"]
    return Component(told.name, told.begin, [*lines, *kept], [*told.components, *alarms])


def _unanswered(component: Component) -> set[str]:
    return {
        line[2].lower()
        for line in component.all("ATTENDEE")
        if (parameter(line, "PARTSTAT").upper() or _UNANSWERED) == _UNANSWERED
    }


def _with_own_status(own: Component, line: ContentLine, *, asked_anew: bool) -> ContentLine:
    # RFC 6638 §7.3: what became of the last answer; it is the copy's own, and messages do not have it.
    before = own.first("ORGANIZER")
    status = parameter(before, "SCHEDULE-STATUS") if before is not None and not asked_anew else ""
    return with_parameter(line, "SCHEDULE-STATUS", status) if status else line


def apply_cancel(copy: CalendarObject, cancel: CalendarObject) -> CalendarObject:
    """An attendee's copy after a CANCEL: of all of it, or of single instances."""
    if cancel.master is not None:
        return replaced(copy, [_cancelled(member, cancel.master) for member in copy.members])
    members = list(copy.members)
    for part in cancel.members:
        moment = identity(cancel, part)
        assert moment is not None  # no master
        if copy.master is not None:
            members = [each for each in members if identity(copy, each) != moment]
            at = next(index for index, each in enumerate(members) if identity(copy, each) is None)
            members[at] = exclude(copy, members[at], moment)
        else:
            members = [_cancelled(each, part) if identity(copy, each) == moment else each for each in members]
    return replaced(copy, members)


def _cancelled(member: Component, told: Component) -> Component:
    made = with_line(without(member, "STATUS"), ("STATUS", "", "CANCELLED"))
    return with_line(made, ("SEQUENCE", "", str(max(sequence(member), sequence(told)))))


def is_stale(copy: CalendarObject | None, told: CalendarObject) -> bool:
    """RFC 5546 §2.1.5: whether a message from outside is older than what is there."""
    if copy is None:
        return False
    known = {identity(copy, member): member for member in copy.members}
    for member in told.members:
        previous = known.get(identity(told, member))
        if previous is None:
            return False
        order = (sequence(member), member.text("DTSTAMP"))
        if order >= (sequence(previous), previous.text("DTSTAMP")):
            return False
    return True


def is_same(before: CalendarObject, after: CalendarObject, who: Who) -> bool:
    """Whether two states differ only in who has answered what: the schedule tag stays (RFC 6638 §3.2.10)."""
    marks = []
    for found in (before, after):
        marks.append({(identity(found, member), fingerprint(found, member, who)) for member in found.members})
    return marks[0] == marks[1]
