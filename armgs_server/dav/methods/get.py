# SPDX-License-Identifier: Apache-2.0
"""GET and HEAD (RFC 9110 §9.3.1, §14): the bytes of a member as they came; ranges and conditions."""

from collections.abc import Callable

from armgs_server.dav.call import Call
from armgs_server.dav.conditions import evaluate_preconditions, parse_http_date
from armgs_server.dav.errors import DavError
from armgs_server.dav.properties import http_date
from armgs_server.dav.resources import MemberResource
from armgs_server.directory.access import Rights
from armgs_server.errors import Invalid
from armgs_server.net.http import Response
from armgs_server.net.ranges import content_range, parse_range
from armgs_server.storage.clock import SECOND
from armgs_server.storage.items import Item

# A file shared by a colleague must not act as a page of this server in the reader's browser.
SAFETY = (("Content-Security-Policy", "sandbox"), ("X-Content-Type-Options", "nosniff"))


async def handle_get(call: Call) -> Response:
    """200, 206, 304, 412 or 416."""
    resource = call.resource
    assert isinstance(resource, MemberResource)
    call.require(resource, Rights.READ)
    item = resource.item
    fields = [("ETag", item.etag), ("Last-Modified", http_date(item.modified))]
    if item.keywords:  # RFC 6638 §8.2
        fields.append(("Schedule-Tag", f'"{item.keywords}"'))
    modified = item.modified // SECOND
    outcome = evaluate_preconditions(call.header, reading=True, etag=item.etag, modified=modified)
    if outcome == "failed":
        raise DavError(412, "A condition of the request does not hold.")
    if outcome == "not modified":
        return Response(304, fields)
    accept, represent = call.header("accept"), resource.parent.kind.represent
    other = represent(accept) if represent is not None and accept is not None else None
    if other is not None:
        return await _converted(call, item, other)
    adapt = resource.parent.kind.adapt
    adapted = adapt(call.header) if adapt is not None else None
    if adapted is not None:
        return await _adapted(call, item, fields, adapted)
    fields += [
        ("Content-Type", item.content_type or resource.parent.kind.content_type),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "private, no-cache"),
        *SAFETY,
    ]
    wanted = _parse_range(call, item)
    start, end = wanted or (0, item.size)
    if wanted:
        fields.append(("Content-Range", content_range(start, end, item.size)))
    status = 206 if wanted else 200
    if call.request.method == "HEAD":
        return Response(status, fields, b"", length=end - start)
    if end - start <= call.engine.config.store.inline_limit:
        whole = (start, end) == (0, item.size)
        body = await call.engine.store.blobs.read(item.blob, start, None if whole else end)
        return Response(status, fields, body)
    return Response(status, fields, call.engine.store.blobs.stream(item.blob, start, end), length=end - start)


async def _adapted(
    call: Call, item: Item, fields: list[tuple[str, str]], adapt: Callable[[bytes], bytes]
) -> Response:
    """The same object, more or less explicit: its entity tag is that of what is stored; no ranges of it."""
    data = adapt(await call.engine.store.blobs.read(item.blob))
    fields += [("Content-Type", item.content_type), ("Cache-Control", "private, no-cache"), *SAFETY]
    is_head = call.request.method == "HEAD"
    return Response(200, fields, b"" if is_head else data, length=len(data) if is_head else None)


async def _converted(call: Call, item: Item, convert: Callable[[bytes], tuple[bytes, str]]) -> Response:
    """Another representation, made for this answer: its entity tag is weak, there are no ranges of it."""
    data, content_type = convert(await call.engine.store.blobs.read(item.blob))
    fields = [
        ("ETag", f"W/{item.etag}"),
        ("Last-Modified", http_date(item.modified)),
        ("Content-Type", content_type),
        ("Vary", "Accept"),
        ("Cache-Control", "private, no-cache"),
        *SAFETY,
    ]
    is_head = call.request.method == "HEAD"
    return Response(200, fields, b"" if is_head else data, length=len(data) if is_head else None)


def _parse_range(call: Call, item: Item) -> tuple[int, int] | None:
    """The one range to send; several are answered with the whole (§14.2 permits to ignore Range)."""
    header = call.header("range")
    if header is None or call.request.method != "GET" or not _if_range_holds(call, item):
        return None
    try:
        ranges = parse_range(header, item.size)
    except Invalid as error:
        field = ("Content-Range", f"bytes */{item.size}")
        raise DavError(416, error.text, headers=(field,)) from error
    return ranges[0] if ranges and len(ranges) == 1 else None


def _if_range_holds(call: Call, item: Item) -> bool:
    # RFC 9110 §13.1.5: a strong entity tag, or exactly the date of Last-Modified.
    header = call.header("if-range")
    if header is None:
        return True
    if header.lstrip().startswith(('"', "W/")):
        return header.strip() == item.etag
    return parse_http_date(header) == item.modified // SECOND
