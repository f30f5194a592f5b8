# SPDX-License-Identifier: Apache-2.0
"""The recurrence set of a calendar object (RFC 5545 §3.8.5): rules, RDATE, EXDATE, overrides.

`expand` answers with the instances that overlap a window, in order of start, at most `limit` of them
and after looking at no more than `STEPS` periods; what it could not finish it says in `until`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from heapq import merge
from typing import NamedTuple

from armgs_server.formats.contentline import ContentLine
from armgs_server.formats.icalendar import CalendarObject, Component, Malformed
from armgs_server.formats.icalendar_values import EPOCH, Duration, Moment, parse_duration, to_micros
from armgs_server.formats.recurrence_periods import Budget, Exhausted, occurrences
from armgs_server.formats.recurrence_rule import parse as parse_rule

STEPS = 20_000  # about 20 ms of looking for instances that are not there; a daily rule of 54 years
SECOND = 1_000_000
DAY = 86_400 * SECOND
_MARGIN = timedelta(days=1)  # more than any two zones, or two offsets of one zone, differ


class Instance(NamedTuple):
    starts: int  # microseconds since 1970 UTC, floating times taken as UTC
    ends: int
    recurrence_id: Moment | None  # None for a component that does not recur
    component: Component


@dataclass(frozen=True, slots=True)
class Expansion:
    instances: list[Instance]
    until: int | None  # complete only for what starts before this; None = complete for the window


def expand(found: CalendarObject, start: int, end: int, *, limit: int) -> Expansion:
    """The instances that overlap [start, end) by RFC 4791 §9.9."""
    instances = [
        instance
        for override in found.overrides
        if (instance := _override(found, override)) is not None and overlaps(instance, start, end)
    ]
    until = None
    if found.master is not None:
        try:
            for instance in _recurrences(found, found.master, start, end):
                if instance.starts >= end:
                    break
                if overlaps(instance, start, end):
                    if len(instances) >= limit:
                        until = instance.starts
                        break
                    instances.append(instance)
        except Exhausted:
            until = max((instance.starts for instance in instances), default=start) + 1
    instances.sort(key=lambda instance: (instance.starts, instance.ends))
    return Expansion(instances, until)


def overlaps(instance: Instance, start: int, end: int) -> bool:
    # RFC 4791 §9.9: an instance without duration counts where it begins.
    return instance.starts < end and (instance.ends > start or instance.starts >= start)


def bounds(found: CalendarObject) -> tuple[int | None, int | None]:
    """The first start and the last end over all instances; None = no date, or for ever."""
    spans = [span for member in found.members if (span := component_span(found, member)) is not None]
    if not spans:
        return None, None
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    master = found.master
    if master is None:
        return first, last
    for line in master.all("RDATE"):
        for moment, duration in _rdates(found, line):
            first = min(first, moment.micros)
            last = max(last, duration if duration is not None else moment.micros + last - first)
    for line in master.all("RRULE"):
        rule = parse_rule(line[2])
        if rule.until is None:
            return first, None
        last = max(last, to_micros(rule.until.local, None) + DAY + spans[0][1] - spans[0][0])
    return first, last


def component_span(found: CalendarObject, component: Component) -> tuple[int, int] | None:
    """Start and end of one component as it stands; None when it has no date at all."""
    start = component.first("DTSTART")
    if start is None:
        due = component.first("DUE")
        if due is None:
            return None
        moment = found.moment(due)
        return moment.micros, moment.micros
    moment = found.moment(start)
    return moment.micros, _end(found, component, moment)


def _end(found: CalendarObject, component: Component, start: Moment) -> int:
    line = component.first("DTEND") or component.first("DUE")
    if line is not None:
        end = found.moment(line)
        if end.is_date != start.is_date and end.zone is None:
            end = Moment(end.local, start.zone, end.is_date)
        return max(end.micros, start.micros)  # COMPAT an end before the start
    line = component.first("DURATION")
    if line is not None:
        return max(_duration(line).after(start.local, start.zone), start.micros)
    # RFC 5545 §3.6.1: a date lasts the day; a time, no time.
    return start.micros + DAY if start.is_date and component.name != "VTODO" else start.micros


def _duration(line: ContentLine) -> Duration:
    try:
        return parse_duration(line[2])
    except ValueError as error:
        raise Malformed("DURATION", line) from error


def _override(found: CalendarObject, component: Component) -> Instance | None:
    line = component.first("RECURRENCE-ID")
    assert line is not None
    span = component_span(found, component)
    return span and Instance(*span, found.moment(line), component)


def _recurrences(found: CalendarObject, master: Component, start: int, end: int) -> Iterator[Instance]:
    """The master's instances that no override replaces, from a little before `start`, in order."""
    anchor = master.first("DTSTART") or master.first("DUE")
    if anchor is None:
        return
    first = found.moment(anchor)
    span = component_span(found, master)
    assert span is not None
    if not found.is_recurring:
        yield Instance(*span, None, master)
        return
    exact = span[1] - span[0]
    nominal = master.first("DURATION") if master.first("DTEND") is None else None
    shifts = _shifts(found)
    reach = max([exact] + [abs(shift) + length for _, shift, length, _ in shifts])
    after = from_micros(start - reach) - _MARGIN
    before = from_micros(end + max([0] + [abs(shift) for _, shift, _, _ in shifts])) + _MARGIN
    excluded, excluded_days = _exdates(found, master)
    replaced = {found.moment(line).micros for part in found.overrides for line in part.all("RECURRENCE-ID")}
    previous = None
    for local, fixed_end in _candidates(found, master, first, after, before):
        starts = to_micros(local, first.zone)
        if starts == previous or starts in replaced or starts in excluded or local.date() in excluded_days:
            continue
        previous = starts
        if fixed_end is not None:
            ends = fixed_end
        elif nominal is not None:
            ends = max(starts, _duration(nominal).after(local, first.zone))
        else:
            ends = starts + exact
        component, identity = master, Moment(local, first.zone, first.is_date)
        index = bisect_right(shifts, starts, key=lambda shift: shift[0])
        if index:
            _, shift, length, component = shifts[index - 1]
            starts += shift
            ends = starts + length
        yield Instance(starts, ends, identity, component)


