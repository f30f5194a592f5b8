# SPDX-License-Identifier: Apache-2.0
"""iCalendar (RFC 5545) as a server needs it: structure, the rules for stored objects.

`check(data)` reads one calendar object resource (RFC 4791 §4.1): one VCALENDAR, one UID, components of
one type beside VTIMEZONE, no METHOD. Bytes are never rewritten: what a client stored it gets back.
Tolerated, as elsewhere: missing PRODID, VERSION or DTSTAMP, unknown properties and components, folding
and line ends of any kind, DTEND before DTSTART. Refused, since clients break on it when it comes back:
lines that are none, components not closed, no UID or DTSTART, dates and rules that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cached_property, lru_cache

from armgs_server.errors import Invalid
from armgs_server.formats import recurrence_rule, timezones
from armgs_server.formats.contentline import ContentLine, line_number, parameters, scan, unescape
from armgs_server.formats.icalendar_values import Moment, parse_duration, parse_local

STORED = ("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY", "VPOLL")
DEPTH = 8  # components within components; RFC 5545 needs 3, RFC 7953 and 9073 one more
MAX_ZONES = 50  # of its own that one object may use; each costs some milliseconds
_TIMES = frozenset(("DTSTART", "DTEND", "DUE", "RECURRENCE-ID"))
_CHECKED = _TIMES | {"RRULE", "EXRULE", "RDATE", "EXDATE", "DURATION"}


class Malformed(Exception):
    """A content line that breaks a rule; `check` turns it into Invalid with the line's number."""

    def __init__(self, text: str, line: ContentLine, *, storable: bool = True) -> None:
        super().__init__(text)
        self.line = line
        self.storable = storable


class NotStorable(Invalid):
    """Good iCalendar, but not one object as RFC 4791 §4.1 wants it stored."""


@dataclass(slots=True, eq=False)
class Component:
    name: str
    begin: ContentLine
    properties: list[ContentLine] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)

    def first(self, name: str) -> ContentLine | None:
        for line in self.properties:
            if line[0] == name:
                return line
        return None

    def all(self, name: str) -> list[ContentLine]:
        return [line for line in self.properties if line[0] == name]

    def text(self, name: str) -> str:
        line = self.first(name)
        return unescape(line[2]) if line else ""

    def value(self, name: str) -> str:
        """A token such as STATUS, in upper case."""
        line = self.first(name)
        return line[2].strip().upper() if line else ""

    def lines(self) -> Iterator[ContentLine]:
        yield "BEGIN", "", self.name
        yield from self.properties
        for component in self.components:
            yield from component.lines()
        yield "END", "", self.name


class CalendarObject:
    """One checked calendar object resource."""

    def __init__(self, calendar: Component, kind: str, uid: str, members: list[Component]) -> None:
        self.calendar = calendar
        self.kind = kind  # VEVENT, VTODO …
        self.uid = uid
        self.members = members  # the master and its overrides
        self.overrides = [member for member in members if member.first("RECURRENCE-ID") is not None]
        self.master = next((member for member in members if member.first("RECURRENCE-ID") is None), None)
        # Whether there is more than one instance, or one of a set.
        self.is_recurring = bool(self.overrides) or (
            self.master is not None and any(line[0] in ("RRULE", "RDATE") for line in self.master.properties)
        )
        self.unknown_zones: set[str] = set()
        self._zones: dict[str, tzinfo | None] = {}
        self._moments: dict[tuple[str, str], Moment] = {}

    @cached_property
    def timezones(self) -> dict[str, Component]:
        return {
            component.text("TZID"): component
            for component in self.calendar.components
            if component.name == "VTIMEZONE"
        }

    def zone(self, tzid: str) -> tzinfo | None:
        """The object's own VTIMEZONE, else the IANA or Windows name; None (floating) and noted if neither."""
        if tzid in self._zones:
            return self._zones[tzid]
        component = self.timezones.get(tzid) if len(self._zones) < MAX_ZONES else None
        found = None if component is None else vtimezone(component)
        if found is None:
            found = timezones.named(tzid)
        if found is None:
            self.unknown_zones.add(tzid)
        self._zones[tzid] = found
        return found

    def moment(self, line: ContentLine, value: str | None = None) -> Moment:
        """The date or time of a property, or of one `value` in its list; Malformed if it is none."""
        text = (line[2] if value is None else value).strip()
        known = self._moments.get((line[1], text))
        if known is not None:
            return known
        try:
            local = parse_local(text)
        except ValueError as error:
            raise Malformed(f"{line[0]} is no date or date-time: {text[:40]!r}", line) from error
        zone = None
        if len(text) > 8:
            tzid = _tzid(line[1]) if line[1] else ""
            zone = UTC if text[-1] in "Zz" else self.zone(tzid) if tzid else None
        found = self._moments[line[1], text] = Moment(local, zone, len(text) == 8)
        return found

    def moments(self) -> Iterable[Moment]:
        """All dates and times that were asked for so far; after `check` those of recurrence and extent."""
        return self._moments.values()


