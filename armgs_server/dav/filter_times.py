# SPDX-License-Identifier: Apache-2.0
"""Matching calendar objects against component filters, time ranges included (RFC 4791 §9.7.1, §9.9). Pure.

Floating times and dates are compared as the clock of `zone` shows the range.
"""

from collections.abc import Iterable
from datetime import tzinfo

from armgs_server.dav.filters import CompFilter, TimeRange, match_props
from armgs_server.formats.contentline import ContentLine, parameters
from armgs_server.formats.icalendar import CalendarObject, Component, Malformed
from armgs_server.formats.icalendar_values import parse_duration, to_micros
from armgs_server.formats.recurrence import (
    DAY,
    Instance,
    component_span,
    expand,
    from_micros,
    in_zone,
    overlaps,
)

MOST_REPEATS = 100  # of one alarm that are looked at
LIMIT = 3000  # instances of one object looked at for one filter
ALARM_REACH = 32 * DAY  # how far an alarm may lie from what it announces


def matches(found: CalendarObject, asked: CompFilter, zone: tzinfo | None) -> bool:
    """Whether an object is selected; `asked` is the filter for VCALENDAR."""
    return not asked.absent and _match_parts(found, found.calendar, asked, zone)


def _match_parts(found: CalendarObject, component: Component, asked: CompFilter, zone: tzinfo | None) -> bool:
    """What a filter asks of the inside of a component: all of it, or any part with test="anyof"."""
    if asked.is_any:
        return any(match_props(found, component, [each]) for each in asked.props) or any(
            _match_child(found, component, each, zone) for each in asked.comps
        )
    return match_props(found, component, asked.props) and all(
        _match_child(found, component, each, zone) for each in asked.comps
    )


def _match_child(found: CalendarObject, parent: Component, asked: CompFilter, zone: tzinfo | None) -> bool:
    children = [child for child in parent.components if child.name == asked.name]
    if asked.absent or not children:
        return asked.absent and not children
    in_range: Iterable[Component] = children
    if asked.time_range is not None:
        in_range = _in_range(found, parent, children, asked.time_range, zone)
    return any(_match_parts(found, child, asked, zone) for child in in_range)


def _in_range(
    found: CalendarObject,
    parent: Component,
    children: list[Component],
    wanted: TimeRange,
    zone: tzinfo | None,
) -> list[Component]:
    """The components that overlap the range: recurring ones by any of their instances."""
    name = children[0].name
    if name == "VALARM":
        return [child for child in children if _alarm_rings(found, parent, child, wanted, zone)]
    if name == "VTODO" and not found.is_recurring:
        return [child for child in children if _todo_overlaps(found, child, wanted, zone)]
    if name in ("VFREEBUSY", "VAVAILABILITY"):
        return [child for child in children if _span_overlaps(found, child, wanted, zone)]
    return [instance.component for instance in instances(found, wanted, zone)]


def local_range(wanted: TimeRange, zone: tzinfo | None) -> TimeRange:
    """The range as the zone's clock shows it."""
    if zone is None:
        return wanted
    return TimeRange(to_micros(in_zone(wanted.start, zone), None), to_micros(in_zone(wanted.end, zone), None))


def is_floating(found: CalendarObject, component: Component) -> bool:
    """Whether the component's times depend on who looks."""
    line = component.first("DTSTART") or component.first("DUE")
    return line is not None and found.moment(line).zone is None


def instances(found: CalendarObject, wanted: TimeRange, zone: tzinfo | None) -> list[Instance]:
    """The instances that overlap a range."""
    local = local_range(wanted, zone)
    low, high = min(wanted.start, local.start), max(wanted.end, local.end)
    chosen = []
    for instance in expand(found, low, high, limit=LIMIT).instances:
        own = local if is_floating(found, instance.component) else wanted
        if overlaps(instance, own.start, own.end):
            chosen.append(instance)
    return chosen


def _span_overlaps(
    found: CalendarObject, component: Component, wanted: TimeRange, zone: tzinfo | None
) -> bool:
    """VFREEBUSY: its own bounds, else its periods (§9.9); VAVAILABILITY may have none, and is always."""
    span = component_span(found, component)
    if span is not None and span[0] < span[1]:
        return span[0] < wanted.end and span[1] > wanted.start
    if component.name == "VAVAILABILITY":
        return span is None or span[0] < wanted.end
    return any(
        low < wanted.end and high > wanted.start for low, high, _ in free_busy_periods(found, component)
    )