def _shifts(found: CalendarObject) -> list[tuple[int, int, int, Component]]:
    """RANGE=THISANDFUTURE overrides (RFC 5545 §3.2.13): since when, moved by, new length."""
    shifts = []
    for override in found.overrides:
        for line in override.all("RECURRENCE-ID"):
            span = component_span(found, override)
            if "THISANDFUTURE" in line[1].upper() and span is not None:
                since = found.moment(line).micros
                shifts.append((since, span[0] - since, span[1] - span[0], override))
    return sorted(shifts, key=lambda shift: shift[0])


def _candidates(
    found: CalendarObject, master: Component, first: Moment, after: datetime, before: datetime
) -> Iterator[tuple[datetime, int | None]]:
    """Local starts in order, of the rules and RDATEs together; with an end of its own for a PERIOD."""
    budget = Budget(STEPS)
    sources: list[Iterator[tuple[datetime, int | None]]] = []
    for line in master.all("RRULE"):
        sources.append(_ruled(line[2], first, after, before, budget))
    extra: list[tuple[datetime, int | None]] = [(first.local, None)]
    for line in master.all("RDATE"):
        for moment, end in _rdates(found, line):
            # Kept in DTSTART's zone, so that all local times compare.
            local = moment.local if moment.zone is first.zone else in_zone(moment.micros, first.zone)
            extra.append((local, end))
    # A PERIOD goes before a plain time, so that its end counts.
    extra.sort(key=lambda candidate: (candidate[0], candidate[1] is None))
    banned: set[datetime] = set()
    for line in master.all("EXRULE"):
        banned.update(local for local, _ in _ruled(line[2], first, after, before, budget))
    for local, end in merge(iter(extra), *sources, key=lambda candidate: candidate[0]):
        if local not in banned:
            yield local, end


def _ruled(
    text: str, first: Moment, after: datetime, before: datetime, budget: Budget
) -> Iterator[tuple[datetime, int | None]]:
    rule = parse_rule(text)
    until = rule.until
    for local in occurrences(rule, first.local, after, before, budget):
        if until is not None:
            # RFC 5545 §3.3.10: UNTIL is in UTC where DTSTART has a zone, local where it has none.
            zoned = until.is_utc and first.zone is not None
            reached = EPOCH + timedelta(microseconds=to_micros(local, first.zone)) if zoned else local
            if reached > until.local:
                return
        yield local, None


def _rdates(found: CalendarObject, line: ContentLine) -> Iterator[tuple[Moment, int | None]]:
    """Each time of an RDATE, and the end of a PERIOD (RFC 5545 §3.3.9)."""
    for value in line[2].split(","):
        if not value.strip():
            continue
        text, slash, ending = value.partition("/")
        moment = found.moment(line, text)
        if not slash:
            yield moment, None
        elif ending.strip()[:1] in "+-Pp":
            yield moment, _duration((line[0], line[1], ending)).after(moment.local, moment.zone)
        else:
            yield moment, found.moment(line, ending).micros


def _exdates(found: CalendarObject, master: Component) -> tuple[set[int], set[object]]:
    """Excluded moments, and excluded days (COMPAT Outlook: EXDATE as DATE where DTSTART has a time)."""
    start = master.first("DTSTART")
    timed = start is not None and not found.moment(start).is_date
    moments: set[int] = set()
    days: set[object] = set()
    for line in master.all("EXDATE"):
        for value in line[2].split(","):
            if value.strip():
                moment = found.moment(line, value.split("/")[0])
                if moment.is_date and timed:
                    days.add(moment.local.date())
                else:
                    moments.add(moment.micros)
    return moments, days


def from_micros(micros: int) -> datetime:
    """UTC without a zone, held within the years that datetime knows with room for a day's margin."""
    return EPOCH + timedelta(microseconds=min(max(micros, _FIRST), _LAST))


_FIRST = to_micros(datetime(2, 1, 1), None)
_LAST = to_micros(datetime(9990, 1, 1), None)


def in_zone(micros: int, zone: tzinfo | None) -> datetime:
    """The local time of a moment."""
    moment = from_micros(micros)
    if zone is None or zone is UTC:
        return moment
    # Two rounds settle the offset except within the hour that a change skips or repeats.
    local = moment
    for _ in range(2):
        offset = local.replace(tzinfo=zone).utcoffset()
        assert offset is not None
        local = moment + offset
    return local
