# SPDX-License-Identifier: Apache-2.0
"""The organiser's side of iTIP (RFC 5546 §3.2.2, §3.2.5): messages for a change, and replies taken in.

`messages` gives each attendee what concerns it: a REQUEST with the instances it is invited to, the others
excluded, and a CANCEL of those it is invited to no more. Both are told of an instance that was taken out: the
CANCEL to the person, the REQUEST to the programs that follow the series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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
    with_parameter,
)
from armgs_server.formats.itip_cancel import cancel, lost
from armgs_server.formats.itip_instance import derive
from armgs_server.formats.itip_invited import Invited, Places


def messages(
    old: CalendarObject | None, new: CalendarObject | None, organizer: str, who: Who, stamp: str
) -> list[Message]:
    """What the attendees are to be told when an object becomes another; None is one that is not there."""
    before = Invited(old, organizer, who) if old is not None else None
    after = Invited(new, organizer, who) if new is not None else None
    requests = Requests(after, organizer, stamp) if after is not None else None
    told: list[Message] = []
    if after is not None and requests is not None:
        for key, places in after.places.items():
            previous = before.places.get(key, ()) if before is not None else ()
            if before is None or not previous:
                told.append(requests.whole(key, places))
            else:
                told += _change(before, previous, requests, places, key)
    if before is not None:
        for key, places in before.places.items():
            # RFC 6638 §3.2.1.2: so is, for the server, who is told by another agent from now on.
            if (after is None or key not in after.places) and not before.is_cancelled(places):
                told.append(cancel(before, before.view(places), (organizer, key), stamp))
    return told


class Requests:
    """The REQUESTs of an object; attendees who are in the same members get the same calendar."""

    def __init__(self, after: Invited, organizer: str, stamp: str) -> None:
        self.after = after
        self.organizer = organizer
        self.stamp = stamp
        self._made: dict[tuple[Places, frozenset[int | None]], Component] = {}
        self._lost: dict[tuple[Places, Places], dict[int | None, Component]] = {}

    def lost(self, before: Invited, previous: Places, places: Places) -> dict[int | None, Component]:
        """What is off for who was in one and is in the other; nothing single where all of it is."""
        known = self._lost.get((previous, places))
        if known is None:
            is_off = self.after.is_cancelled(places)
            known = {} if is_off else lost(before, previous, self.after, places)
            self._lost[previous, places] = known
        return known

    def whole(self, key: str, places: Places) -> Message:
        """All of it, or a CANCEL where all of it is off."""
        method = "CANCEL" if self.after.is_cancelled(places) else "REQUEST"
        is_forced = key in self.after.forced
        return Message(method, self.organizer, key, self._calendar(places, method), is_forced=is_forced)

    def of(self, key: str, places: Places, changed: frozenset[int | None]) -> Message:
        """All of it, with the members that are new; where the series is, all of it is."""
        message = self.whole(key, places)
        if not changed or None in changed or message.method == "CANCEL":
            return message
        return replace(message, changed=self._calendar(places, "REQUEST", changed))

    def _calendar(
        self, places: Places, method: str, changed: frozenset[int | None] = frozenset()
    ) -> Component:
        known = self._made.get((places, changed))
        if known is None:
            found = self.after.found
            parts = [
                stamped(part, self.stamp)
                for part in self.after.view(places)
                if not changed or identity(found, part) in changed
            ]
            known = self._made[places, changed] = calendar_of(parts, found.calendar, method)
        return known


def _change(before: Invited, previous: Places, requests: Requests, places: Places, key: str) -> list[Message]:
    """To somebody who was invited before: what is off, and what is otherwise."""
    after = requests.after
    gone = requests.lost(before, previous, places)
    # What is cancelled is no other change, but where the series itself says so.
    earlier, later = (
        {mark for mark in marks if mark[0] is None or mark[0] not in gone}
        for marks in (before.marks(previous), after.marks(places))
    )
    is_back = before.left_out(previous) != after.left_out(places) - gone.keys()
    anew = (before.answered(key) - after.answered(key)) & {mark[0] for mark in later}  # RFC 6638 §3.2.8
    is_asked = earlier != later or is_back or bool(anew) or key in after.forced
    told = []
    if gone:
        has_series = any(after.found.members[index] is after.found.master for index in places)
        people = requests.organizer, key
        told.append(cancel(before, gone.values(), people, requests.stamp, is_covered=is_asked and has_series))
    if is_asked:
        joined = {mark[0] for mark in earlier} - {mark[0] for mark in later}  # as the series is again
        changed = anew | {mark[0] for mark in later - earlier} if not (joined or is_back) else frozenset()
        told.append(requests.of(key, places, changed))
    return told


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
