# SPDX-License-Identifier: Apache-2.0
"""C:calendar-data (RFC 4791 §9.6): the stored bytes as they are, or a part of them when a report asks so.

Whole objects are the hot path: bytes to text, escaped, nothing parsed. Only `expand`,
`limit-recurrence-set`, `limit-freebusy-set` and lists of components or properties make the text anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo

from armgs_server.dav.errors import DavError
from armgs_server.dav.filter_times import LIMIT, free_busy_periods, instances
from armgs_server.dav.filters import TimeRange, parse_utc
from armgs_server.dav.names import CALDAV
from armgs_server.dav.xml import Element
from armgs_server.errors import Invalid
from armgs_server.formats.contentline import ContentLine, serialise
from armgs_server.formats.icalendar import CalendarObject, Component, check
from armgs_server.formats.icalendar_values import Moment
from armgs_server.formats.recurrence import Instance, expand, from_micros

NAME = f"{{{CALDAV}}}calendar-data"
Adapt = Callable[[bytes], bytes]  # of the time zones in it (timezone_header)
# Properties that an expanded instance must not have (§9.6.5) or that are made anew for it.
_NOT_EXPANDED = frozenset(
    ("RRULE", "RDATE", "EXDATE", "EXRULE", "DTSTART", "DTEND", "DUE", "DURATION", "RECURRENCE-ID")
)
_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class CompSelection:
    """C:comp: what to keep of a component; None = all of it."""

    props: dict[str, bool] | None  # name -> whether without its value (novalue)
    comps: dict[str, "CompSelection"] | None


@dataclass(frozen=True, slots=True)
class DataRequest:
    """What a report asks of calendar-data."""

    selection: CompSelection | None = None
    expand: TimeRange | None = None
    limit_recurrence: TimeRange | None = None
    limit_freebusy: TimeRange | None = None


WHOLE = DataRequest()


def parse_data_request(element: Element | None) -> DataRequest:
    """The parameters inside C:calendar-data; DavError for a media type that is not served."""
    if element is None:
        return WHOLE
    if element.get("content-type", "text/calendar").lower() != "text/calendar" or element.get(
        "version", "2.0"
    ) not in ("2.0", "*"):
        raise DavError(403, condition=f"{{{CALDAV}}}supported-calendar-data")
    if len(element) == 0:
        return WHOLE
    comp = element.find(f"{{{CALDAV}}}comp")
    asked = DataRequest(
        None if comp is None else _parse_comp(comp, 1),
        _range(element, "expand"),
        _range(element, "limit-recurrence-set"),
        _range(element, "limit-freebusy-set"),
    )
    return WHOLE if asked == WHOLE else asked


def _range(element: Element, name: str) -> TimeRange | None:
    child = element.find(f"{{{CALDAV}}}{name}")
    if child is None:
        return None
    found = TimeRange(parse_utc(child.get("start", "")), parse_utc(child.get("end", "")))
    if found.start >= found.end:
        raise DavError(400, f"{name} ends before it starts.")
    return found


def _parse_comp(element: Element, depth: int) -> CompSelection:
    if depth > _MAX_DEPTH:
        raise DavError(400, "C:comp is nested too deep.")
    props: dict[str, bool] | None = {
        child.get("name", "").upper(): child.get("novalue", "no") == "yes"
        for child in element.findall(f"{{{CALDAV}}}prop")
    }
    if element.find(f"{{{CALDAV}}}allprop") is not None:
        props = None
    comps: dict[str, CompSelection] | None = {
        child.get("name", "").upper(): _parse_comp(child, depth + 1)
        for child in element.findall(f"{{{CALDAV}}}comp")
    }
    if element.find(f"{{{CALDAV}}}allcomp") is not None:
        comps = None
    return CompSelection(props, comps)


def escape_data(data: bytes) -> str:
    """The object's text inside an XML element; line ends stay, and a parser reads them as LF."""
    text = data.decode()
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    return text


def render(
    data: bytes, asked: DataRequest, zone: tzinfo | None, limit: int, adapt: Adapt | None = None
) -> str:
    """The C:calendar-data element for an object."""
    if asked is not WHOLE:
        try:
            data = select(check(data), asked, zone, limit)
        except Invalid:
            pass  # stored by an older version: given whole
    if adapt is not None:
        data = adapt(data)
    return f"<C:calendar-data>{escape_data(data)}</C:calendar-data>"


def select(found: CalendarObject, asked: DataRequest, zone: tzinfo | None, limit: int) -> bytes:
    """The part of an object that is asked for."""
    calendar = found.calendar
    if asked.expand is not None:
        calendar = _expanded(found, asked.expand, zone, limit)
    elif asked.limit_recurrence is not None:
        calendar = _limited(found, asked.limit_recurrence, zone)
    if asked.limit_freebusy is not None:
        calendar = _limited_freebusy(found, calendar, asked.limit_freebusy)
    return serialise(_selected(calendar, asked.selection))


