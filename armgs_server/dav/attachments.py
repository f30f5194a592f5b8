# SPDX-License-Identifier: Apache-2.0
"""Managed attachments (RFC 8607): POST to a calendar object adds, updates and removes them.

Such a POST is a change of the object like a PUT: conditions, locks, rights and scheduling are the same,
and the attachment is written in the same transaction. The object is read before; when it is another one
by then, the change is made anew.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from armgs_server.dav import attachment_access, representation
from armgs_server.dav.caldav_properties import caldav
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Property, Put, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.methods.get import handle_get
from armgs_server.dav.methods.options import handle_options
from armgs_server.dav.methods.put import Body, write_member
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource, HomeResource, MemberResource
from armgs_server.dav.scheduling_implicit import Change
from armgs_server.dav.view import View
from armgs_server.directory.access import Rights
from armgs_server.errors import Invalid, TooLarge
from armgs_server.formats import icalendar_attach as attach
from armgs_server.formats.icalendar import CalendarObject, check
from armgs_server.formats.itip import data_of, organizer
from armgs_server.formats.mime_header import parse_disposition
from armgs_server.net.http import Response
from armgs_server.storage import attachments, clock
from armgs_server.storage.attachments import Attachment
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

ADD, UPDATE, REMOVE = "attachment-add", "attachment-update", "attachment-remove"
ATTEMPTS = 5  # somebody else's change may come between reading an object and writing it
MAX_NAME = 200  # characters of a file name
MAX_TYPE = 100
UNNAMED = "attachment"


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of the request (§3.3.1 to §3.3.3)."""

    action: str
    managed_id: str
    instances: str | None  # rid


@dataclass(frozen=True, slots=True)
class Upload:
    """The bytes of the request, and what they are called."""

    id: str
    ref: BlobRef
    content_type: str
    filename: str


class _Stale(Exception):
    """The object is another one than the one that was read."""


async def handle_post(call: Call) -> Response:
    """201 for a new attachment, 204 for a change; with the object itself where that is preferred (§3.4)."""
    resource = call.resource
    assert isinstance(resource, MemberResource)
    parent = call.require(resource, Rights.WRITE)
    if parent.shape is not Shape.CALENDAR or parent.kind.put_effects is None:
        raise DavError(403, "Only objects of calendars have attachments.")
    asked = _parse(call.request.query)
    upload = await _receive(call) if asked.action != REMOVE else None
    for _ in range(ATTEMPTS):
        try:
            item = await _change(call, parent, asked, upload)
        except _Stale:
            call.place, call.resource = await call.engine.locate_place(call.person, call.path.segments)
            if not isinstance(call.resource, MemberResource):
                raise DavError(404) from None
            continue
        return await _answer(call, parent, item, asked, upload)
    raise DavError(409, "The object changes too fast.")


