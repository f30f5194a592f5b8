# SPDX-License-Identifier: Apache-2.0
"""Rooms and equipment answer for themselves, in the transaction that holds their account.

So two hosts that ask at the same moment are answered one after the other, and the second is declined.
What a room's directory entry may say in its `data`:

    bookers   who may book it: numbers of principals, groups among them; left out: everybody
    managers  who approves, and books without being asked: numbers of principals
    approval  true: a booking is TENTATIVE until a manager accepts it in the room's calendar
    buffer    minutes kept free before and after
    horizon   days ahead that may be booked
    hours     {"days": "MO,TU,WE,TH,FR", "from": "08:00", "until": "20:00", "zone": "Europe/Moscow"}
    features  texts; with `capacity` they are for who looks for a room
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from armgs_server.directory import lookup
from armgs_server.directory.model import Principal
from armgs_server.formats import timezones
from armgs_server.formats.contentline import escape
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.icalendar_values import EPOCH
from armgs_server.formats.itip import Message, replaced, with_line, without
from armgs_server.formats.recurrence import DAY, in_zone
from armgs_server.storage import calindex, clock, collections
from armgs_server.storage.calindex import Window
from armgs_server.storage.tx import Tx

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
ALTERNATIVES = 3  # named in a refusal
CANDIDATES = 50  # rooms looked at for them
MINUTE = clock.MINUTE
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a room answers, and why."""

    partstat: str
    comment: str = ""


def spans(found: CalendarObject) -> list[Span]:
    """The times an object takes, as far as the index expands it."""
    return [(row[0], row[1]) for row in calindex.entry(found).instances]


async def decide(tx: Tx, room: Principal, organizer: Principal | None, found: CalendarObject) -> Decision:
    """The answer to a request; the room's account is held."""
    wanted = spans(found)
    managers = numbers(room.data.get("managers"))
    groups = await lookup.groups_of(tx, organizer) if organizer is not None else frozenset[int]()
    is_manager = bool(groups & managers)
    bookers = numbers(room.data.get("bookers"))
    if bookers and not groups & bookers and not is_manager:
        return Decision("DECLINED", "Бронировать могут не все (not open to you).")
    horizon = room.data.get("horizon")
    if isinstance(horizon, int) and any(end > clock.now() + horizon * DAY for _, end in wanted):
        return Decision("DECLINED", f"Бронь не далее чем за {horizon} дн. (too far ahead).")
    if not all(_is_open(room.data.get("hours"), span) for span in wanted):
        return Decision("DECLINED", "Вне часов работы (outside opening hours).")
    taken = await conflict(tx, room, wanted, found.uid)
    if taken is not None:
        free = await _alternatives(tx, room, wanted, found.uid)
        others = f" Свободны (free): {', '.join(free)}." if free else ""
        return Decision("DECLINED", f"Занято (busy): {_text(taken)}.{others}")
    if room.data.get("approval") and not is_manager:
        return Decision("TENTATIVE", "Ждёт подтверждения (waiting for approval).")
    return Decision("ACCEPTED")


def opaque(found: CalendarObject) -> CalendarObject:
    """A room is taken, however little the meeting takes its host's time."""
    return replaced(found, [without(member, "TRANSP") for member in found.members])


def commented(reply: Message, comment: str) -> Message:
    """A room's answer with why."""
    if not comment:
        return reply
    line = ("COMMENT", "", escape(comment))
    parts = [
        with_line(part, line) if part.name != "VTIMEZONE" else part for part in reply.calendar.components
    ]
    made = Component(reply.calendar.name, reply.calendar.begin, reply.calendar.properties, parts)
    return Message(reply.method, reply.sender, reply.recipient, made)


def numbers(value: Any) -> frozenset[int]:
    """Principals named in a room's data."""
    return (
        frozenset(each for each in value if isinstance(each, int)) if isinstance(value, list) else frozenset()
    )


async def conflict(tx: Tx, room: Principal, wanted: list[Span], ical_uid: str) -> Span | None:
    """The first of the wanted times at which something else takes the room, its buffer included."""
    if not wanted:
        return None
    minutes = room.data.get("buffer")
    buffer = minutes * MINUTE if isinstance(minutes, int) else 0
    low, high = min(span[0] for span in wanted) - buffer, max(span[1] for span in wanted) + buffer
    busy: list[Span] = []
    for calendar in await collections.children(tx, room.id, 0, "calendar"):
        own = await tx.value(
            "SELECT uid FROM event WHERE owner = ? AND collection = ? AND ical_uid = ?",
            room.id,
            calendar.id,
            ical_uid,
        )
        rows = await calindex.busy(tx, room.id, calendar.id, Window(low, high + 1, low, high + 1))
        busy += [(row[1], row[2]) for row in rows if row[0] != own and row[3] != "FREE"]
    return _first_overlap(wanted, busy, buffer)


def _first_overlap(wanted: Iterable[Span], busy: Iterable[Span], buffer: int) -> Span | None:
    """Both in order of start, walked once."""
    ordered = sorted(busy)
    at = 0
    longest = max((end - start for start, end in ordered), default=0)
    for start, end in sorted(wanted):
        low, high = start - buffer, max(end, start + 1) + buffer
        while at < len(ordered) and ordered[at][0] + longest <= low:
            at += 1
        for other in ordered[at:]:
            if other[0] >= high:
                break
            if other[1] > low:
                return start, end
    return None


def _is_open(hours: Any, span: Span) -> bool:
    if not isinstance(hours, dict):
        return True
    zone = timezones.named(str(hours.get("zone", "UTC")))
    start, end = in_zone(span[0], zone), in_zone(span[1], zone)
    days = str(hours.get("days", ",".join(WEEKDAYS))).upper().split(",")
    opens, closes = str(hours.get("from", "00:00")), str(hours.get("until", "24:00"))
    last = end - timedelta(microseconds=1)
    if start.date() != last.date() and end > start:
        return False
    ends = "24:00" if end.date() != start.date() else f"{end:%H:%M}"
    return WEEKDAYS[start.weekday()] in days and opens <= f"{start:%H:%M}" and ends <= closes


async def _alternatives(tx: Tx, room: Principal, wanted: list[Span], ical_uid: str) -> list[str]:
    """Other rooms of the department that are free at all of the times, the ones of a like size first."""
    size = _capacity(room)
    others = [
        each
        for each in await lookup.of_kind(tx, room.department, room.kind)
        if each.id != room.id and not each.disabled and not each.data.get("bookers")
    ]
    others.sort(key=lambda each: (_capacity(each) < size, abs(_capacity(each) - size)))
    names: list[str] = []
    for other in others[:CANDIDATES]:
        if len(names) < ALTERNATIVES and await conflict(tx, other, wanted, ical_uid) is None:
            names.append(other.name or other.address)
    return names


def _capacity(room: Principal) -> int:
    value = room.data.get("capacity")
    return value if isinstance(value, int) else 0


def _text(span: Span) -> str:
    return f"{EPOCH + timedelta(microseconds=span[0]):%Y-%m-%d %H:%M} UTC"
