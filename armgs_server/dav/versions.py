# SPDX-License-Identifier: Apache-2.0
"""Earlier states of files, as far as RFC 3253 has words for them: read, restored by COPY or MOVE, removed.

A file that is written gets another state by itself (as with DAV:checkout-checkin, §3.2.2); CHECKIN and
LABEL are not here, so `DAV:` names no version-control. A state is restored by COPY onto the file: its bytes
of now are an earlier state then. After MOVE the restored one is no earlier state any more.
"""

from collections.abc import Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Property, Report, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.headers import parse_destination, parse_overwrite
from armgs_server.dav.methods.put import check_unmoved, target_of
from armgs_server.dav.multistatus import multistatus
from armgs_server.dav.names import dav, href
from armgs_server.dav.paths import parse_path
from armgs_server.dav.resources import (
    Found,
    HistoryResource,
    MemberResource,
    Resource,
    UnmappedResource,
    VersionResource,
    walk_to_write,
)
from armgs_server.dav.version_paths import history_of, states_of
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, parse_propfind_element
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import accounts, items, versions
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.tx import Tx

VERSION_SET = dav("version-set")


async def handle_copy(call: Call) -> Response:
    """201 for a new file, 204 where one was there."""
    return await _restore(call, is_move=False)


async def handle_move(call: Call) -> Response:
    """The same, and the earlier state is gone."""
    return await _restore(call, is_move=True)


async def _restore(call: Call, *, is_move: bool) -> Response:
    source = call.resource
    assert isinstance(source, VersionResource)
    call.require(source, Rights.DELETE_ITEMS if is_move else Rights.READ)
    overwrite = parse_overwrite(call.header("overwrite"))
    path = parse_path(parse_destination(call.header("destination"), call.header("host")))
    place, target = await call.engine.locate_place(call.person, path.segments)
    if place is None:
        raise DavError(403, "Nothing can be put there.")
    if not isinstance(target, MemberResource | UnmappedResource):
        raise DavError(403, "An earlier state of a file can only become a file.")
    parent, name = target_of(call, target)
    if parent.shape is not Shape.FILES:
        raise DavError(403, "An earlier state of a file can only become a file.")
    guard = await Guard.of(call)
    rules = versions.rules(call.engine.config.dav)
    old = source.item

    async def work(tx: Tx) -> bool:
        found = await walk_to_write(tx, place)
        await accounts.hold(tx, (place.owner, old.owner))
        check_unmoved(found, parent)
        state = await versions.get(tx, old.owner, old.collection, old.uid, source.number)
        if state is None:
            raise DavError(404)
        await guard.check(tx, Found(source.parent.chain, old, ()))
        await guard.check_lock(tx, found)
        if found.item is not None and not overwrite:
            raise DavError(412, "The destination exists.")
        ref = BlobRef(state.blob, state.size, None)
        if found.item is not None:
            await items.replace(tx, found.item, ref, state.content_type, rules)
        else:
            await items.add(tx, found.chain[-1], ref, name=name, content_type=state.content_type)
        left = await versions.get(tx, *state[:4])  # there may have been too many
        if is_move and left is not None:
            await versions.remove(tx, [left])
        return found.item is None

    created = await call.engine.store.write(work)
    return Response(201 if created else 204)


async def handle_delete(call: Call) -> Response:
    """An earlier state, or all of a file: gone for good, as what is removed in the trash."""
    resource = call.resource
    file = resource.file if isinstance(resource, HistoryResource) else resource
    assert isinstance(file, MemberResource)
    call.require(file, Rights.DELETE_ITEMS)
    key = (file.item.owner, file.item.collection, file.item.uid)
    number = resource.number if isinstance(resource, VersionResource) else 0

    async def work(tx: Tx) -> None:
        await accounts.hold(tx, key[:1])
        states = [each for each in await versions.of(tx, *key) if number in (0, each.number)]
        if not states:
            raise DavError(404)
        await versions.remove(tx, states)

    await call.engine.store.write(work)
    return Response(204)


async def handle_version_tree(call: Call, root: Element) -> Response:
    """RFC 3253 §3.7: properties of every earlier state of a file."""
    resource = call.resource
    assert isinstance(resource, MemberResource)
    call.require(resource, Rights.READ)
    file = resource.file if isinstance(resource, VersionResource) else resource
    assert file is not None
    view = call.view(parse_propfind_element(root))
    return multistatus(await view.responses(await states_of(call.engine, history_of(file))))


def _version_history(view: View, resource: MemberResource) -> str:
    """§5.2.1, §5.3.1."""
    file = resource.file if isinstance(resource, VersionResource) else resource
    assert file is not None
    return f"<D:version-history>{href(history_of(file).href)}</D:version-history>"


async def _prepare_version_set(view: View, resources: Sequence[Resource]) -> None:
    known: dict[str, str] = view.cache.setdefault(VERSION_SET, {})
    for resource in resources:
        if isinstance(resource, HistoryResource):
            states = await states_of(view.engine, resource)
            known[resource.href] = "".join(href(each.href) for each in states)


def _version_set(view: View, resource: HistoryResource) -> str:
    """§5.1.1."""
    return f"<D:version-set>{view.cache[VERSION_SET][resource.href]}</D:version-set>"


def _version_name(view: View, resource: VersionResource) -> str:
    """§3.3.2."""
    return f"<D:version-name>{resource.number}</D:version-name>"


FEATURE = Feature(
    properties=(
        Property(dav("version-history"), Shape.FILE | Shape.VERSION, _version_history, pure=True),
        Property(VERSION_SET, Shape.HISTORY, _version_set, prepare=_prepare_version_set),
        Property(dav("version-name"), Shape.VERSION, _version_name),
    ),
    methods=(
        Method("COPY", Shape.VERSION, handle_copy),
        Method("MOVE", Shape.VERSION, handle_move),
        Method("DELETE", Shape.VERSION | Shape.HISTORY, handle_delete),
    ),
    reports=(Report(dav("version-tree"), Shape.FILE | Shape.VERSION, handle_version_tree),),
)
