# SPDX-License-Identifier: Apache-2.0
"""Tasks that are assigned (RFC 5546 §3.4): how far each assignee is, and what that makes of the whole.

Clients differ in how they say that a task is done: some set PARTSTAT, most only STATUS, PERCENT-COMPLETE or
COMPLETED. The participation status is what organiser and others are told, so it follows the rest.
"""

from __future__ import annotations

from armgs_server.formats.contentline import ContentLine, escape
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.itip import (
    Who,
    attendee,
    identity,
    parameter,
    replaced,
    with_line,
    with_partstat,
    without,
)
from armgs_server.formats.recurrence import DAY, Instance, component_span, expand

KIND = "VTODO"
PROGRESS = ("STATUS", "PERCENT-COMPLETE", "COMPLETED")
OPEN, STARTED, DONE, CANCELLED, DECLINED = "NEEDS-ACTION", "IN-PROCESS", "COMPLETED", "CANCELLED", "DECLINED"
INSTANCES = 500  # of a recurring task, looked at for the next that is due
AHEAD = 400 * DAY


def percent(component: Component) -> int:
    """PERCENT-COMPLETE, 0 where it is missing or no number from 0 to 100."""
    text = component.value("PERCENT-COMPLETE")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
    return min(number, 100)


def progress(component: Component) -> str:
    """How far a task is by its own properties."""
    status = component.value("STATUS")
    if status in (DONE, CANCELLED):
        return status
    # RFC 5545 §3.8.2.1: COMPLETED says when it was done; an explicit other STATUS is a task reopened.
    if percent(component) == 100 or (not status and component.first("COMPLETED") is not None):
        return DONE
    return STARTED if status == STARTED or percent(component) else OPEN


def state(component: Component, key: str, who: Who) -> str:
    """How far one assignee is."""
    own = progress(component)
    if own in (DONE, CANCELLED):
        return own
    said = _partstat(component, key, who)
    return said if said in (DONE, DECLINED, STARTED) else own


def is_open(component: Component, key: str, who: Who) -> bool:
    """Whether anything is still to be done."""
    return state(component, key, who) in (OPEN, STARTED)


def _partstat(component: Component, key: str, who: Who) -> str:
    line = attendee(component, key, who)
    return (parameter(line, "PARTSTAT").upper() if line is not None else "") or OPEN


def with_progress(old: CalendarObject | None, new: CalendarObject, key: str, who: Who) -> CalendarObject:
    """An assignee's object in which PARTSTAT says what the client has said otherwise."""
    if new.kind != KIND:
        return new
    earlier = {identity(old, member): member for member in old.members} if old is not None else {}
    members = []
    for member in new.members:
        previous = earlier.get(identity(new, member)) or (old.master if old is not None else None)
        before = progress(previous) if previous is not None else OPEN
        said, after = _partstat(member, key, who), progress(member)
        is_said = previous is not None and said != _partstat(previous, key, who)
        if after not in (before, CANCELLED) and not is_said and attendee(member, key, who) is not None:
            # RFC 5545 §3.2.12: an open task that was taken on is ACCEPTED.
            wanted = "ACCEPTED" if after == OPEN else after
            members.append(with_partstat(member, wanted, key, who))
        else:
            members.append(member)
    is_same = all(made is member for made, member in zip(members, new.members, strict=True))
    return new if is_same else replaced(new, members)


def with_answer(member: Component, answer: Component, who: Who) -> Component:
    """The organiser's task after an answer that is in its ATTENDEE already.

    PERCENT-COMPLETE is of one assignee's part (RFC 5545 §3.8.1.8), so of several there is none until all have
    done it.
    """
    host, stamp = member.first("ORGANIZER"), answer.value("DTSTAMP")
    assigned = [line for line in member.all("ATTENDEE") if host is None or who(line[2]) != who(host[2])]
    if len(assigned) == 1:
        for name in PROGRESS:
            told = answer.first(name)
            if told is not None:
                member = with_line(member, told)
            elif name != "STATUS":
                member = without(member, name)
        single = parameter(assigned[0], "PARTSTAT").upper()
        return member if single == DECLINED else _settled(member, single, stamp)
    said = {parameter(line, "PARTSTAT").upper() for line in assigned} - {DECLINED}
    if said == {DONE}:
        return _settled(member, DONE, stamp)
    if member.value("STATUS") in (DONE, CANCELLED) and DONE not in said and STARTED not in said:
        return member
    return _settled(member, STARTED if said & {DONE, STARTED} else "", stamp)