@lru_cache(maxsize=1024)
def _tzid(text: str) -> str:
    return next(iter(parameters(text).get("TZID", ())), "")


def vtimezone(component: Component) -> tzinfo | None:
    """The zone a VTIMEZONE defines; None when it is broken (COMPAT: its name may still be known)."""
    observances = tuple(tuple(part.properties) for part in component.components)
    try:
        return timezones.defined(component.text("TZID"), observances)
    except ValueError:
        return None


def parse(lines: Sequence[ContentLine]) -> list[Component]:
    """The components at the top; Malformed at the line where the nesting breaks."""
    top: list[Component] = []
    open_: list[Component] = []
    for line in lines:
        name = line[0]
        if name == "BEGIN":
            component = Component(line[2].strip().upper(), line)
            (open_[-1].components if open_ else top).append(component)
            open_.append(component)
            if len(open_) > DEPTH:
                raise Malformed("components nested too deeply", line)
        elif name == "END":
            if not open_ or open_.pop().name != line[2].strip().upper():
                raise Malformed(f"END:{line[2]} without its BEGIN", line)
        elif open_:
            open_[-1].properties.append(line)
        else:
            raise Malformed(f"{name} outside a component", line)
    if open_:
        raise Malformed(f"{open_[-1].name} has no END", open_[-1].begin)
    return top


def check(data: bytes) -> CalendarObject:
    """The one object in `data`, fit to be stored (RFC 4791 §4.1); else Invalid with the line."""
    lines = scan(data)
    try:
        return check_lines(lines)
    except Malformed as error:
        index = next(index for index, line in enumerate(lines) if line is error.line)
        kind = Invalid if error.storable else NotStorable
        raise kind(str(error), line_number(data, index)) from error


def check_lines(lines: Sequence[ContentLine]) -> CalendarObject:
    top = parse(lines)
    if not top or top[0].name != "VCALENDAR":
        if not lines:
            raise Invalid("empty", 1)
        raise Malformed("not a VCALENDAR", lines[0])
    if len(top) > 1:
        raise Malformed("more than one VCALENDAR", top[1].begin, storable=False)
    calendar = top[0]
    for line in calendar.properties:
        if line[0] == "METHOD":  # RFC 4791 §4.1
            raise Malformed("METHOD in a stored object", line, storable=False)
        if line[0] == "VERSION" and line[2].strip() != "2.0":
            raise Malformed(f"VERSION is {line[2]}", line)
    members = [component for component in calendar.components if component.name in STORED]
    if not members:
        raise Malformed("no event, task or journal entry", calendar.begin, storable=False)
    kind, uid = members[0].name, _uid(members[0])
    for member in members[1:]:
        if member.name != kind:
            raise Malformed(f"{member.name} beside {kind}", member.begin, storable=False)
        if _uid(member) != uid:
            raise Malformed(f"a second UID beside {uid}", member.first("UID") or member.begin, storable=False)
    found = CalendarObject(calendar, kind, uid, members)
    for member in members:
        _check_member(found, member)
        if member is not found.master and member.first("RECURRENCE-ID") is None:
            raise Malformed("a second component without RECURRENCE-ID", member.begin, storable=False)
    return found


def _uid(component: Component) -> str:
    line = component.first("UID")
    if line is None or not line[2].strip():
        raise Malformed(f"{component.name} without UID", line or component.begin)
    return unescape(line[2]).strip()


def _check_member(found: CalendarObject, member: Component) -> None:
    """The values that queries, recurrence and clients stand on."""
    start = False
    for line in member.properties:
        name = line[0]
        if name not in _CHECKED:
            continue
        if name in _TIMES:
            found.moment(line)
            start = start or name == "DTSTART"
        elif name == "RRULE" or name == "EXRULE":
            try:
                recurrence_rule.parse(line[2])
            except ValueError as error:
                raise Malformed(f"{name}: {error}", line) from error
        elif name == "RDATE" or name == "EXDATE":
            for value in line[2].split(","):
                if value.strip():  # COMPAT an empty list
                    found.moment(line, value.split("/")[0])
        elif name == "DURATION":
            try:
                parse_duration(line[2])
            except ValueError as error:
                raise Malformed(f"DURATION is no duration: {line[2][:40]!r}", line) from error
    # RFC 5545 §3.6.1; without METHOD it is required, and nothing can show an event without it.
    if not start and member.name == "VEVENT":
        raise Malformed("VEVENT without DTSTART", member.begin)
