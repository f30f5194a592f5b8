# SPDX-License-Identifier: Apache-2.0
"""MKCOL (RFC 4918 §9.3) and extended MKCOL (RFC 5689): a new collection, with its properties at once."""

from collections.abc import Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Kind, Method, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.methods.proppatch import apply_changes, propstats
from armgs_server.dav.multistatus import document
from armgs_server.dav.names import dav
from armgs_server.dav.resources import CollectionResource, HomeResource, UnmappedResource, walk_to_write
from armgs_server.dav.xml import Element, PropertyChange, name_of, parse_mkcol
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import collections, properties
from armgs_server.storage.tx import Tx

RESOURCETYPE = dav("resourcetype")


async def handle_mkcol(call: Call) -> Response:
    """201; the kind is named by DAV:resourcetype where a home holds several."""
    body = await call.body()
    changes: list[PropertyChange] = []
    if body:
        if "xml" not in (call.header("content-type") or "xml").lower():
            raise DavError(415, "This body is not understood.")  # RFC 4918 §9.3.1
        changes = parse_mkcol(body, dav("mkcol"))
    types = next((change.element for change in changes if change.name == RESOURCETYPE), None)
    kind = _kind_of(call, types)
    return await make(call, kind, [change for change in changes if change.name != RESOURCETYPE])


def _kind_of(call: Call, types: Element | None) -> Kind:
    """The kind of collection that is wanted and may be made here."""
    names = {name_of(child) for child in types} if types is not None else {dav("collection")}
    parent = parent_of(call)
    for kind in call.engine.tables.kinds.values():
        allowed = kind.home == parent.home if isinstance(parent, HomeResource) else kind is parent.kind
        if allowed and names in (set(kind.types), set(kind.made_as or kind.types)) and not kind.provisioned:
            return kind
    condition = dav("valid-resourcetype") if types is not None else ""  # RFC 5689 §3.3
    raise DavError(403, "No such collection can be made here.", condition=condition)


def parent_of(call: Call) -> CollectionResource | HomeResource:
    """Where the new collection is to be; the right to make one there is checked."""
    resource = call.resource
    if not isinstance(resource, UnmappedResource):
        # RFC 4918 §9.3.1: only on an unmapped URL; RFC 5689 §3.3 names the condition.
        raise DavError(405, condition=dav("resource-must-be-null"))
    if resource.parent is None:
        raise DavError(409, "There is no collection to make it in.")
    if isinstance(resource.parent, CollectionResource):
        if not resource.parent.kind.nested:
            raise DavError(403, "Collections cannot be made here.")
        call.require(resource.parent, Rights.CREATE)
    return resource.parent


async def make(
    call: Call,
    kind: Kind,
    changes: Sequence[PropertyChange],
    *,
    answer: str = "D:mkcol-response",
) -> Response:
    """Makes the collection the request names; any property that cannot be set undoes all (RFC 5689 §3)."""
    parent_of(call)
    place = call.place
    assert place is not None
    data, dead, failures = apply_changes(call.engine.tables, kind.shape, {}, changes, making=True)
    if failures:
        return document(answer, propstats(changes, failures), 424 if answer == "D:mkcol-response" else 207)
    guard = await Guard.of(call)

    async def work(tx: Tx) -> None:
        found = await walk_to_write(tx, place)
        if not found.missing:
            raise DavError(405, condition=dav("resource-must-be-null"))
        await guard.check(tx, found)
        await guard.check_lock(tx, found)
        parent = found.chain[-1].id if found.chain else 0
        made = await collections.create(tx, place.owner, kind.name, place.names[-1], parent=parent, data=data)
        await properties.change(tx, made.owner, made.id, 0, dead)
        if kind.made is not None:
            await kind.made(tx, made)

    await call.engine.store.write(work)
    return Response(201, [("Cache-Control", "no-cache")])


METHOD = Method("MKCOL", Shape.UNMAPPED, handle_mkcol)
