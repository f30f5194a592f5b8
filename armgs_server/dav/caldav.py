# SPDX-License-Identifier: Apache-2.0
"""CalDAV (RFC 4791): calendars and task lists as kinds of collection, MKCALENDAR, what is checked at PUT.

Objects are stored as they came, so the ETag of a PUT is true (§5.3.4). One collection may be made for
events, tasks, journal entries or all of them; `default` holds events and `tasks` holds tasks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from armgs_server.config import Config
from armgs_server.dav import attachment_access, caldav_properties, uid_conflicts
from armgs_server.dav.caldav_freebusy import handle_free_busy_query
from armgs_server.dav.caldav_properties import EARLIEST, LATEST, caldav, components_of
from armgs_server.dav.caldav_query import handle_calendar_query
from armgs_server.dav.calendar_proxy import grant_made
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Kind, Method, Put, Report, Shape
from armgs_server.dav.member_data import multiget
from armgs_server.dav.methods.mkcol import make
from armgs_server.dav.names import dav
from armgs_server.dav.resources import CollectionResource, HomeResource, MemberResource, UnmappedResource
from armgs_server.dav.scheduling_implicit import Change
from armgs_server.dav.timezone_header import adapt_zones
from armgs_server.dav.xml import PropertyChange, parse_mkcol
from armgs_server.errors import Invalid
from armgs_server.formats.icalendar import CalendarObject, NotStorable, check
from armgs_server.formats.itip import organizer
from armgs_server.net.http import Response
from armgs_server.storage import attachments, calindex, scheduling
from armgs_server.storage.attachments import Attachment
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.calindex import Entry
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

INLINE = 32 * 1024  # octets of an object that is read on the loop: about two milliseconds
UID_CONFLICT = caldav("no-uid-conflict")
P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checked:
    """What is left to do in the transaction, and the href of the collection for its refusal."""

    entry: Entry
    href: str
    object: CalendarObject
    tag: str | None = None  # the schedule tag it gets
    attachments: tuple[Attachment, ...] = ()  # that it names (RFC 8607)


async def check_object(put: Put) -> Checked:
    """The preconditions of §5.3.2.1 that the body alone decides; what the index is to hold."""
    if put.content_type.partition(";")[0].strip().lower() not in ("text/calendar", "text/plain"):
        raise DavError(403, condition=caldav("supported-calendar-data"))
    try:
        found = await _aside(put.data, check, put.data)
    except NotStorable as error:
        raise DavError(403, error.text, condition=caldav("valid-calendar-object-resource")) from error
    except Invalid as error:
        raise DavError(403, str(error), condition=caldav("valid-calendar-data")) from error
    if found.kind not in components_of(put.collection.collection):
        raise DavError(403, condition=caldav("supported-calendar-component"))
    _check_limits(put, found)
    await uid_conflicts.check_before(put, found.uid, calindex.name_of_holder, UID_CONFLICT)
    if put.call.request.method in ("COPY", "MOVE") and organizer(found) is not None:
        await _check_transfer(put, found.uid)
    named = await attachment_access.referred(put, found)
    entry = await _aside(put.data, calindex.entry, found)
    return Checked(entry, put.collection.href, found, attachments=named)


def _check_limits(put: Put, found: CalendarObject) -> None:
    """§5.2.6, §5.2.7 and §5.2.9, in the words of §5.3.2.1."""
    locals_ = [moment.local for moment in found.moments()]
    if locals_ and min(locals_) < EARLIEST:
        raise DavError(403, condition=caldav("min-date-time"))
    if locals_ and max(locals_) > LATEST:
        raise DavError(403, condition=caldav("max-date-time"))
    limit = put.call.engine.config.dav.attendees
    if put.data.count(b"ATTENDEE") > limit and any(
        len(member.all("ATTENDEE")) > limit for member in found.members
    ):
        raise DavError(403, condition=caldav("max-attendees-per-instance"))


async def _check_transfer(put: Put, uid: str) -> None:
    """RFC 6638 §3.2.4.1: a scheduling object moves within its home, and is copied nowhere in it."""
    resource, target = put.call.resource, put.collection.collection
    assert isinstance(resource, MemberResource)
    owner = target.owner
    if put.call.request.method == "MOVE" and resource.item.keywords and owner != resource.item.owner:
        raise DavError(403, "An invitation stays in the calendars of its owner.")
    present = await put.call.engine.store.read(lambda tx: scheduling.find(tx, owner, uid))
    key = (resource.item.collection, resource.item.uid)
    same_home = owner == resource.item.owner
    others = [item for item, _ in present if not same_home or (item.collection, item.uid) != key]
    if others or (present and put.call.request.method == "COPY"):
        raise DavError(403, condition=caldav("unique-scheduling-object-resource"))


async def _aside(data: bytes, work: Callable[[P], T], argument: P) -> T:
    """Runs what takes long for a large object in a thread."""
    return await asyncio.to_thread(work, argument) if len(data) > INLINE else work(argument)


async def index_object(tx: Tx, collection: Collection, item: Item, checked: Any) -> None:
    """The index rows, in the transaction of the PUT."""
    assert isinstance(checked, Checked)
    await uid_conflicts.index(
        tx,
        item,
        checked.entry.ical_uid,
        checked.href,
        put=calindex.put(tx, item, checked.entry),
        holder_name=calindex.name_of_holder,
        condition=UID_CONFLICT,
    )
    if checked.tag is not None and checked.tag != item.keywords:
        await scheduling.tag(tx, item, checked.tag)
    for attachment in checked.attachments:
        await attachments.add(tx, attachment)


@dataclass(slots=True)
class Scheduling:
    """features.Effects of a calendar: implicit scheduling."""

    change: Change
    checked: Checked | None
    headers: list[tuple[str, str]]

    async def write(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """See scheduling_implicit."""
        found = await self.change.write(work)
        self.headers = self.change.headers
        return found

    async def before_put(self, tx: Tx, item: Item | None) -> tuple[BlobRef, Checked]:
        """What is stored instead of the body."""
        assert self.checked is not None  # made for a PUT
        ref, entry, tag = await self.change.put(tx, item)
        return ref, replace(self.checked, entry=entry, tag=tag)

    async def before_removal(self, tx: Tx, collection: Collection, item: Item | None) -> None:
        """Of one object, or of all in a calendar."""
        await self.change.remove(tx, [item] if item is not None else await scheduling.tagged(tx, collection))


async def put_effects(put: Put, checked: Any) -> Scheduling | None:
    """None for an object that nobody is invited to, before and after."""
    assert isinstance(checked, Checked)
    resource = put.call.resource
    present = [resource.item] if isinstance(resource, MemberResource) and resource.item.keywords else []
    if not present and organizer(checked.object) is None:
        return None
    if isinstance(resource, MemberResource):
        present = [resource.item]
    owner = await put.call.engine.directory.by_id(put.collection.collection.owner)
    if owner is None or not owner.address:
        return None
    change = await Change.begin(put.call, owner, present, checked.object, put.data)
    return Scheduling(change, checked, [])


async def removal_effects(call: Call, parent: CollectionResource, item: Item | None) -> Scheduling | None:
    """None where nothing of what goes is a scheduling object."""
    collection = parent.collection
    if item is not None:
        present = [item] if item.keywords else []
    else:
        present = await call.engine.store.read(lambda tx: scheduling.tagged(tx, collection))
    owner = await call.engine.directory.by_id(collection.owner) if present else None
    if owner is None or not owner.address:
        return None
    return Scheduling(await Change.begin(call, owner, present), None, [])


def _calendar_size(config: Config) -> int:
    return config.dav.calendar_size


def _kind(name: str) -> Kind:
    return Kind(
        name=name,
        home="calendars",
        shape=Shape.CALENDAR,
        member=Shape.EVENT,
        types=(dav("collection"), caldav("calendar")),
        content_type="text/calendar; charset=utf-8",
        size_limit=_calendar_size,
        too_large=caldav("max-resource-size"),
        uid_conflict=UID_CONFLICT,
        check=check_object,
        index=index_object,
        made=grant_made,
        adapt=adapt_zones,
        put_effects=put_effects,
        removal_effects=removal_effects,
    )


CALENDAR = _kind("calendar")
TASKS = _kind("tasks")


async def handle_mkcalendar(call: Call) -> Response:
    """§5.3.1: a calendar in a home, with the properties of the body."""
    body = await call.body()
    changes: list[PropertyChange] = parse_mkcol(body, caldav("mkcalendar")) if body else []
    assert isinstance(call.resource, UnmappedResource)
    parent = call.resource.parent
    if parent is None:
        raise DavError(409, "There is no collection to make it in.")
    if not isinstance(parent, HomeResource) or parent.home != CALENDAR.home:
        raise DavError(403, condition=caldav("calendar-collection-location-ok"))
    wanted = [
        caldav_properties.parse_components(change.element)
        for change in changes
        if change.name == caldav_properties.COMPONENTS and change.element is not None
    ]
    kind = TASKS if wanted == [["VTODO"]] else CALENDAR
    changes = [change for change in changes if change.name != dav("resourcetype")]
    return await make(call, kind, changes, answer="C:mkcalendar-response")


_QUERIED = Shape.CALENDAR | Shape.EVENT | Shape.INBOX  # RFC 6638 §2.2: an inbox answers them, too
FEATURE = Feature(
    compliance=("calendar-access", "calendar-no-timezone", "calendar-query-extended"),
    properties=caldav_properties.PROPERTIES,
    # §5.3.1.1: where there is something already it is 403, not 405 as of MKCOL.
    methods=(Method("MKCALENDAR", Shape.UNMAPPED, handle_mkcalendar, mapped=dav("resource-must-be-null")),),
    reports=(
        Report(caldav("calendar-query"), _QUERIED, handle_calendar_query),
        Report(caldav("calendar-multiget"), _QUERIED, multiget),
        Report(caldav("free-busy-query"), Shape.CALENDAR, handle_free_busy_query),
    ),
    kinds=(CALENDAR, TASKS),
)