def free_busy_periods(found: CalendarObject, component: Component) -> list[tuple[int, int, str]]:
    """The FREEBUSY periods of a VFREEBUSY with their FBTYPE; those that cannot be read are left out."""
    periods = []
    for line in component.all("FREEBUSY"):
        kind = parameters(line[1]).get("FBTYPE", ["BUSY"])[0].upper()
        for value in line[2].split(","):
            start, _, end = value.strip().partition("/")
            try:
                low = found.moment(line, start)
                if end[:1] in ("P", "+", "-"):
                    high = parse_duration(end).after(low.local, low.zone)
                else:
                    high = found.moment(line, end).micros
            except (Malformed, ValueError):
                continue
            periods.append((low.micros, high, kind))
    return periods


def _todo_overlaps(found: CalendarObject, todo: Component, wanted: TimeRange, zone: tzinfo | None) -> bool:
    """The table of §9.9 for VTODO."""
    if is_floating(found, todo):
        wanted = local_range(wanted, zone)
    start, end = wanted.start, wanted.end
    dtstart, due = _time(found, todo, "DTSTART"), _time(found, todo, "DUE")
    if dtstart is not None and due is None and todo.first("DURATION") is not None:
        span = component_span(found, todo)
        assert span is not None
        return start <= span[1] and (end > span[0] or end >= span[1])
    if dtstart is not None and due is not None:
        return (start < due or start <= dtstart) and (end > dtstart or end >= due)
    if dtstart is not None:
        return start <= dtstart < end
    if due is not None:
        return start < due <= end
    completed, created = _time(found, todo, "COMPLETED"), _time(found, todo, "CREATED")
    if completed is not None and created is not None:
        return (start <= created or start <= completed) and (end >= created or end >= completed)
    if completed is not None:
        return start <= completed <= end
    return created is None or end > created


def _time(found: CalendarObject, component: Component, name: str) -> int | None:
    line = component.first(name)
    try:
        return None if line is None else found.moment(line).micros
    except Malformed:
        return None  # COMPLETED and CREATED are not checked when an object is stored


def _alarm_rings(
    found: CalendarObject, parent: Component, alarm: Component, wanted: TimeRange, zone: tzinfo | None
) -> bool:
    """§9.9 VALARM: one of its times, repetitions included, lies in the range."""
    trigger = alarm.first("TRIGGER")
    if trigger is None:
        return False
    rings = [] if parent.name not in ("VEVENT", "VTODO") else _rings(found, parent, trigger, wanted, zone)
    repeats = _repeats(alarm)
    return any(wanted.start <= ring + offset < wanted.end for ring in rings for offset in repeats)


def _rings(
    found: CalendarObject, parent: Component, trigger: ContentLine, wanted: TimeRange, zone: tzinfo | None
) -> list[int]:
    given = parameters(trigger[1])
    try:
        if given.get("VALUE", [""])[0].upper() == "DATE-TIME":
            return [found.moment(trigger).micros]
        duration = parse_duration(trigger[2])
    except (Malformed, ValueError):
        return []
    at_end = given.get("RELATED", [""])[0].upper() == "END" or parent.first("DTSTART") is None
    around = TimeRange(wanted.start - ALARM_REACH, wanted.end + ALARM_REACH)
    moments = []
    for instance in instances(found, around, zone):
        if instance.component is parent:
            moment = instance.ends if at_end else instance.starts
            if zone is not None and is_floating(found, parent):
                moment = to_micros(from_micros(moment), zone)
            moments.append(duration.after(from_micros(moment), None))
    return moments


def _repeats(alarm: Component) -> list[int]:
    count, duration = alarm.value("REPEAT"), alarm.first("DURATION")
    if not count.isdecimal() or duration is None:
        return [0]
    try:
        step = parse_duration(duration[2]).after(from_micros(0), None)
    except ValueError:
        return [0]
    times = int(count) if len(count) < 4 else MOST_REPEATS  # `int` takes no text of any length
    return [step * number for number in range(min(times, MOST_REPEATS) + 1)]
