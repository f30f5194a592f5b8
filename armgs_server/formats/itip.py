# SPDX-License-Identifier: Apache-2.0
"""iTIP (RFC 5546): what organiser, attendees and their messages have in common, as pure functions.

An object is never changed in place: every function builds new components. People are compared by a key,
which is the address in lower case unless the caller's `Who` knows better (aliases, principal URLs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from armgs_server.formats.contentline import ContentLine, parameters, serialise
from armgs_server.formats.icalendar import CalendarObject, Component, check_lines

PRODID = "-//armgs_server//CalDAV//EN"
Who = Callable[[str], str]
# What a message or another's copy of an object never carries.
SERVER_PARAMETERS = ("SCHEDULE-STATUS", "SCHEDULE-FORCE-SEND", "SCHEDULE-AGENT")
_STAMPS = frozenset(("DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE"))
_TIMES = frozenset(("DTSTART", "DTEND", "DUE", "RECURRENCE-ID"))
# A client's notes to itself: no business of anybody else.
_PRIVATE = ("X-MOZ-", "X-CALENDARSERVER-", "X-LIC-", "X-EVOLUTION-", "X-KDE-", "X-APPLE-NEEDS-REPLY")
_PRINCIPAL = re.compile(r"^(?:https?://[^/]*)?/dav/principals/[^/]+/([^/]+)/?$")
_QUOTED = re.compile(r"[:;,]")


@dataclass(frozen=True, slots=True)
class Message:
    """One scheduling message for one recipient; `calendar` is the VCALENDAR with its METHOD.

    A REQUEST has everything the recipient is invited to, and what of it is new in `changed`; is_forced: the
    organiser wants it sent whatever was answered (RFC 6638 §7.2). A CANCEL is_covered when a REQUEST comes
    with it that leaves out what is cancelled.
    """

    method: str
    sender: str
    recipient: str
    calendar: Component
    changed: Component | None = None
    is_covered: bool = False
    is_forced: bool = False

    @property
    def object(self) -> CalendarObject:
        """The message as an object, without its METHOD."""
        return rebuild(without(self.calendar, "METHOD"))


def plain(address: str) -> str:
    """The key of a calendar user address when nothing else is known of it."""
    text = address.strip()
    found = _PRINCIPAL.match(text)
    if found is not None:
        return unquote(found[1]).lower()
    text = text.lower()
    return unquote(text[7:]) if text.startswith("mailto:") else text


def rebuild(calendar: Component) -> CalendarObject:
    """The object of a calendar that was put together from checked parts."""
    return check_lines(list(calendar.lines()))


def data_of(calendar: Component) -> bytes:
    """The calendar as it is stored or sent."""
    return serialise(calendar.lines())


def without(component: Component, *names: str) -> Component:
    """A component less some of its properties."""
    kept = [line for line in component.properties if line[0] not in names]
    return Component(component.name, component.begin, kept, component.components)


def with_line(component: Component, line: ContentLine) -> Component:
    """A component with one property set, in the place of all of that name."""
    made = without(component, line[0])
    return Component(made.name, made.begin, [*made.properties, line], made.components)


def calendar_of(parts: Sequence[Component], source: Component, method: str = "") -> Component:
    """A VCALENDAR of these members with the time zones that the source defines."""
    head: list[ContentLine] = [("VERSION", "", "2.0"), ("PRODID", "", PRODID), ("CALSCALE", "", "GREGORIAN")]
    if method:
        head.append(("METHOD", "", method))
    used = {tzid for part in parts for line in part.properties for tzid in _tzids(line)}
    zones = [zone for zone in source.components if zone.name == "VTIMEZONE" and zone.text("TZID") in used]
    return Component("VCALENDAR", ("BEGIN", "", "VCALENDAR"), head, [*zones, *parts])


def _tzids(line: ContentLine) -> Iterable[str]:
    return parameters(line[1]).get("TZID", ()) if "TZID" in line[1].upper() else ()


def replaced(found: CalendarObject, members: Sequence[Component]) -> CalendarObject:
    """The same calendar with other members."""
    others = [part for part in found.calendar.components if part not in found.members]
    calendar = found.calendar
    return rebuild(Component(calendar.name, calendar.begin, calendar.properties, [*others, *members]))


def parameter(line: ContentLine, name: str) -> str:
    """The first value of a parameter, '' where there is none."""
    if not line[1] or name not in line[1].upper():
        return ""
    return next(iter(parameters(line[1]).get(name, ())), "")


def with_parameter(line: ContentLine, name: str, value: str | None) -> ContentLine:
    """The property with one parameter set, or taken away."""
    pattern = rf';{re.escape(name)}=[^";]*(?:"[^"]*"[^";]*)*'
    text = re.sub(pattern, "", line[1], flags=re.IGNORECASE) if line[1] else ""
    if value is not None:
        text += f';{name}="{value}"' if _QUOTED.search(value) else f";{name}={value}"
    return line[0], text, line[2]


def bare(line: ContentLine) -> ContentLine:
    """A property without what only its own server reads (RFC 6638 §7)."""
    for name in SERVER_PARAMETERS:
        if name in line[1].upper():
            line = with_parameter(line, name, None)
    return line


def attendee(component: Component, key: str, who: Who) -> ContentLine | None:
    """Somebody's ATTENDEE."""
    for line in component.properties:
        if line[0] == "ATTENDEE" and who(line[2]) == key:
            return line
    return None


