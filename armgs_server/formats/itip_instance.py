# SPDX-License-Identifier: Apache-2.0
"""Single instances of a recurring object: derived from the master, excluded from it (RFC 5545 §3.8.4.4)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, timedelta

from armgs_server.formats.contentline import ContentLine
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.icalendar_values import EPOCH, Moment
from armgs_server.formats.recurrence import expand, in_zone

_RULES = frozenset(("RRULE", "RDATE", "EXDATE", "EXRULE"))
SEARCH_LIMIT = 1000  # instances that begin in the very microsecond: one, or the object is strange


def time_line(name: str, like: ContentLine, moment: Moment, micros: int) -> ContentLine:
    """A date or time in the form of another property: the same zone, UTC, floating, or a date."""
    local = EPOCH + timedelta(microseconds=micros) if moment.zone is UTC else in_zone(micros, moment.zone)
    if moment.is_date:
        return name, like[1], f"{local:%Y%m%d}"
    return name, like[1], f"{local:%Y%m%dT%H%M%S}" + ("Z" if moment.zone is UTC else "")


def has_instance(found: CalendarObject, micros: int) -> bool:
    """Whether the recurrence set has an instance that begins (or would have begun) then."""
    expansion = expand(found, micros, micros + 1, limit=SEARCH_LIMIT)
    return any(
        instance.recurrence_id is not None and instance.recurrence_id.micros == micros
        for instance in expansion.instances
    )


def derive(found: CalendarObject, micros: int) -> Component | None:
    """An override for one instance that is as the master has it; None where there is no such instance."""
    master = found.master
    start = None if master is None else master.first("DTSTART") or master.first("DUE")
    if master is None or start is None or not has_instance(found, micros):
        return None
    anchor = found.moment(start)
    shift = micros - anchor.micros
    lines: list[ContentLine] = []
    for line in master.properties:
        if line[0] in _RULES:
            continue
        if line[0] in ("DTSTART", "DTEND", "DUE"):
            moment = found.moment(line)
            line = time_line(line[0], line, moment, moment.micros + shift)
        lines.append(line)
    lines.append(time_line("RECURRENCE-ID", start, anchor, micros))
    return Component(master.name, master.begin, lines, list(master.components))


def exclude(found: CalendarObject, master: Component, micros: int) -> Component:
    """A master with one more EXDATE."""
    start = master.first("DTSTART") or master.first("DUE")
    if start is None or micros in exclusions(found, master):
        return master
    line = time_line("EXDATE", start, found.moment(start), micros)
    return Component(master.name, master.begin, [*master.properties, line], master.components)


def include(found: CalendarObject, master: Component, moments: Collection[int | None]) -> Component:
    """A master without the EXDATEs of some moments."""
    if not moments:
        return master
    lines: list[ContentLine] = []
    for line in master.properties:
        if line[0] == "EXDATE":
            values = [each for each in line[2].split(",") if found.moment(line, each).micros not in moments]
            if not values:
                continue
            line = line[0], line[1], ",".join(values)
        lines.append(line)
    return Component(master.name, master.begin, lines, master.components)


def exclusions(found: CalendarObject, master: Component | None) -> set[int]:
    """The moments of all EXDATEs."""
    if master is None:
        return set()
    return {
        found.moment(line, value).micros
        for line in master.all("EXDATE")
        for value in line[2].split(",")
        if value.strip()
    }
