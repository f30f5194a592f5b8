# SPDX-License-Identifier: Apache-2.0
"""An attendee's copy of an object when a REQUEST or CANCEL comes in (RFC 5546 §3.2.2, §3.2.5)."""

from __future__ import annotations

from armgs_server.formats.contentline import ContentLine
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import (
    Who,
    calendar_of,
    fingerprint,
    identity,
    parameter,
    rebuild,
    replaced,
    with_line,
    with_parameter,
    without,
)
from armgs_server.formats.itip_attendee import partstat
from armgs_server.formats.itip_instance import derive, exclude, exclusions, include
from armgs_server.formats.itip_revision import sequence
from armgs_server.formats.itip_task import PROGRESS, own_progress

# What an attendee keeps of its own when the organiser's changes come in.
_OWN = frozenset(("TRANSP", "CATEGORIES", "COLOR"))
_UNANSWERED = "NEEDS-ACTION"


def apply_request(
    copy: CalendarObject | None, request: CalendarObject, *, whole: bool, hidden: frozenset[int] = frozenset()
) -> CalendarObject:
    """An attendee's copy after a REQUEST; its own alarms, categories and private properties stay.

    `whole`: the message holds everything the attendee is invited to, as our own organisers' do. What was
    cancelled stays until the attendee takes it out, and what is hidden() is not shown again.
    """
    if copy is None:
        return request
    before = {identity(copy, member): member for member in copy.members}
    cancelled = _still_cancelled(copy, request)
    members = []
    for member in request.members:
        moment = identity(request, member)
        if moment in hidden:
            continue
        made = _merged(before.get(moment) or copy.master, member)
        if moment is None:
            made = include(request, made, cancelled.keys())
            for each in sorted(hidden):
                made = exclude(request, made, each)
        members.append(made)
    if not whole and request.master is None:
        named = {identity(request, member) for member in request.members}
        members = [part for part in copy.members if identity(copy, part) not in named] + members
    else:
        members += cancelled.values()
    zones = {zone.text("TZID"): zone for zone in copy.calendar.components if zone.name == "VTIMEZONE"}
    zones.update(request.timezones)
    calendar = Component("VCALENDAR", copy.calendar.begin, [], list(zones.values()))
    return rebuild(calendar_of(members, calendar))


def hidden(copy: CalendarObject | None, told: CalendarObject, key: str, who: Who) -> frozenset[int]:
    """The instances that somebody has declined and taken out: there is nothing more to be said of them."""
    if copy is None:
        return frozenset()
    there = {identity(copy, member) for member in copy.members}
    excluded = exclusions(copy, copy.master)
    return frozenset(
        moment
        for member in told.members
        if (moment := identity(told, member)) is not None
        and moment not in there
        and (copy.master is None or moment in excluded)
        and partstat(member, key, who) == "DECLINED"
    )


def _still_cancelled(copy: CalendarObject, request: CalendarObject) -> dict[int | None, Component]:
    """The cancelled members of a copy that have not come back."""
    named = {identity(request, member) for member in request.members}
    excluded = exclusions(request, request.master)
    return {
        moment: member
        for member in copy.members
        if (moment := identity(copy, member)) not in named
        and member.value("STATUS") == "CANCELLED"
        and (request.master is None or moment in excluded)
    }


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
    if told.name == "VTODO":
        answered = {line[2].lower() for line in own.all("ATTENDEE")} - _unanswered(own)
        kept += own_progress(own, told, asked_anew=bool(answered & _unanswered(told)))
        names.update(PROGRESS)
    lines = [
        _with_own_status(own, line) if line[0] == "ORGANIZER" else line
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


def _with_own_status(own: Component, line: ContentLine) -> ContentLine:
    # RFC 6638 §7.3: what became of the last answer; it is the copy's own, and messages do not have it.
    before = own.first("ORGANIZER")
    status = parameter(before, "SCHEDULE-STATUS") if before is not None else ""
    return with_parameter(line, "SCHEDULE-STATUS", status) if status else line


def apply_cancel(copy: CalendarObject, cancel: CalendarObject, *, is_kept: bool = True) -> CalendarObject:
    """An attendee's copy after a CANCEL: of all of it, or of single instances.

    They stay, as cancelled ones, so that whoever looks sees it; without is_kept they are taken out.
    """
    if cancel.master is not None:
        return replaced(copy, [_cancelled(member, cancel.master) for member in copy.members])
    members = list(copy.members)
    for part in cancel.members:
        moment = identity(cancel, part)
        assert moment is not None  # no master
        present = next((each for each in members if identity(copy, each) == moment), None)
        others = [each for each in members if each is not present]
        if copy.master is None or is_kept:
            instance = present or derive(copy, moment)
            members = [*others, _cancelled(instance, part)] if instance is not None else members
        else:
            series = next(index for index, each in enumerate(others) if identity(copy, each) is None)
            others[series] = exclude(copy, others[series], moment)
            members = others
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
