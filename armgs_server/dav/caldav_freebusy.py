# SPDX-License-Identifier: Apache-2.0
"""free-busy-query (RFC 4791 §7.10): when somebody is busy, without saying with what."""

from collections.abc import Iterable
from datetime import tzinfo

from armgs_server.dav.caldav_data import utc_text
from armgs_server.dav.caldav_properties import collection_zone, components_of
from armgs_server.dav.caldav_query import window_of
from armgs_server.dav.call import Call
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError
from armgs_server.dav.filter_times import free_busy_periods, instances, is_floating
from armgs_server.dav.filters import FIRST, LAST, TimeRange, parse_range
from armgs_server.dav.member_data import as_resources, read_data
from armgs_server.dav.names import CALDAV
from armgs_server.dav.resources import CollectionResource
from armgs_server.dav.xml import Element
from armgs_server.directory.access import Rights
from armgs_server.errors import Invalid
from armgs_server.formats.availability import parse_availability, unavailable
from armgs_server.formats.contentline import ContentLine, serialise
from armgs_server.formats.icalendar import check
from armgs_server.formats.icalendar_values import to_micros
from armgs_server.formats.recurrence import DAY, from_micros
from armgs_server.net.http import Response
from armgs_server.storage import calindex, clock, members
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

PRODID = "-//armgs_server//CalDAV//EN"
MAX_AVAILABILITIES = 100  # objects of one calendar that are put together
MAX_RANGE = 3660 * DAY  # ten years of periods in one answer
Period = tuple[int, int, str]  # start, end, FBTYPE


async def handle_free_busy_query(call: Call, root: Element) -> Response:
    """200 with a VFREEBUSY of the collection, for who may read it or may know that (§6.1.1)."""
    parent = _parent(call)
    element = root.find(f"{{{CALDAV}}}time-range")
    if element is None:
        raise DavError(400, "C:time-range expected.")
    wanted = parse_range(element)
    if FIRST == wanted.start or LAST == wanted.end or wanted.end - wanted.start > MAX_RANGE:
        raise DavError(403, "The time range must have both ends and be no longer than ten years.")
    periods = await busy_periods(call.engine, parent, wanted)
    periods += unavailable(await availabilities(call.engine, parent), wanted.start, wanted.end)
    return Response(
        200,
        [("Content-Type", "text/calendar; charset=utf-8")],
        serialise_busy(wanted, merge_periods(periods)),
    )


def _parent(call: Call) -> CollectionResource:
    resource = call.resource
    if isinstance(resource, CollectionResource) and Rights.FREE_BUSY in resource.rights:
        return resource
    return call.require(resource, Rights.READ)


async def availabilities(engine: Engine, parent: CollectionResource) -> list[str]:
    """The VAVAILABILITY objects of a calendar (RFC 7953 §7.2.3)."""
    collection = parent.collection
    if "VAVAILABILITY" not in components_of(collection):
        return []

    async def work(tx: Tx) -> list[tuple[Item, bytes | None]]:
        key = collection.owner, collection.id
        uids = (await calindex.of_component(tx, *key, "VAVAILABILITY"))[:MAX_AVAILABILITIES]
        return await members.by_uids(tx, *key, uids)

    resources = as_resources(parent, await engine.store.read(work))
    await read_data(engine, resources)
    return [text for each in resources if (text := (each.data or b"").decode()) and _is_usable(text)]


def _is_usable(text: str) -> bool:
    try:
        parse_availability(text)
    except Invalid:
        return False  # a client may store what nobody can expand; it says nothing of the times
    return True


async def busy_periods(engine: Engine, parent: CollectionResource, wanted: TimeRange) -> list[Period]:
    """All busy times of a calendar within a range, as they come."""
    collection = parent.collection
    key = collection.owner, collection.id
    zone = collection_zone(collection)
    window = window_of(wanted, zone)

    async def work(tx: Tx) -> tuple[list[Period], list[tuple[Item, bytes | None]]]:
        known = [
            (_utc(starts, zone, floating), _utc(ends, zone, floating), kind)
            for _, starts, ends, kind, floating in await calindex.busy(tx, *key, window)
            if kind != "FREE"
        ]
        unknown = await calindex.not_expanded(tx, *key, window)
        given: list[int] = []
        if "VFREEBUSY" in components_of(collection):
            given = await calindex.of_component(tx, *key, "VFREEBUSY")
        rows = []
        for uid in sorted({*unknown, *given}):
            rows += await members.by_uids(tx, *key, [uid])
        return known, rows

    periods, rows = await engine.store.read(work)
    resources = as_resources(parent, rows)
    await read_data(engine, resources)
    for resource in resources:
        periods += _periods_of(resource.data or b"", wanted, zone)
    return [
        (max(start, wanted.start), min(end, wanted.end), kind)
        for start, end, kind in periods
        if start < end and start < wanted.end and end > wanted.start
    ]


def _utc(micros: int, zone: tzinfo | None, floating: int) -> int:
    return to_micros(from_micros(micros), zone) if floating and zone is not None else micros


def _periods_of(data: bytes, wanted: TimeRange, zone: tzinfo | None) -> list[Period]:
    """The busy times of one object that the index does not hold."""
    try:
        found = check(data)
    except Invalid:
        return []
    if found.kind == "VFREEBUSY":
        return [
            period
            for component in found.members
            for period in free_busy_periods(found, component)
            if period[2] != "FREE"
        ]
    if found.kind != "VEVENT":
        return []
    periods = []
    for instance in instances(found, wanted, zone):
        kind = calindex.busy_type(instance.component)
        if kind != "FREE":
            floating = is_floating(found, instance.component)
            periods.append((_utc(instance.starts, zone, floating), _utc(instance.ends, zone, floating), kind))
    return periods


def merge_periods(periods: Iterable[Period]) -> list[Period]:
    """Periods of one type that touch made one; in order of start."""
    merged: dict[str, list[Period]] = {}
    for start, end, kind in sorted(periods):
        row = merged.setdefault(kind, [])
        if row and start <= row[-1][1]:
            row[-1] = (row[-1][0], max(end, row[-1][1]), kind)
        else:
            row.append((start, end, kind))
    return sorted(period for row in merged.values() for period in row)


def serialise_busy(wanted: TimeRange, periods: Iterable[Period]) -> bytes:
    """A VFREEBUSY (RFC 5545 §3.6.4)."""
    lines: list[ContentLine] = [
        ("BEGIN", "", "VCALENDAR"),
        ("VERSION", "", "2.0"),
        ("PRODID", "", PRODID),
        ("BEGIN", "", "VFREEBUSY"),
        ("DTSTAMP", "", utc_text(clock.now())),
        ("DTSTART", "", utc_text(wanted.start)),
        ("DTEND", "", utc_text(wanted.end)),
    ]
    for start, end, kind in periods:
        fbtype = "" if kind == "BUSY" else f";FBTYPE={kind}"
        lines.append(("FREEBUSY", fbtype, f"{utc_text(start)}/{utc_text(end)}"))
    lines += [("END", "", "VFREEBUSY"), ("END", "", "VCALENDAR")]
    return serialise(lines)