def organizer(found: CalendarObject) -> ContentLine | None:
    """The ORGANIZER of an object: of its first member that has one."""
    return next(filter(None, (member.first("ORGANIZER") for member in found.members)), None)


def is_server(line: ContentLine | None) -> bool:
    """RFC 6638 §7.1: whether the server is to send for this ATTENDEE, or to this ORGANIZER."""
    return line is not None and parameter(line, "SCHEDULE-AGENT").upper() in ("", "SERVER")


def identity(found: CalendarObject, component: Component) -> int | None:
    """Which instance a member is: microseconds of its RECURRENCE-ID; None for the master."""
    line = component.first("RECURRENCE-ID")
    return None if line is None else found.moment(line).micros


def shared(component: Component) -> Component:
    """A member as others get it: without alarms and without what is its owner's own."""
    kept = [
        bare(line) if line[0] in ("ATTENDEE", "ORGANIZER") else line
        for line in component.properties
        if not line[0].startswith(_PRIVATE)
    ]
    inner = [part for part in component.components if part.name != "VALARM"]
    return Component(component.name, component.begin, kept, inner)


def fingerprint(found: CalendarObject, component: Component, who: Who) -> frozenset[object]:
    """What makes a change worth a message: everything but stamps, and of people who they are."""
    marks: set[object] = set()
    for line in component.properties:
        name = line[0]
        if name in _STAMPS or name.startswith(_PRIVATE):
            continue
        if name in ("ATTENDEE", "ORGANIZER"):
            marks.add((name, who(line[2]), parameter(line, "ROLE")))
        elif name in _TIMES:
            marks.add((name, found.moment(line).micros, found.moment(line).is_date))
        else:
            marks.add(line)
    return frozenset(marks)


def with_answers(new: CalendarObject, current: CalendarObject, key: str, who: Who) -> CalendarObject:
    """A client's object with what others have answered since it was read (RFC 6638 §3.2.10)."""
    known = {identity(current, member): member for member in current.members}
    members = []
    for member in new.members:
        present = known.get(identity(new, member))
        lines = list(member.properties)
        for index, line in enumerate(lines):
            if line[0] == "ATTENDEE" and present is not None and who(line[2]) != key:
                answered = attendee(present, who(line[2]), who)
                if answered is not None:
                    for name in ("PARTSTAT", "SCHEDULE-STATUS"):
                        line = with_parameter(line, name, parameter(answered, name) or None)
                    lines[index] = line
        members.append(Component(member.name, member.begin, lines, member.components))
    is_same = all(
        made.properties == member.properties for made, member in zip(members, new.members, strict=True)
    )
    return new if is_same else replaced(new, members)


def with_partstat(component: Component, status: str, key: str, who: Who) -> Component:
    """A member in which somebody has answered, so that no answer is awaited any more (RFC 5545 §3.2.17)."""
    lines = [
        with_parameter(with_parameter(line, "PARTSTAT", status), "RSVP", None)
        if line[0] == "ATTENDEE" and who(line[2]) == key
        else line
        for line in component.properties
    ]
    return Component(component.name, component.begin, lines, component.components)


def stamped(component: Component, stamp: str) -> Component:
    """With DTSTAMP set to when the message is made (RFC 5545 §3.8.7.2)."""
    return with_line(component, ("DTSTAMP", "", stamp))
