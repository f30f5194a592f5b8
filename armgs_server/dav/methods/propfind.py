# SPDX-License-Identifier: Apache-2.0
"""PROPFIND (RFC 4918 §9.1): properties of a resource and of what lies in it, sent while they are read."""

from collections.abc import AsyncIterator, Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Method, Shape
from armgs_server.dav.listing import member_texts
from armgs_server.dav.multistatus import multistatus, stream_texts
from armgs_server.dav.names import dav
from armgs_server.dav.resources import (
    CollectionResource,
    MemberResource,
    Resource,
    child_collection,
)
from armgs_server.dav.version_paths import shown_in
from armgs_server.dav.view import View
from armgs_server.dav.xml import parse_propfind
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import collections


async def handle_propfind(call: Call) -> Response:
    """Depth 0, 1, or infinity up to a limit."""
    depth = call.depth("infinity")
    asked = parse_propfind(await call.body())
    view = call.view(asked)
    if isinstance(call.resource, CollectionResource | MemberResource):
        call.require(call.resource, Rights.READ)
    if depth == "0" or isinstance(call.resource, MemberResource):
        return multistatus(await view.responses([call.resource]), headers=call.headers)
    is_rootless = "depth-noroot" in call.preferences
    if is_rootless:
        call.note_applied("depth-noroot")
    tree = [call.resource] if depth == "1" else await folder_tree(call, call.resource)
    return stream_texts(_texts(call, view, tree, depth, is_rootless=is_rootless), headers=call.headers)


async def _texts(
    call: Call, view: View, tree: Sequence[Resource], depth: str, *, is_rootless: bool
) -> AsyncIterator[Sequence[str]]:
    """The folders, each with its members; of Depth 1 also the folders in the only one."""
    for resource in tree:
        below = await shown_folders(call, resource) if depth == "1" else []
        # RFC 8144 §4: the client has the root's properties already.
        itself = [] if is_rootless and resource is tree[0] else [resource]
        yield await view.responses([*itself, *below])
        if isinstance(resource, CollectionResource):
            async for page in member_texts(view, resource):
                yield page


async def child_folders(call: Call, resource: Resource) -> list[Resource]:
    """What lies in a resource apart from items, as far as the person may look it up."""
    if not isinstance(resource, CollectionResource):
        return await call.engine.children(call.person, resource)
    if not resource.kind.nested:
        return []
    above = resource.collection
    found: list[Resource] = []
    for child in await call.engine.store.read(
        lambda tx: collections.children(tx, above.owner, above.id, above.kind)
    ):
        rights = await call.engine.rights(call.person, child)
        if Rights.LOOKUP in rights:
            found.append(child_collection(resource, child, rights))
    return found


async def shown_folders(call: Call, resource: Resource) -> list[Resource]:
    """The same for who looks into one folder: with the earlier states of files, which belong to no tree."""
    return [*(await child_folders(call, resource)), *(await shown_in(call.engine, resource))]


async def folder_tree(call: Call, resource: Resource) -> list[Resource]:
    """All folders below a resource and itself; 403 where they hold more than the limit (§9.1)."""
    limit = call.engine.config.dav.depth_infinity
    tree, size = [resource], 0
    position = 0
    while position < len(tree):
        folder = tree[position]
        position += 1
        size += 1 + (folder.collection.items if isinstance(folder, CollectionResource) else 0)
        if size > limit:
            raise DavError(403, condition=dav("propfind-finite-depth"))
        tree += await child_folders(call, folder)
    return tree


METHOD = Method("PROPFIND", Shape.ANY, handle_propfind)
