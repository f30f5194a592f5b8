# SPDX-License-Identifier: Apache-2.0
"""calendar-query (RFC 4791 §7.8): from the index where it knows the answer, else by reading candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from armgs_server.dav.caldav_properties import (
    collection_zone,
    components_of,
    parse_timezone,
    zone_named,
    zone_of,
)
from armgs_server.dav.call import Call
from armgs_server.dav.features import Shape
from armgs_server.dav.filter_times import local_range, matches
from armgs_server.dav.filters import CompFilter, TimeRange, parse_filter
from armgs_server.dav.member_data import answer, parse_asked
from armgs_server.dav.names import CALDAV
from armgs_server.dav.resources import CollectionResource, MemberResource
from armgs_server.dav.xml import Element, text_of
from armgs_server.directory.access import Rights
from armgs_server.errors import Invalid
from armgs_server.formats.icalendar import check
from armgs_server.formats.imip import read_message
from armgs_server.net.http import Response
from armgs_server.storage import calindex, members
from armgs_server.storage.calindex import Window
from armgs_server.storage.tx import Tx

# The index holds one kind of interval; the rules of §9.9 differ by its borders, so it is asked for more.
BORDER = 1_000_000


@dataclass(frozen=True, slots=True)
class Candidates:
    """Uids that belong to the answer, and uids of which the object itself must be asked."""

    sure: Sequence[int]
    doubtful: Sequence[int]


async def handle_calendar_query(call: Call, root: Element) -> Response:
    """The members that a filter selects. COMPAT clients leave out Depth: 1."""
    parent = call.require(call.resource, Rights.READ)
    asked = parse_filter(root)
    zone = query_zone(parent, root)
    view = call.view(parse_asked(root))
    candidates = await call.engine.store.read_aside(
        lambda tx: _candidates(tx, parent, asked, zone), as_of=parent.collection
    )
    if isinstance(call.resource, MemberResource):
        only = {call.resource.item.uid}
        candidates = Candidates(
            [uid for uid in candidates.sure if uid in only],
            [uid for uid in candidates.doubtful if uid in only],
        )

    is_inbox = parent.shape is Shape.INBOX

    def is_wanted(resource: MemberResource) -> bool:
        assert resource.data is not None
        try:
            # What lies in an inbox is a message: an object with a METHOD.
            found = read_message(resource.data)[1] if is_inbox else check(resource.data)
            return matches(found, asked, zone)
        except Invalid:
            return False

    return await answer(call, view, parent, candidates.sure, candidates.doubtful, is_wanted)


def query_zone(parent: CollectionResource, root: Element) -> tzinfo | None:
    """The zone of floating times: the request's (§9.8), else the calendar's; None for UTC."""
    named = root.find(f"{{{CALDAV}}}timezone-id")  # RFC 7809 §3.1.6
    if named is not None:
        return zone_of(zone_named(text_of(named).strip()))
    element = root.find(f"{{{CALDAV}}}timezone")
    return zone_of(parse_timezone(element)) if element is not None else collection_zone(parent.collection)


def window_of(wanted: TimeRange, zone: tzinfo | None, border: int = 0) -> Window:
    """The range as the index takes it."""
    local = local_range(wanted, zone)
    return Window(wanted.start - border, wanted.end + border, local.start - border, local.end + border)


async def _candidates(
    tx: Tx, parent: CollectionResource, asked: CompFilter, zone: tzinfo | None
) -> Candidates:
    collection = parent.collection
    key = collection.owner, collection.id
    if asked.is_bare and asked.time_range is None:
        return Candidates(await members.all_uids(tx, *key), ())
    comp = asked.comps[0] if len(asked.comps) == 1 and not asked.is_any else None
    if comp is None or comp.absent or asked.props or parent.shape is Shape.INBOX:
        return Candidates((), await members.all_uids(tx, *key))
    if comp.time_range is None:
        uids = await calindex.of_component(tx, *key, comp.name)
        return Candidates(uids, ()) if comp.is_bare else Candidates((), uids)
    # Events and journal entries overlap as the index has it; tasks have rules of their own.
    is_plain = comp.name in ("VEVENT", "VJOURNAL")
    found = await calindex.in_range(tx, *key, window_of(comp.time_range, zone, 0 if is_plain else BORDER))
    sure, unknown = found.uids, found.unknown
    if components_of(collection) != (comp.name,):
        sure = await calindex.only(tx, *key, comp.name, sure)
        unknown = await calindex.only(tx, *key, comp.name, unknown)
    if is_plain and comp.is_bare:
        return Candidates(sure, unknown)
    return Candidates((), sorted([*sure, *unknown]))
