# SPDX-License-Identifier: Apache-2.0
"""Index of calendar objects: one `event` row each, and an `instance` row for each time it takes place.

Recurring objects are expanded when they are stored, from a year back to two years ahead, and
`calindex_window` moves that window along; `in_range` names those whose instances outside of it somebody
asks for, and the asker expands them himself. So a month is a range scan, and no answer ever misses one.
Floating times lie in the table as if they were UTC, marked: they are compared with the range as the local
clock shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from armgs_server.errors import AlreadyExists
from armgs_server.formats.icalendar import CalendarObject, Component
from armgs_server.formats.recurrence import DAY, Instance, bounds, component_span, expand
from armgs_server.storage import clock
from armgs_server.storage.items import IN_LIMIT, Item
from armgs_server.storage.tx import Row, Tx

EXPAND_BACK = 366 * DAY
EXPAND_AHEAD = 731 * DAY
MAX_INSTANCES = 2000  # rows for one object; the rest is expanded on demand
SUMMARY_LENGTH = 250  # characters kept for listings
LONG = 2 * DAY  # as in the schema's index instance_long
Test = Callable[[Component], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index keeps of one object; made outside the transaction."""

    component: str
    ical_uid: str
    summary: str
    starts: int | None
    ends: int | None
    recurring: int
    expanded_from: int | None
    expanded: int | None
    instances: tuple[tuple[int, int, str, int], ...]  # starts, ends, busy, floating


@dataclass(frozen=True, slots=True)
class Window:
    """A time range: in UTC, and as the clock of the floating times' zone shows it."""

    start: int
    end: int
    local_start: int
    local_end: int

    @property
    def lowest(self) -> int:
        return min(self.start, self.local_start)

    @property
    def highest(self) -> int:
        return max(self.end, self.local_end)

    def overlaps(self, starts: int, ends: int, floating: int) -> bool:
        start, end = (self.local_start, self.local_end) if floating else (self.start, self.end)
        # RFC 4791 §9.9: an instance without duration counts where it begins.
        return starts < end and (ends > start or starts >= start)


@dataclass(frozen=True, slots=True)
class Found:
    """Uids with an instance in the range, and those that must be read to know."""

    uids: list[int]
    unknown: list[int]


def entry(found: CalendarObject, now: int | None = None, is_free: Test | None = None) -> Entry:
    """Reads an object for the index; members for which `is_free` holds take no time."""
    shown = found.master or found.overrides[0]
    summary = shown.text("SUMMARY")[:SUMMARY_LENGTH]
    if not found.is_recurring:
        span = component_span(found, shown)
        if span is None:
            return Entry(found.kind, found.uid, summary, None, None, 0, None, None, ())
        rows = _rows(found, (Instance(*span, None, shown),), is_free)
        return Entry(found.kind, found.uid, summary, *span, 0, None, None, rows)
    now = clock.now() if now is None else now
    low, high = now - EXPAND_BACK, now + EXPAND_AHEAD
    first, last = bounds(found)
    if first is not None and last is not None and low <= first and last < high:
        low, high = first, last + 1
    expansion = expand(found, low, high, limit=MAX_INSTANCES)
    high = expansion.until or high
    whole = first is None or (first >= low and last is not None and last < high)
    rows = _rows(found, expansion.instances, is_free)
    if whole:
        return Entry(found.kind, found.uid, summary, first, last, 1, None, None, rows)
    return Entry(found.kind, found.uid, summary, first, last, 1, low, high, rows)


def _rows(
    found: CalendarObject, instances: Iterable[Instance], is_free: Test | None
) -> tuple[tuple[int, int, str, int], ...]:
    kinds: dict[int, tuple[str, int]] = {}  # by component, of which there are few
    rows = []
    for starts, ends, _, component in instances:
        kind = kinds.get(id(component))
        if kind is None:
            line = component.first("DTSTART") or component.first("DUE")
            floating = line is not None and found.moment(line).zone is None
            busy = "FREE" if is_free is not None and is_free(component) else busy_type(component)
            kind = kinds[id(component)] = busy, int(floating)
        rows.append((starts, ends, *kind))
    return tuple(rows)


def busy_type(component: Component) -> str:
    """FBTYPE of an event (RFC 4791 §7.10), FREE for one that takes no time."""
    status = component.value("STATUS")
    if component.name != "VEVENT" or status == "CANCELLED" or component.value("TRANSP") == "TRANSPARENT":
        return "FREE"
    return "BUSY-TENTATIVE" if status == "TENTATIVE" else "BUSY"


