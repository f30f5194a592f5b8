# SPDX-License-Identifier: Apache-2.0
"""Members with their bytes: what the reports of calendars and address books share.

Members are read and rendered in slices; an answer that fits one slice is sent whole.
"""

from collections.abc import AsyncIterator, Callable, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.engine import Engine
from armgs_server.dav.errors import DavError
from armgs_server.dav.multistatus import SLICE, multistatus, status_response, stream
from armgs_server.dav.names import escape
from armgs_server.dav.paths import parse_href, quote
from armgs_server.dav.resources import CollectionResource, MemberResource, Resource
from armgs_server.dav.view import View
from armgs_server.dav.xml import ASKED, Element, PropFind, hrefs_of, parse_propfind_element
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import members
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item

# Members that must be parsed before it is known whether they belong to the answer, between two pauses.
DOUBTFUL_SLICE = 25
Test = Callable[[MemberResource], bool]


def parse_asked(root: Element) -> PropFind:
    """What a report asks of each member; nothing is allowed (RFC 4791 §9.5)."""
    has_any = next(root.iterchildren(*ASKED), None) is not None
    return parse_propfind_element(root) if has_any else PropFind("prop")


async def load(view: View, resources: Sequence[Resource]) -> None:
    """`prepare` of the properties that need the bytes."""
    await read_data(view.engine, [each for each in resources if isinstance(each, MemberResource)])


async def read_data(engine: Engine, resources: Sequence[MemberResource]) -> None:
    """Gives every member its bytes."""
    wanted = [each for each in resources if each.data is None]
    by_place: dict[tuple[int, int], list[MemberResource]] = {}
    for resource in wanted:
        by_place.setdefault((resource.item.owner, resource.item.collection), []).append(resource)
    for each in by_place.values():
        for start in range(0, len(each), SLICE):
            part = {resource.item.uid: resource for resource in each[start : start + SLICE]}
            for item, data in await _read(engine, each[0].parent.collection, list(part)):
                if item.blob == part[item.uid].item.blob:
                    part[item.uid].data = data
    for resource in wanted:
        if resource.data is None:  # in the blob engine, or changed meanwhile
            resource.data = await engine.store.blobs.read(resource.item.blob)


async def _read(
    engine: Engine, collection: Collection, uids: Sequence[int]
) -> list[tuple[Item, bytes | None]]:
    return await engine.store.read_aside(
        lambda tx: members.by_uids(tx, collection.owner, collection.id, uids), as_of=collection
    )


def as_resources(
    parent: CollectionResource, rows: Sequence[tuple[Item, bytes | None]]
) -> list[MemberResource]:
    """The resources of rows."""
    shape, base = parent.kind.member, parent.href
    return [MemberResource(shape, base + quote(item.name or ""), parent, item, data) for item, data in rows]


async def multiget(call: Call, root: Element) -> Response:
    """RFC 4791 §7.9, RFC 6352 §8.7: the members named, and 404 for those that are not there."""
    parent = call.require(call.resource, Rights.READ)
    view = call.view(parse_asked(root))
    hrefs = hrefs_of(root)
    if len(hrefs) <= SLICE:
        texts = await _get_slice(view, parent, hrefs)
        return multistatus(texts, headers=call.headers)
    tail: list[str] = []

    async def slices() -> AsyncIterator[Sequence[Resource]]:
        for start in range(0, len(hrefs), SLICE):
            found, missing = await _read_slice(view, parent, hrefs[start : start + SLICE])
            tail.extend(missing)
            yield found

    return stream(view, slices(), tail=lambda: "".join(tail), headers=call.headers)


async def _get_slice(view: View, parent: CollectionResource, hrefs: Sequence[str]) -> list[str]:
    found, missing = await _read_slice(view, parent, hrefs)
    return await view.responses(found) + missing


async def _read_slice(
    view: View, parent: CollectionResource, hrefs: Sequence[str]
) -> tuple[list[MemberResource], list[str]]:
    names = {href: name for href in hrefs if (name := _name_in(parent, href))}
    collection = parent.collection
    rows = await view.engine.store.read_aside(
        lambda tx: members.by_names(tx, collection.owner, collection.id, sorted(set(names.values()))),
        as_of=collection,
    )
    present = {item.name for item, _ in rows}
    missing = [status_response(escape(href), 404) for href in hrefs if names.get(href) not in present]
    return as_resources(parent, rows), missing


def _name_in(parent: CollectionResource, href: str) -> str:
    """The member's name, or '' for an href outside of the collection."""
    rest = href.removeprefix(parent.href)
    if rest != href and "/" not in rest and "%" not in rest and rest.isascii():
        return rest
    try:
        segments = parse_href(href).segments
        inside = segments[:-1] == parse_href(parent.href).segments
    except DavError:
        return ""
    return segments[-1] if inside and segments else ""


async def answer(
    call: Call,
    view: View,
    parent: CollectionResource,
    sure: Sequence[int],
    doubtful: Sequence[int] = (),
    is_wanted: Test | None = None,
    tail: Callable[[], str] = str,
) -> Response:
    """The members by uid; those in doubt only where the test says so."""
    slices = _slices(view, parent, sure, doubtful, is_wanted)
    if len(sure) <= SLICE and len(doubtful) <= DOUBTFUL_SLICE:
        texts: list[str] = []
        async for resources in slices:
            texts += await view.responses(resources)
        return multistatus(texts, tail(), headers=call.headers)
    return stream(view, slices, tail=tail, headers=call.headers)


async def _slices(
    view: View,
    parent: CollectionResource,
    sure: Sequence[int],
    doubtful: Sequence[int],
    is_wanted: Test | None,
) -> AsyncIterator[Sequence[Resource]]:
    collection = parent.collection
    for uids, size, test in ((sure, SLICE, None), (doubtful, DOUBTFUL_SLICE, is_wanted)):
        for start in range(0, len(uids), size):
            rows = await _read(view.engine, collection, uids[start : start + size])
            found = as_resources(parent, rows)
            if test is not None:
                await read_data(view.engine, found)
                found = [each for each in found if test(each)]
            if found:
                yield found
