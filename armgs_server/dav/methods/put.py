# SPDX-License-Identifier: Apache-2.0
"""PUT (RFC 4918 §9.7, RFC 9110 §9.3.4): new bytes for a member, never written in place.

The body goes to a blob first; one transaction then checks conditions and locks and names the blob. What
breaks off on the way leaves the old bytes as they were.
"""

import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from armgs_server.dav import representation
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Effects, Kind, Method, Put, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.resources import (
    CollectionResource,
    Found,
    MemberResource,
    Place,
    UnmappedResource,
    walk,
    walk_to_write,
)
from armgs_server.directory.access import Rights
from armgs_server.errors import OverQuota, TooLarge
from armgs_server.net.http import Response
from armgs_server.storage import accounts, items, versions
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx
from armgs_server.storage.versions import Rules


@dataclass(frozen=True, slots=True)
class Body:
    """What is to be written: the bytes, what the kind's check made of them and what that brings about."""

    parent: CollectionResource
    name: str
    content_type: str
    ref: BlobRef
    checked: Any
    effects: Effects | None


Also: TypeAlias = Callable[[Tx, Item | None], Awaitable[None]]  # with the item that is replaced


async def handle_put(call: Call) -> Response:
    """201 for a new member, 204 for new bytes of one that was there; 200 with them where preferred."""
    try:
        return await _put(call)
    except DavError as error:
        return await representation.refused(call, error)


async def _put(call: Call) -> Response:
    if call.header("content-range") is not None:
        raise DavError(400, "PUT of a part is not supported.")  # RFC 9110 §14.4
    parent, name = target_of(call, call.resource)
    place = call.place
    assert place is not None
    guard = await Guard.of(call)
    await _check_early(call, guard, place, parent)
    content_type = _content_type(call, parent.kind, name)
    ref, checked, effects = await _receive(call, parent, name, content_type)
    body = Body(parent, name, content_type, ref, checked, effects)
    item, created = await write_member(call, guard, place, body)
    if representation.is_preferred(call):
        response = await representation.written(call, parent, item, created=created)
    else:
        # RFC 4791 §5.3.4: no entity tag where the client's bytes are not what is stored.
        response = Response(201 if created else 204, [("ETag", item.etag)] if item.blob == ref.hash else [])
    response.headers += effects.headers if effects is not None else []
    return response


async def write_member(
    call: Call, guard: Guard, place: Place, body: Body, also: Also | None = None
) -> tuple[Item, bool]:
    """The bytes become the member, `also` before them in the same transaction; whether it is a new one."""
    effects, kind = body.effects, body.parent.kind
    rules = rules_of(call, body.parent)

    async def work(tx: Tx) -> tuple[Item, bool]:
        found = await walk_to_write(tx, place)
        check_unmoved(found, body.parent)
        await guard.check(tx, found)
        await guard.check_lock(tx, found)
        if also is not None:
            await also(tx, found.item)
        stored, made = (body.ref, body.checked)
        if effects is not None:
            stored, made = await effects.before_put(tx, found.item)
        if found.item is not None:
            item = await items.replace(tx, found.item, stored, body.content_type, rules)
        else:
            above = found.chain[-1]
            item = await items.add(tx, above, stored, name=body.name, content_type=body.content_type)
        if kind.index is not None:
            await kind.index(tx, found.chain[-1], item, made)
        return item, found.item is None

    return await (call.engine.store.write if effects is None else effects.write)(work)


def target_of(call: Call, resource: Any) -> tuple[CollectionResource, str]:
    """The collection a member is to be written into, and its name there; the right to do so is checked."""
    if isinstance(resource, MemberResource):
        return call.require(resource, Rights.WRITE), resource.item.name or ""
    if not isinstance(resource, UnmappedResource):
        raise DavError(405, "A collection has no content of its own.")
    if resource.parent is None:
        raise DavError(409, "There is no collection to put it into.")  # RFC 4918 §9.7.1
    if not isinstance(resource.parent, CollectionResource):
        raise DavError(403, "Only collections can be made here.")
    return call.require(resource.parent, Rights.INSERT), resource.name


def rules_of(call: Call, parent: CollectionResource) -> Rules | None:
    """Whether earlier states of a member are kept: of files they are."""
    return versions.rules(call.engine.config.dav) if parent.shape is Shape.FILES else None


def check_unmoved(found: Found, parent: CollectionResource) -> None:
    """409 where the place is another one by now than the one whose rights were checked."""
    is_same = bool(found.chain) and found.chain[-1].id == parent.collection.id
    if not is_same or len(found.missing) + (found.item is not None) != 1:
        raise DavError(409, "The collection has just been changed by somebody else.")


async def _check_early(call: Call, guard: Guard, place: Place, parent: CollectionResource) -> None:
    """Refuses before the body is sent what would be refused after it."""
    expected = call.request.content_length
    if expected is None:
        # COMPAT: macOS sends chunks and says here how much it will be.
        announced = call.header("x-expected-entity-length") or ""
        expected = int(announced) if announced.isdecimal() and len(announced) < 19 else None
    if expected is not None and expected > parent.kind.size_limit(call.engine.config):
        raise _too_large(parent.kind)
    if expected is not None and expected <= call.engine.config.store.inline_limit:
        return  # small: read at once, checked in the transaction

    async def work(tx: Tx) -> None:
        found = await walk(tx, place)
        await guard.check(tx, found)
        await guard.check_lock(tx, found)
        usage = await accounts.usage(tx, parent.collection.owner)
        growth = (expected or 0) - (found.item.size if found.item else 0)
        settings = call.engine.config.dav
        spare = usage.versions if settings.version_quota else 0  # earlier states give way to new bytes
        if usage.quota and usage.bytes - spare + growth > usage.quota:
            raise OverQuota()

    await call.engine.store.read(work)


async def _receive(
    call: Call, parent: CollectionResource, name: str, content_type: str
) -> tuple[BlobRef, Any, Effects | None]:
    """The body as a blob, what the kind made of it, and what it will bring about."""
    blobs, kind = call.engine.store.blobs, parent.kind
    limit = kind.size_limit(call.engine.config)
    try:
        if kind.check is not None:
            data = await call.request.read(limit)
            put = Put(call, parent, name, content_type, data)
            checked = await kind.check(put)
            effects = await kind.put_effects(put, checked) if kind.put_effects is not None else None
            return await blobs.put(data), checked, effects
        length = call.request.content_length
        if length is not None and length <= call.engine.config.store.inline_limit:
            return blobs.small(await call.request.read(limit)), None, None
        writer = blobs.writer(limit)
        try:
            async for chunk in call.request.chunks():
                await writer.write(chunk)
            return await writer.finish(), None, None
        finally:
            writer.abort()  # harmless after finish
    except TooLarge as error:
        raise _too_large(kind) from error


def _too_large(kind: Kind) -> DavError:
    return DavError(403, condition=kind.too_large) if kind.too_large else DavError(413)


def _content_type(call: Call, kind: Kind, name: str) -> str:
    given = (call.header("content-type") or "").strip()
    if given and given.lower() != "application/octet-stream":
        return given[:255]
    if kind.check is not None:
        return kind.content_type
    # COMPAT: cadaver, rclone and davfs2 send no type, or this one for everything.
    return mimetypes.guess_type(name)[0] or kind.content_type


METHOD = Method("PUT", Shape.MEMBER | Shape.UNMAPPED, handle_put)
