# SPDX-License-Identifier: Apache-2.0
"""VAVAILABILITY (RFC 7953): when somebody is not to be invited, as busy periods.

A component covers its own time with its BUSYTYPE, but for the times its AVAILABLE parts leave open; where
several cover the same time, the one of the highest PRIORITY counts (§4).
"""

from __future__ import annotations

from collections.abc import Iterable

from armgs_server.errors import Invalid
from armgs_server.formats.contentline import scan
from armgs_server.formats.icalendar import CalendarObject, Component, Malformed, parse
from armgs_server.formats.icalendar_values import parse_duration
from armgs_server.formats.recurrence import expand

Period = tuple[int, int, str]  # start, end, FBTYPE or "" for open
MAX_INSTANCES = 5000  # of the AVAILABLE parts within one question
LOWEST = 10  # PRIORITY 0 or none comes after 9


def parse_availability(text: str) -> Component:
    """The VCALENDAR of a calendar-availability property; Invalid."""
    try:
        tops = parse(scan(text.strip().encode()))
    except Malformed as error:
        raise Invalid(str(error)) from error
    found = [part for top in tops for part in top.components if part.name == "VAVAILABILITY"]
    if len(tops) != 1 or tops[0].name != "VCALENDAR" or not found:
        raise Invalid("one VCALENDAR with VAVAILABILITY expected")
    for component in found:
        _spans(tops[0], component, 0, 1)  # whatever cannot be read is refused now, not when somebody asks
    return tops[0]


def unavailable(texts: Iterable[str], start: int, end: int) -> list[Period]:
    """The periods of a range in which somebody is not available, by all that is said together; Invalid."""
    found = [
        (calendar, part)
        for calendar in map(parse_availability, texts)
        for part in calendar.components
        if part.name == "VAVAILABILITY"
    ]
    found.sort(key=lambda each: _priority(each[1]), reverse=True)  # the lowest first: others are laid over it
    covered: list[Period] = []
    for calendar, component in found:
        whole, opened = _spans(calendar, component, start, end)
        if whole[0] >= whole[1]:
            continue
        kind = component.value("BUSYTYPE") or "BUSY-UNAVAILABLE"
        covered = _overlay(covered, (*whole, kind))
        for low, high in opened:
            low, high = max(low, whole[0]), min(high, whole[1])
            if low < high:
                covered = _overlay(covered, (low, high, ""))
    return sorted(period for period in covered if period[2])


def _priority(component: Component) -> int:
    value = component.value("PRIORITY")
    return int(value) if value.isdecimal() and value.isascii() and 0 < int(value[:3]) < LOWEST else LOWEST


def _spans(
    calendar: Component, component: Component, start: int, end: int
) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """What a component covers within the range, and what it leaves open."""
    try:
        whole = CalendarObject(calendar, "VAVAILABILITY", "", [component])
        low, high = start, end
        first, last = component.first("DTSTART"), component.first("DTEND")
        if first is not None:
            low = max(low, whole.moment(first).micros)
        length = component.first("DURATION")  # §3.1: instead of DTEND
        if last is not None:
            high = min(high, whole.moment(last).micros)
        elif first is not None and length is not None:
            begin = whole.moment(first)
            high = min(high, parse_duration(length[2]).after(begin.local, begin.zone))
        opened: list[tuple[int, int]] = []
        parts: dict[str, list[Component]] = {}
        for part in component.components:
            if part.name == "AVAILABLE":
                event = Component("VEVENT", part.begin, part.properties)
                parts.setdefault(part.text("UID"), []).append(event)
        for uid, members in parts.items():
            found = CalendarObject(calendar, "VEVENT", uid, members)
            instances = expand(found, start, end, limit=MAX_INSTANCES).instances
            opened += [(instance.starts, instance.ends) for instance in instances]
    except (Malformed, ValueError) as error:  # a rule that is none is a ValueError
        raise Invalid(str(error)) from error
    return (low, high), opened


def _overlay(covered: list[Period], new: Period) -> list[Period]:
    """The periods with a new one over them."""
    made = [new]
    for low, high, kind in covered:
        if low < new[0]:
            made.append((low, min(high, new[0]), kind))
        if high > new[1]:
            made.append((max(low, new[1]), high, kind))
    return made
