# SPDX-License-Identifier: Apache-2.0
"""GET of a calendar or an address book as one file, for who subscribes to it by its address or keeps a copy.

RFC 4918 §9.4 leaves open what GET of a collection answers. A browser gets the page of `methods.index`;
whoever does not ask for HTML gets the objects (RFC 9110 §12.5.1), in slices, so the file is nowhere whole.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import AsyncIterator, Callable
from functools import partial

from armgs_server.dav.call import Call
from armgs_server.dav.conditions import evaluate_preconditions
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Shape
from armgs_server.dav.listing import member_pages
from armgs_server.dav.member_data import read_data
from armgs_server.dav.methods.get import SAFETY
from armgs_server.dav.properties import standard_name
from armgs_server.dav.resources import CollectionResource, MemberResource, Resource
from armgs_server.directory.access import Rights
from armgs_server.formats import icalendar_join
from armgs_server.net.http import Response

HELD = 20  # objects whose bytes are in memory at once
_TYPES = {Shape.CALENDAR: "text/calendar", Shape.ADDRESSBOOK: "text/vcard"}
# RFC 9110 §12.5.1: a media range that says HTML; one with a weight of nothing does not.
_HTML = re.compile(
    r"(?:^|,)\s*(?:text/html|application/xhtml\+xml)\s*(?![^,]*;\s*q=0(?:\.0*)?\s*(?:[,;]|$))", re.IGNORECASE
)


def is_asked(call: Call, resource: Resource) -> bool:
    """Whether the answer is the objects, and not a page of links to them."""
    content_type = _TYPES.get(resource.shape)
    accept = call.header("accept") or ""
    return content_type is not None and (content_type in accept.lower() or not _HTML.search(accept))


async def handle_whole(call: Call) -> Response:
    """200 with the file, 304, 403 or 412."""
    resource = call.resource
    assert isinstance(resource, CollectionResource)
    call.require(resource, Rights.READ)
    name = standard_name(call.person, resource)
    etag = _etag(call, resource, name)
    fields = [("ETag", etag), ("Vary", "Accept"), ("Cache-Control", "private, no-cache")]
    outcome = evaluate_preconditions(partial(_entity_tags, call), reading=True, etag=etag, modified=0)
    if outcome == "failed":
        raise DavError(412, "A condition of the request does not hold.")
    if outcome == "not modified":
        return Response(304, fields)
    if resource.collection.items > call.engine.config.dav.whole_items:
        raise DavError(403, "There is too much in it for one file.")
    fields += [("Content-Type", f"{_TYPES[resource.shape]}; charset=utf-8"), *SAFETY]
    if call.request.method == "HEAD":
        return Response(200, fields)
    is_calendar = resource.shape is Shape.CALENDAR
    return Response(200, fields, _calendar(call, resource, name) if is_calendar else _cards(call, resource))


def _entity_tags(call: Call, name: str) -> str | None:
    # RFC 9110 §13.1.3, §13.1.4: conditions by date are ignored where nothing says when it was changed.
    return call.header(name) if name in ("if-match", "if-none-match") else None


def _etag(call: Call, resource: CollectionResource, name: str) -> str:
    # Weak (RFC 9110 §8.8.1): objects that are written while the file goes out may be in it.
    told = zlib.crc32(f"{name}\n{call.header('caldav-timezones')}".encode())
    return f'W/"{resource.collection.id}-{resource.collection.modseq}-{told:x}"'


async def _calendar(call: Call, resource: CollectionResource, name: str) -> AsyncIterator[bytes]:
    adapt = resource.kind.adapt(call.header) if resource.kind.adapt is not None else None
    zones: set[bytes] = set()
    yield icalendar_join.head(name)
    async for data in _bodies(call, resource, adapt):
        yield icalendar_join.members(data, zones)
    yield icalendar_join.END


async def _cards(call: Call, resource: CollectionResource) -> AsyncIterator[bytes]:
    async for data in _bodies(call, resource, None):
        yield data.rstrip() + b"\r\n"


async def _bodies(
    call: Call, resource: CollectionResource, adapt: Callable[[bytes], bytes] | None
) -> AsyncIterator[bytes]:
    async for page in member_pages(call.engine, resource):
        for start in range(0, len(page), HELD):
            part: list[MemberResource] = page[start : start + HELD]
            await read_data(call.engine, part)
            for each in part:
                data, each.data = each.data or b"", None
                data = data.removeprefix(codecs.BOM_UTF8)  # COMPAT Outlook, Notepad
                yield adapt(data) if adapt is not None else data
