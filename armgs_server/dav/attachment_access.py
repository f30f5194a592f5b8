# SPDX-License-Identifier: Apache-2.0
"""Managed attachments as resources (RFC 8607 §3): /dav/attachments/MANAGED-ID/NAME, and who may read them.

Whoever may read an object that names an attachment may read the attachment, and nobody else: its owner,
those the calendar is shared with, attendees who were told of it, and who reads their calendars.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from armgs_server.config import Config
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Kind, Put, Shape
from armgs_server.dav.names import CALDAV
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource, MemberResource
from armgs_server.directory.access import Rights
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.formats.icalendar import CalendarObject
from armgs_server.formats.icalendar_attach import is_named, managed_ids
from armgs_server.storage import attachments, collections
from armgs_server.storage.attachments import Attachment
from armgs_server.storage.attachments_sweep import holders
from armgs_server.storage.items import Item

if TYPE_CHECKING:
    from armgs_server.dav.engine import Engine

PREFIX = "/dav/attachments/"
HTTPS = 443
UNKNOWN = f"{{{CALDAV}}}valid-managed-id-parameter"
TOO_MANY = f"{{{CALDAV}}}max-attachments-per-resource"
MAX_NAMED = 200  # by one object that is PUT: each is looked for
KINDS = ("calendar", "tasks")
# Attachments lie in no collection; this is what GET needs to know of one.
KIND = Kind(
    name="attachments",
    home="attachments",
    shape=Shape.ATTACHMENT,
    member=Shape.ATTACHMENT,
    types=(),
    content_type="application/octet-stream",
    size_limit=lambda config: config.dav.attachment_size,
)


def url_of(config: Config, id_: str, filename: str) -> str:
    """The URI of an ATTACH property."""
    port = config.port(HTTPS)
    authority = config.server.hostname + ("" if port == HTTPS else f":{port}")
    return f"https://{authority}{PREFIX}{id_}/{quote(filename)}"


async def resource(engine: Engine, person: Principal, id_: str, filename: str) -> MemberResource:
    """An attachment that the person may read. NotFound."""
    for attachment in await engine.store.read(partial(attachments.by_id, id_=id_)):
        if attachment.filename == filename and await _may_read(engine, person, attachment):
            folder = f"{PREFIX}{id_}/"
            rights = Rights.LOOKUP | Rights.READ
            parent = CollectionResource(Shape.ATTACHMENT, folder, (), KIND, rights)
            href = folder + quote(filename)
            return MemberResource(Shape.ATTACHMENT, href, parent, _item(attachment))
    raise NotFound()


def _item(attachment: Attachment) -> Item:
    created = attachment.created
    return Item(
        owner=attachment.owner,
        collection=0,
        uid=0,
        name=attachment.filename,
        blob=attachment.blob,
        size=attachment.size,
        content_type=attachment.content_type,
        modseq=0,
        created=created,
        modified=created,
        flags=0,
        keywords="",
    )


async def _may_read(engine: Engine, person: Principal, attachment: Attachment) -> bool:
    if await _reads(engine, person, attachment.owner, attachment):
        return True
    if person.id != attachment.owner and await _reads(engine, person, person.id, attachment):
        return True
    shared = [each for kind in KINDS for each in await engine.directory.access.shared_with(person, kind)]
    owners = {each.owner for each in shared} - {attachment.owner, person.id}
    for owner in sorted(owners):
        if await _reads(engine, person, owner, attachment):
            return True
    return False


async def _reads(engine: Engine, person: Principal, owner: int, attachment: Attachment) -> bool:
    """Whether the person may read an object of an owner that names the attachment."""
    for item in await holders(engine.store, owner, attachment.ical_uid, attachment.id):
        collection = await engine.store.read(partial(collections.get, owner=owner, number=item.collection))
        if Rights.READ in await engine.rights(person, collection):
            return True
    return False


async def referred(put: Put, found: CalendarObject) -> tuple[Attachment, ...]:
    """The attachments that a body names and whose bytes its new owner is to have; DavError.

    §3.11: a MANAGED-ID must be one that the person may read, unless the object had it before.
    """
    if b"ATTACH" not in put.data or not (ids := managed_ids(found) - {put.attachment}):
        return ()
    if len(ids) > MAX_NAMED:
        raise DavError(403, condition=TOO_MANY)
    engine, owner = put.call.engine, put.collection.collection.owner
    before = await _present(put)
    rows: list[Attachment] = []
    for id_ in sorted(ids):
        known = await engine.store.read(partial(attachments.by_id, id_=id_))
        own = [row for row in known if row.owner == owner]
        if own:
            # Another object of the owner, such as the second half of a series that was split, may have it.
            rows.append(own[0]._replace(ical_uid=found.uid, removed=0))
            continue
        readable = None
        for row in known:
            readable = row if await _may_read(engine, put.call.person, row) else readable
        if readable is None:
            if not is_named(before, id_):
                raise DavError(403, condition=UNKNOWN)
        elif put.call.request.method in ("COPY", "MOVE"):
            rows.append(readable._replace(owner=owner, ical_uid=found.uid, removed=0))
    return tuple(rows)


async def _present(put: Put) -> bytes:
    """The bytes that a PUT replaces."""
    resource = put.call.resource
    if not isinstance(resource, MemberResource):
        return b""
    return await put.call.engine.store.blobs.read(resource.item.blob)