async def put(tx: Tx, item: Item, made: Entry) -> None:
    """The rows of an item that was added or replaced.

    AlreadyExists when another item of the collection has its UID, or this one had another before.
    """
    key = (item.owner, item.collection, item.uid)
    rows = await tx.rows(
        "SELECT uid, ical_uid FROM event WHERE owner = ? AND collection = ? AND uid = ?"
        " UNION ALL SELECT uid, ical_uid FROM event WHERE owner = ? AND collection = ? AND ical_uid = ?",
        *key,
        item.owner,
        item.collection,
        made.ical_uid,
    )
    if any(row != (item.uid, made.ical_uid) for row in rows):
        raise AlreadyExists(
            "the UID belongs to another object of the calendar, or the object had another UID"
        )
    if rows:
        await tx.execute("DELETE FROM instance WHERE owner = ? AND collection = ? AND uid = ?", *key)
    await tx.execute(
        "INSERT INTO event (owner, collection, uid, component, ical_uid, summary, starts, ends, recurring,"
        " expanded_from, expanded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, collection, uid) DO UPDATE SET component = excluded.component,"
        " ical_uid = excluded.ical_uid, summary = excluded.summary, starts = excluded.starts,"
        " ends = excluded.ends, recurring = excluded.recurring, expanded_from = excluded.expanded_from,"
        " expanded = excluded.expanded",
        *key,
        made.component,
        made.ical_uid,
        made.summary,
        made.starts,
        made.ends,
        made.recurring,
        made.expanded_from,
        made.expanded,
    )
    await tx.executemany(
        "INSERT INTO instance (owner, collection, uid, starts, ends, busy, floating)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(*key, *row) for row in made.instances],
    )


async def name_of_holder(tx: Tx, owner: int, collection: int, ical_uid: str) -> str | None:
    """The name of the item that has this UID."""
    found: str | None = await tx.value(
        "SELECT name FROM event JOIN item USING (owner, collection, uid)"
        " WHERE owner = ? AND collection = ? AND ical_uid = ?",
        owner,
        collection,
        ical_uid,
    )
    return found


async def of_component(tx: Tx, owner: int, collection: int, component: str) -> list[int]:
    """All items of a component type, in the order of uids."""
    rows = await tx.rows(
        "SELECT uid FROM event WHERE owner = ? AND collection = ? AND component = ? ORDER BY uid",
        owner,
        collection,
        component,
    )
    return [row[0] for row in rows]


async def only(tx: Tx, owner: int, collection: int, component: str, uids: list[int]) -> list[int]:
    """Those of the uids that are of a component type."""
    found: list[int] = []
    for start in range(0, len(uids), IN_LIMIT):
        part = uids[start : start + IN_LIMIT]
        rows = await tx.rows(
            "SELECT uid FROM event WHERE owner = ? AND collection = ? AND component = ?"
            f" AND uid IN ({', '.join('?' * len(part))}) ORDER BY uid",
            owner,
            collection,
            component,
            *part,
        )
        found += (row[0] for row in rows)
    return found


async def in_range(tx: Tx, owner: int, collection: int, window: Window) -> Found:
    """Which items have an instance in a window; of those without dates nothing is known."""
    uids = {row[0] for row in await busy(tx, owner, collection, window)}
    unknown = await not_expanded(tx, owner, collection, window)
    return Found(sorted(uids), [uid for uid in unknown if uid not in uids])


async def not_expanded(tx: Tx, owner: int, collection: int, window: Window) -> list[int]:
    """The items that may have instances in a window which are not in the table."""
    rows = await tx.rows(
        "SELECT uid FROM event WHERE owner = ? AND collection = ? AND expanded_from > ? AND starts < ?"
        " UNION SELECT uid FROM event WHERE owner = ? AND collection = ? AND expanded < ?"
        " AND (ends IS NULL OR ends > ?) AND starts < ?"
        " UNION SELECT uid FROM event WHERE owner = ? AND collection = ? AND starts IS NULL ORDER BY 1",
        owner,
        collection,
        window.lowest,
        window.highest,
        owner,
        collection,
        window.highest,
        window.lowest,
        window.highest,
        owner,
        collection,
    )
    return [row[0] for row in rows]


async def busy(tx: Tx, owner: int, collection: int, window: Window) -> list[Row]:
    """The instance rows that overlap a window: uid, starts, ends, busy, floating."""
    # "starts + 0" keeps SQLite from choosing instance_range where instance_long is right.
    rows = await tx.rows(
        "SELECT uid, starts, ends, busy, floating FROM instance WHERE owner = ? AND collection = ?"
        f" AND starts >= ? AND starts < ? AND (ends > ? OR starts >= ?) AND ends - starts <= {LONG}"
        " UNION ALL SELECT uid, starts, ends, busy, floating FROM instance"
        f" WHERE owner = ? AND collection = ? AND ends - starts > {LONG} AND ends > ? AND starts + 0 < ?",
        owner,
        collection,
        window.lowest - LONG,
        window.highest,
        window.lowest,
        window.lowest,
        owner,
        collection,
        window.lowest,
        window.highest,
    )
    if (window.start, window.end) == (window.local_start, window.local_end):
        return rows  # floating times are in UTC too: the query has said it all
    overlaps = window.overlaps
    return [row for row in rows if overlaps(row[1], row[2], row[4])]