def _with(component: Component, properties: list[ContentLine], components: list[Component]) -> Component:
    return Component(component.name, component.begin, properties, components)


def _expanded(found: CalendarObject, wanted: TimeRange, zone: tzinfo | None, limit: int) -> Component:
    """§9.6.5: each instance in the range as a component of its own, in UTC, without time zones."""
    members = [_instance(found, instance) for instance in instances(found, wanted, zone)[:limit]]
    others = [
        component
        for component in found.calendar.components
        if component.name != found.kind and component.name != "VTIMEZONE"
    ]
    return _with(found.calendar, found.calendar.properties, [*others, *members])


def _instance(found: CalendarObject, instance: Instance) -> Component:
    component = instance.component
    kept = [line for line in component.properties if line[0] not in _NOT_EXPANDED]
    made: list[ContentLine] = []
    start = component.first("DTSTART")
    if start is not None:
        first = found.moment(start)
        made.append(_time("DTSTART", instance.starts, first))
        end = component.first("DTEND") or component.first("DUE")
        if end is not None:
            made.append(_time(end[0], instance.ends, first))
        elif component.first("DURATION") is not None:
            made.append(_time("DUE" if component.name == "VTODO" else "DTEND", instance.ends, first))
    elif component.first("DUE") is not None:
        made.append(_time("DUE", instance.starts, found.moment(component.all("DUE")[0])))
    if instance.recurrence_id is not None:
        made.append(_time("RECURRENCE-ID", instance.recurrence_id.micros, instance.recurrence_id))
    return _with(component, made + kept, component.components)


def _time(name: str, micros: int, like: Moment) -> ContentLine:
    text = utc_text(micros)
    if like.is_date:
        return name, ";VALUE=DATE", text[:8]
    # A floating time is nobody's UTC, and stays floating.
    return name, "", text if like.zone is not None else text[:-1]


def utc_text(micros: int) -> str:
    """The form #2 of DATE-TIME (RFC 5545 §3.3.5)."""
    text = from_micros(micros).isoformat(timespec="seconds")
    return text.replace("-", "").replace(":", "") + "Z"


def _limited(found: CalendarObject, wanted: TimeRange, zone: tzinfo | None) -> Component:
    """§9.6.6: the master, and the overrides that touch the range or replace what touched it."""
    chosen = {id(instance.component) for instance in instances(found, wanted, zone)}
    replaced = _replaced(found, wanted)
    dropped = {id(override) for override in found.overrides} - chosen - replaced
    kept = [component for component in found.calendar.components if id(component) not in dropped]
    return _with(found.calendar, found.calendar.properties, kept)


def _replaced(found: CalendarObject, wanted: TimeRange) -> set[int]:
    """Overrides whose unchanged instance would lie in the range, and those of all that follows."""
    plain = CalendarObject(found.calendar, found.kind, found.uid, [found.master] if found.master else [])
    expansion = expand(plain, wanted.start, wanted.end, limit=LIMIT)
    starts = {instance.starts for instance in expansion.instances}
    return {
        id(override)
        for override in found.overrides
        for line in override.all("RECURRENCE-ID")
        if found.moment(line).micros in starts or "THISANDFUTURE" in line[1].upper()
    }


def _limited_freebusy(found: CalendarObject, calendar: Component, wanted: TimeRange) -> Component:
    """§9.6.7: the FREEBUSY periods that touch the range."""
    components = []
    for component in calendar.components:
        properties = component.properties
        if component.name == "VFREEBUSY":
            properties = [line for line in properties if line[0] != "FREEBUSY"] + [
                ("FREEBUSY", f";FBTYPE={kind}", f"{utc_text(low)}/{utc_text(high)}")
                for low, high, kind in free_busy_periods(found, component)
                if low < wanted.end and high > wanted.start
            ]
        components.append(_with(component, properties, component.components))
    return _with(calendar, calendar.properties, components)


def _selected(component: Component, selection: CompSelection | None) -> Iterator[ContentLine]:
    yield "BEGIN", "", component.name
    props = selection.props if selection is not None else None
    for line in component.properties:
        if props is None:
            yield line
        elif line[0] in props:
            yield (line[0], line[1], "") if props[line[0]] else line
    comps = selection.comps if selection is not None else None
    for child in component.components:
        if selection is None or comps is None:
            yield from _selected(child, None)
        elif child.name in comps:
            yield from _selected(child, comps[child.name])
    yield "END", "", component.name