def _settled(member: Component, said: str, stamp: str) -> Component:
    """STATUS and COMPLETED in step with what is said; what else the organiser has set stays."""
    if member.value("STATUS") == CANCELLED:
        return member
    if said == DONE:
        made = member
        for name, value in zip(PROGRESS, (DONE, "100", stamp), strict=True):
            if name == "STATUS" or made.first(name) is None:
                made = with_line(made, (name, "", value))
        return made
    if member.value("STATUS") == DONE or said == STARTED:
        made = without(member, "COMPLETED", *(("PERCENT-COMPLETE",) if percent(member) == 100 else ()))
        return with_line(made, ("STATUS", "", STARTED if said == STARTED or percent(made) else OPEN))
    return member


def own_progress(own: Component, told: Component, *, asked_anew: bool) -> list[ContentLine]:
    """What an assignee's copy says of progress once the organiser's comes in: its own, unless the organiser
    has ended the task or asks anew."""
    source = told if asked_anew or told.value("STATUS") in (DONE, CANCELLED) else own
    return [line for line in source.properties if line[0] in PROGRESS]


def due(found: CalendarObject, component: Component) -> int | None:
    """When a task is over its time: a day that is named as DUE belongs to it."""
    span = component_span(found, component)
    line = component.first("DUE")
    if span is None or (line is None and component.first("DURATION") is None):
        return None
    return span[1] + (DAY if line is not None and found.moment(line).is_date else 0)


def next_due(found: CalendarObject, after: int, key: str, who: Who) -> tuple[int, Component] | None:
    """The first time after `after` at which something undone is over its time, and its component."""
    if not found.is_recurring:
        member = found.members[0]
        moment = due(found, member)
        return (
            (moment, member) if moment is not None and moment > after and is_open(member, key, who) else None
        )
    for instance in expand(found, after - AHEAD, after + AHEAD, limit=INSTANCES).instances:
        moment = _due_of(found, instance)
        if moment is not None and moment > after and is_open(instance.component, key, who):
            return moment, instance.component
    return None


def _due_of(found: CalendarObject, instance: Instance) -> int | None:
    usual, span = due(found, instance.component), component_span(found, instance.component)
    if usual is None or span is None:
        return None
    return instance.ends + (usual - span[1])


def control_copy(found: CalendarObject, key: str, name: str, uid: str, who: Who) -> CalendarObject | None:
    """A task as it stands in a list that shows what is assigned to whom: its state, and no one's but theirs.

    None for one that is private or confidential (RFC 5545 §3.8.1.3).
    """
    if any(member.value("CLASS") in ("PRIVATE", "CONFIDENTIAL") for member in found.members):
        return None
    return replaced(found, [_shown(member, key, name, uid, who) for member in found.members])


_HIDDEN = frozenset(("UID", "SUMMARY", "ATTENDEE", "ATTACH", "CATEGORIES", "COLOR", "REQUEST-STATUS"))


def _shown(member: Component, key: str, name: str, uid: str, who: Who) -> Component:
    line = attendee(member, key, who)
    kept = [each for each in member.properties if each[0] not in _HIDDEN and not each[0].startswith("X-")]
    summary = member.first("SUMMARY")
    title = f"{summary[2] if summary is not None else ''} ({escape(name)})".strip()
    lines: list[ContentLine] = [("UID", "", uid), ("SUMMARY", "", title), *kept]
    if line is not None:
        lines.append(("ATTENDEE", f";PARTSTAT={_partstat(member, key, who)}", line[2]))
    made = Component(member.name, member.begin, lines, [])
    reached = state(member, key, who)
    if reached == DECLINED:  # STATUS has no such value; the ATTENDEE says it
        return made
    return with_line(made, ("STATUS", "", reached))
