# SPDX-License-Identifier: Apache-2.0
"""CalDAV (RFC 4791): calendars and task lists as kinds of collection, MKCALENDAR, what is checked at PUT.

Objects are stored as they came, so the ETag of a PUT is true (§5.3.4). One collection may be made for
events, tasks, journal entries or all of them; `default` holds events and `tasks` holds tasks.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from armgs_server.config import Config
from armgs_server.dav import caldav_properties, uid_conflicts
from armgs_server.dav.caldav_freebusy import handle_free_busy_query
from armgs_server.dav.caldav_properties import caldav, components_of
from armgs_server.dav.caldav_query import handle_calendar_query
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Kind, Method, Put, Report, Shape
from armgs_server.dav.member_data import multiget
from armgs_server.dav.methods.mkcol import make, parent_of
from armgs_server.dav.names import dav
from armgs_server.dav.resources import HomeResource
from armgs_server.dav.xml import PropertyChange, parse_mkcol
from armgs_server.errors import Invalid
from armgs_server.formats.icalendar import NotStorable, check
from armgs_server.net.http import Response
from armgs_server.storage import calindex
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
    await uid_conflicts.check_before(put, found.uid, calindex.name_of_holder, UID_CONFLICT)
    return Checked(await _aside(put.data, calindex.entry, found), put.collection.href)


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
        check=check_object,
        index=index_object,
    )


CALENDAR = _kind("calendar")
TASKS = _kind("tasks")


async def handle_mkcalendar(call: Call) -> Response:
    """§5.3.1: a calendar in a home, with the properties of the body."""
    body = await call.body()
    changes: list[PropertyChange] = parse_mkcol(body, caldav("mkcalendar")) if body else []
    parent = parent_of(call)
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


FEATURE = Feature(
    compliance=("calendar-access",),
    properties=caldav_properties.PROPERTIES,
    methods=(Method("MKCALENDAR", Shape.UNMAPPED, handle_mkcalendar),),
    reports=(
        Report(caldav("calendar-query"), Shape.CALENDAR | Shape.EVENT, handle_calendar_query),
        Report(caldav("calendar-multiget"), Shape.CALENDAR | Shape.EVENT, multiget),
        Report(caldav("free-busy-query"), Shape.CALENDAR, handle_free_busy_query),
    ),
    kinds=(CALENDAR, TASKS),
)
