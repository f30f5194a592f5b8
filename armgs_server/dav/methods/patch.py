# SPDX-License-Identifier: Apache-2.0
"""PATCH (RFC 5789) of a file with a range of bytes: application/x-sabredav-partialupdate.

    X-Update-Range: bytes=3-5 | bytes=3- | bytes=-4 | append

The new file is put together in a blob of its own and named in one transaction, so nothing is written in
place: what breaks off on the way leaves the old bytes as they were. It costs as much as writing the file.
"""

import re

from armgs_server.dav import representation
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.methods.delete import check_still
from armgs_server.dav.methods.put import rules_of
from armgs_server.dav.resources import MemberResource, walk_to_write
from armgs_server.directory.access import Rights
from armgs_server.errors import TooLarge
from armgs_server.net.http import Response
from armgs_server.storage import items
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

MEDIA_TYPE = "application/x-sabredav-partialupdate"
ACCEPT_PATCH = ("Accept-Patch", MEDIA_TYPE)  # RFC 5789 §3.1
_RANGE = re.compile(r"\s*bytes\s*=\s*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))\s*\Z", re.IGNORECASE)


def parse_update_range(header: str | None, size: int, length: int) -> int:
    """Where the bytes go in a file of `size`; 400 for what is no range, 416 for one that does not fit."""
    if header is not None and header.strip().lower() == "append":
        return size
    match = _RANGE.match(header or "")
    if match is None:
        raise DavError(400, "X-Update-Range must be a range of bytes or append.")
    first, last, suffix = match.groups()
    start = size - int(suffix) if suffix is not None else int(first)
    is_whole = last is None or int(last) - start + 1 == length
    if not 0 <= start <= size or not is_whole:
        raise DavError(416, "The range does not fit.", headers=(("Content-Range", f"bytes */{size}"),))
    return start


async def handle_patch(call: Call) -> Response:
    """204, or 200 with the file where it is preferred."""
    try:
        return await _patch(call)
    except DavError as error:
        return await representation.refused(call, error)


async def _patch(call: Call) -> Response:
    resource, place = call.resource, call.place
    assert isinstance(resource, MemberResource) and place is not None
    parent = call.require(resource, Rights.WRITE)
    if (call.header("content-type") or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise DavError(415, headers=(ACCEPT_PATCH,))  # RFC 5789 §2.2
    length = call.request.content_length
    if length is None:
        raise DavError(411, "The length of the range must be known.")
    start = parse_update_range(call.header("x-update-range"), resource.item.size, length)
    guard = await Guard.of(call)
    ref = await _splice(call, resource.item, start, length)
    rules = rules_of(call, parent)

    async def work(tx: Tx) -> Item:
        found = await walk_to_write(tx, place)
        check_still(found, resource)
        await guard.check(tx, found)
        await guard.check_lock(tx, found)
        assert found.item is not None
        if found.item.blob != resource.item.blob:
            raise DavError(409, "The file has just been changed by somebody else.")
        return await items.replace(tx, found.item, ref, found.item.content_type, rules)

    item = await call.engine.store.write(work)
    return await representation.written(call, parent, item, created=False)


async def _splice(call: Call, item: Item, start: int, length: int) -> BlobRef:
    """The file with the body of the request at a place."""
    blobs = call.engine.store.blobs
    writer = blobs.writer(call.engine.config.dav.file_size)
    try:
        if start:
            async for chunk in blobs.stream(item.blob, 0, start):
                await writer.write(chunk)
        async for chunk in call.request.chunks():
            await writer.write(chunk)
        if start + length < item.size:
            async for chunk in blobs.stream(item.blob, start + length, item.size):
                await writer.write(chunk)
        return await writer.finish()
    except TooLarge as error:
        raise DavError(413) from error
    finally:
        writer.abort()  # harmless after finish


FEATURE = Feature(
    compliance=("sabredav-partialupdate",),
    methods=(Method("PATCH", Shape.FILE, handle_patch),),
)
