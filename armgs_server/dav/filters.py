# SPDX-License-Identifier: Apache-2.0
"""Filters of calendar-query (RFC 4791 §9.7): parsed to dataclasses and matched against objects. Pure.

A filter is a tree of component, property and parameter filters; all conditions of one must hold. Text is
compared by the collations every server must know (§7.5, RFC 4790), and i;unicode-casemap (RFC 5051).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

from armgs_server.dav.errors import DavError
from armgs_server.dav.names import CALDAV, CARDDAV
from armgs_server.dav.xml import Element
from armgs_server.formats.contentline import ContentLine, parameters, unescape
from armgs_server.formats.icalendar import CalendarObject, Component, Malformed
from armgs_server.formats.icalendar_values import parse_local, to_micros

COLLATIONS = ("i;ascii-casemap", "i;octet", "i;unicode-casemap")
MAX_DEPTH = 6  # VCALENDAR, VEVENT, VALARM and as many again
FIRST, LAST = -(1 << 60), 1 << 60  # an open end of a time range
_DETAILS = frozenset(("PARTICIPANT", "VLOCATION", "VRESOURCE"))  # RFC 9073 §7
# Which components lie in which (RFC 5545 §3.6, RFC 7953 §3.1); others, of extensions, may lie anywhere.
_INSIDE = {
    "VCALENDAR": frozenset(("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE", "VAVAILABILITY")),
    "VEVENT": _DETAILS | {"VALARM"},
    "VTODO": _DETAILS | {"VALARM"},
    "VJOURNAL": _DETAILS,
    "VFREEBUSY": _DETAILS,
    "VALARM": frozenset(("VLOCATION",)),  # RFC 9074 §8
    "VTIMEZONE": frozenset(("STANDARD", "DAYLIGHT")),
    "VAVAILABILITY": frozenset(("AVAILABLE",)),
    "PARTICIPANT": frozenset(("VLOCATION", "VRESOURCE")),
}
_KNOWN = frozenset().union(*_INSIDE.values()) | {"VCALENDAR"}
# What has a time to compare (§9.9).
_TIMED = frozenset(("VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VALARM", "VAVAILABILITY", "AVAILABLE"))
_DATES = frozenset(
    ("COMPLETED", "CREATED", "DTEND", "DTSTAMP", "DTSTART", "DUE", "LAST-MODIFIED")
    + ("RECURRENCE-ID", "RDATE", "EXDATE", "TRIGGER", "ACKNOWLEDGED")
)


@dataclass(frozen=True, slots=True)
class TextMatch:
    """RFC 4791 §9.7.5, RFC 6352 §10.5.4; `needle` is folded by the collation."""

    needle: str
    collation: str
    kind: str = "contains"
    negate: bool = False

    def matches(self, values: Iterable[str]) -> bool:
        """Whether one of the values contains (equals …) the text; with `negate`, whether none does."""
        return any(self._is_match(fold(value, self.collation)) for value in values) != self.negate

    def _is_match(self, value: str) -> bool:
        if self.kind == "equals":
            return value == self.needle
        if self.kind == "starts-with":
            return value.startswith(self.needle)
        if self.kind == "ends-with":
            return value.endswith(self.needle)
        return self.needle in value


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[start, end) in microseconds since 1970 UTC (RFC 4791 §9.9)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParamFilter:
    """RFC 4791 §9.7.3."""

    name: str
    absent: bool = False
    text: TextMatch | None = None

    def matches(self, line: ContentLine) -> bool:
        values = parameters(line[1]).get(self.name)
        if values is None:
            return self.absent
        return not self.absent and (self.text is None or self.text.matches(values))


@dataclass(frozen=True, slots=True)
class PropFilter:
    """RFC 4791 §9.7.2."""

    name: str
    absent: bool = False
    time_range: TimeRange | None = None
    text: TextMatch | None = None
    params: tuple[ParamFilter, ...] = ()
    is_any: bool = False


@dataclass(frozen=True, slots=True)
class CompFilter:
    """RFC 4791 §9.7.1."""

    name: str
    absent: bool = False
    time_range: TimeRange | None = None
    props: tuple[PropFilter, ...] = ()
    comps: tuple["CompFilter", ...] = ()
    is_any: bool = False  # of its property and component filters one is enough

    @property
    def is_bare(self) -> bool:
        """Nothing but the component itself is asked for, within a time range or not."""
        return not self.absent and not self.props and not self.comps


def fold(text: str, collation: str) -> str:
    """The text as the collation compares it."""
    if collation == "i;octet":
        return text
    if collation == "i;ascii-casemap":
        return text if text.islower() else "".join(c.lower() if c.isascii() else c for c in text)
    return text.casefold()


def parse_filter(root: Element) -> CompFilter:
    """C:filter of a report: its one comp-filter, which must be for VCALENDAR."""
    filter_ = root.find(f"{{{CALDAV}}}filter")
    tops = [] if filter_ is None else filter_.findall(f"{{{CALDAV}}}comp-filter")
    if len(tops) != 1 or tops[0].get("name", "").upper() != "VCALENDAR":
        raise _invalid("one comp-filter for VCALENDAR expected")
    return _parse_comp(tops[0], 1)


def _invalid(text: str) -> DavError:
    return DavError(403, text, condition=f"{{{CALDAV}}}valid-filter")


def _parse_comp(element: Element, depth: int) -> CompFilter:
    if depth > MAX_DEPTH:
        raise _invalid("the filter is nested too deep")
    found = CompFilter(
        name=_name(element),
        absent=element.find(f"{{{CALDAV}}}is-not-defined") is not None,
        time_range=_range_of(element),
        props=tuple(_parse_prop(child) for child in element.findall(f"{{{CALDAV}}}prop-filter")),
        comps=tuple(_parse_comp(child, depth + 1) for child in element.findall(f"{{{CALDAV}}}comp-filter")),
        is_any=_is_any(element),
    )
    # §7.8: a filter that asks for what cannot be is not valid.
    if found.time_range is not None and found.name not in _TIMED:
        raise _invalid(f"a time-range of {found.name}, which has no time")
    for comp in found.comps:
        if comp.name in _KNOWN and found.name in _KNOWN and comp.name not in _INSIDE.get(found.name, ()):
            raise _invalid(f"{comp.name} does not lie in {found.name}")
    return found


def _parse_prop(element: Element) -> PropFilter:
    name, time_range = _name(element), _range_of(element)
    if time_range is not None and name not in _DATES and not name.startswith("X-"):
        raise _invalid(f"a time-range of {name}, which is no time")
    return PropFilter(
        name=name,
        absent=element.find(f"{{{CALDAV}}}is-not-defined") is not None,
        time_range=time_range,
        text=parse_text_match(element.find(f"{{{CALDAV}}}text-match"), CALDAV),
        params=tuple(parse_param(child, CALDAV) for child in element.findall(f"{{{CALDAV}}}param-filter")),
        is_any=_is_any(element),
    )


def _is_any(element: Element) -> bool:
    """`test` of Calendar Server (calendar-query-extended); a filter without parts asks for nothing more."""
    test = element.get("test", "allof")
    if test not in ("allof", "anyof"):
        raise _invalid("an unknown test")
    parts = ("prop-filter", "comp-filter", "param-filter", "text-match")
    return test == "anyof" and any(element.find(f"{{{CALDAV}}}{part}") is not None for part in parts)


def parse_param(element: Element, namespace: str) -> ParamFilter:
    """A param-filter; CalDAV's and CardDAV's differ by namespace alone."""
    return ParamFilter(
        _name(element),
        element.find(f"{{{namespace}}}is-not-defined") is not None,
        parse_text_match(element.find(f"{{{namespace}}}text-match"), namespace),
    )


def _name(element: Element) -> str:
    name = element.get("name", "").strip().upper()
    if not name:
        raise _invalid("a filter without name")
    return name


def parse_text_match(element: Element | None, namespace: str) -> TextMatch | None:
    """A text-match; DavError for a collation or match-type that is not known."""
    if element is None:
        return None
    default = "i;unicode-casemap" if namespace == CARDDAV else "i;ascii-casemap"
    collation = element.get("collation", default)
    if collation == "default":
        collation = default
    if collation not in COLLATIONS:
        raise DavError(403, condition=f"{{{namespace}}}supported-collation")
    kind = element.get("match-type", "contains")
    if kind not in ("contains", "equals", "starts-with", "ends-with"):
        raise DavError(403, "unknown match-type", condition=f"{{{namespace}}}valid-filter")
    negate = element.get("negate-condition", "no") == "yes"
    return TextMatch(fold(element.text or "", collation), collation, kind, negate)


def _range_of(element: Element) -> TimeRange | None:
    child = element.find(f"{{{CALDAV}}}time-range")
    return None if child is None else parse_range(child)


def parse_range(element: Element) -> TimeRange:
    """The start and end attributes, which must be in UTC (§9.9); at least one of them."""
    start, end = element.get("start"), element.get("end")
    if start is None and end is None:
        raise _invalid("a time-range without start and end")
    found = TimeRange(
        FIRST if start is None else parse_utc(start),
        LAST if end is None else parse_utc(end),
    )
    if found.start >= found.end:
        raise _invalid("a time-range whose end is not after its start")
    return found


def parse_utc(text: str) -> int:
    """A "date with UTC time" (§9.9)."""
    try:
        if not text.endswith("Z") or len(text) != 16:
            raise ValueError(text)
        return to_micros(parse_local(text), UTC)
    except ValueError as error:
        raise _invalid("a time that is not in UTC") from error


def match_props(found: CalendarObject, component: Component, props: Sequence[PropFilter]) -> bool:
    """Whether all property filters hold for a component."""
    return all(_match_prop(found, component, prop) for prop in props)


def _match_prop(found: CalendarObject, component: Component, prop: PropFilter) -> bool:
    lines = component.all(prop.name)
    if prop.absent or not lines:
        return prop.absent and not lines
    return any(_match_line(found, line, prop) for line in lines)


def _match_line(found: CalendarObject, line: ContentLine, prop: PropFilter) -> bool:
    if prop.time_range is not None and not _in_range(found, line, prop.time_range):
        return False
    tests = [param.matches(line) for param in prop.params]
    if prop.text is not None:
        tests.append(prop.text.matches([unescape(line[2])]))
    return any(tests) if prop.is_any else all(tests)


def _in_range(found: CalendarObject, line: ContentLine, wanted: TimeRange) -> bool:
    # §9.9: a property overlaps a range when its time lies in it.
    try:
        return wanted.start <= found.moment(line).micros < wanted.end
    except Malformed:
        return False