def _parse(query: str) -> Asked:
    """§3.11: valid-action, valid-rid, valid-managed-id."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    asked = Asked(given.get("action", ""), given.get("managed-id", ""), given.get("rid"))
    if asked.action not in (ADD, UPDATE, REMOVE):
        raise DavError(403, condition=caldav("valid-action"))
    if asked.instances is not None and asked.action == UPDATE:
        raise DavError(403, condition=caldav("valid-rid"))
    if (asked.action == ADD) == ("managed-id" in given):
        raise DavError(403, condition=caldav("valid-managed-id"))
    return asked


async def _receive(call: Call) -> Upload:
    """The body as a blob; §3.11: max-attachment-size."""
    limit = call.engine.config.dav.attachment_size
    length = call.request.content_length
    if length is not None and length > limit:
        raise DavError(403, condition=caldav("max-attachment-size"))
    writer = call.engine.store.blobs.writer(limit)
    try:
        async for chunk in call.request.chunks():
            await writer.write(chunk)
        ref = await writer.finish()
    except TooLarge as error:
        raise DavError(403, condition=caldav("max-attachment-size")) from error
    finally:
        writer.abort()  # harmless after finish
    given = (call.header("content-type") or "application/octet-stream").partition(";")[0]
    content_type = "".join(each for each in given.strip().lower() if each.isprintable())[:MAX_TYPE]
    return Upload(uuid.uuid4().hex, ref, content_type, _filename(call.header("content-disposition")))


def _filename(header: str | None) -> str:
    """RFC 6266 §4.3: filename* before filename; the last part of a path, without control characters."""
    found = parse_disposition((header or "").encode("utf-8", "replace"))
    name = UNNAMED
    if found is not None and (extended := found.parameter(b"filename*")) is not None:
        charset, _, value = extended.decode("ascii", "replace").partition("'")
        name = unquote(value.partition("'")[2], "utf-8" if charset.lower() == "utf-8" else "latin-1")
    elif found is not None and (plain := found.parameter(b"filename")) is not None:
        name = plain.decode("utf-8", "replace")
    name = "".join(each for each in name.replace("\\", "/").rpartition("/")[2] if each.isprintable())
    return name.strip(" .")[:MAX_NAME] or UNNAMED


async def _change(call: Call, parent: CollectionResource, asked: Asked, upload: Upload | None) -> Item:
    """The object with its new ATTACH properties, written like a PUT."""
    resource, place = call.resource, call.place
    assert isinstance(resource, MemberResource) and place is not None
    engine, seen = call.engine, resource.item
    found = check(await engine.store.blobs.read(seen.blob))
    owner = await engine.directory.by_id(parent.collection.owner)
    if owner is not None and organizer(found) is not None:
        change = await Change.begin(call, owner, [seen])
        if change.role(found) == "attendee":
            text = "The attachments of an invitation are the organizer's."
            raise DavError(403, text, condition=caldav("allowed-attendee-scheduling-object-change"))
    changed = _changed(call, found, asked, upload)
    data = data_of(changed.calendar)
    if len(data) > parent.kind.size_limit(engine.config):
        raise DavError(403, condition=parent.kind.too_large)
    body = await _body(call, parent, seen, data, upload.id if upload is not None else "")

    async def also(tx: Tx, item: Item | None) -> None:
        if item is None or item.blob != seen.blob:
            raise _Stale()
        if upload is not None:
            await attachments.add(tx, _row(parent, changed, upload), upload.ref)
        if asked.managed_id and asked.managed_id not in attach.managed_ids(changed):
            await attachments.let_go(tx, parent.collection.owner, asked.managed_id, changed.uid)

    item, _ = await write_member(call, await Guard.of(call), place, body, also)
    return item


async def _body(call: Call, parent: CollectionResource, seen: Item, data: bytes, id_: str) -> Body:
    """What the calendar makes of the changed object."""
    kind, name = parent.kind, seen.name or ""
    assert kind.check is not None and kind.put_effects is not None
    put = Put(call, parent, name, seen.content_type or kind.content_type, data, id_)
    checked = await kind.check(put)
    effects = await kind.put_effects(put, checked)
    return Body(parent, name, put.content_type, await call.engine.store.blobs.put(data), checked, effects)


def _row(parent: CollectionResource, changed: CalendarObject, upload: Upload) -> Attachment:
    return Attachment(
        owner=parent.collection.owner,
        id=upload.id,
        ical_uid=changed.uid,
        blob=upload.ref.hash,
        size=upload.ref.size,
        content_type=upload.content_type,
        filename=upload.filename,
        created=clock.now(),
        removed=0,
    )


def _changed(call: Call, found: CalendarObject, asked: Asked, upload: Upload | None) -> CalendarObject:
    """What the request makes of the object; §3.11."""
    present = attach.managed_ids(found)
    if asked.action != ADD and asked.managed_id not in present:
        raise DavError(403, condition=caldav("valid-managed-id"))
    if asked.action == ADD and len(present) >= call.engine.config.dav.attachments:
        raise DavError(403, condition=caldav("max-attachments-per-resource"))
    try:
        instances = None if asked.instances is None else attach.parse_instances(found, asked.instances)
        if upload is None:
            return attach.remove(found, asked.managed_id, instances)
        line = attach.attach(
            attachment_access.url_of(call.engine.config, upload.id, upload.filename),
            managed_id=upload.id,
            filename=upload.filename,
            content_type=upload.content_type,
            size=upload.ref.size,
        )
        if asked.action == ADD:
            return attach.add(found, line, instances)
        return attach.update(found, asked.managed_id, line)
    except Invalid as error:
        raise DavError(403, error.text, condition=caldav("valid-rid")) from error


async def _answer(
    call: Call, parent: CollectionResource, item: Item, asked: Asked, upload: Upload | None
) -> Response:
    is_new = asked.action == ADD
    if representation.is_preferred(call):
        response = await representation.written(call, parent, item, created=is_new)
    else:
        response = Response(201 if is_new else 204, [])
    if upload is not None:
        response.headers.append(("Cal-Managed-ID", upload.id))  # §5.1
    if is_new and upload is not None:
        url = attachment_access.url_of(call.engine.config, upload.id, upload.filename)
        response.headers.append(("Location", url))
    return response


async def handle_get_attachment(call: Call) -> Response:
    """The bytes, to be kept and not to be shown as a page of this server."""
    resource = call.resource
    assert isinstance(resource, MemberResource)
    response = await handle_get(call)
    name = quote(resource.item.name or UNNAMED)
    response.headers.append(("Content-Disposition", f"attachment; filename*=UTF-8''{name}"))
    return response


def _max_size(view: View, resource: CollectionResource) -> str:
    return f"<C:max-attachment-size>{view.engine.config.dav.attachment_size}</C:max-attachment-size>"


def _max_attachments(view: View, resource: CollectionResource) -> str:
    number = view.engine.config.dav.attachments
    return f"<C:max-attachments-per-resource>{number}</C:max-attachments-per-resource>"


def _server_url(view: View, resource: HomeResource) -> str | None:
    """§6.1: an empty element, as the objects themselves take the requests."""
    return "<C:managed-attachments-server-URL/>" if resource.home == "calendars" else None


_READ = Shape.ATTACHMENT
FEATURE = Feature(
    compliance=("calendar-managed-attachments",),
    properties=(
        Property(caldav("max-attachment-size"), Shape.CALENDAR, _max_size),
        Property(caldav("max-attachments-per-resource"), Shape.CALENDAR, _max_attachments),
        Property(caldav("managed-attachments-server-URL"), Shape.HOME, _server_url),
    ),
    methods=(
        Method("POST", Shape.EVENT, handle_post),
        Method("GET", _READ, handle_get_attachment),
        Method("HEAD", _READ, handle_get_attachment),
        Method("OPTIONS", _READ, handle_options),
    ),
)
