# SPDX-License-Identifier: Apache-2.0
"""COPY and MOVE (RFC 4918 §9.8, §9.9): by reference, in one transaction; no bytes are copied.

Within a kind anything may go anywhere its owner's rights allow. A member that comes into another kind of
collection is checked and indexed like one that was PUT.
"""

from dataclasses import dataclass
from typing import Any

from armgs_server.dav import representation, uid_conflicts
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Method, Put, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.headers import parse_destination, parse_overwrite
from armgs_server.dav.methods.delete import check_removable, check_still, locked_below, remove
from armgs_server.dav.methods.put import rules_of
from armgs_server.dav.methods.transfer import (
    arrive_member,
    copy_collection,
    copy_member,
    move_collection,
    move_member,
)
from armgs_server.dav.methods.transfer_effects import NONE, TransferEffects, of_collection, of_member
from armgs_server.dav.paths import parse_path
from armgs_server.dav.resources import (
    CollectionResource,
    Found,
    HomeResource,
    MemberResource,
    Place,
    Resource,
    UnmappedResource,
    walk,
    walk_to_write,
)
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import versions
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx
from armgs_server.storage.versions import Rules


@dataclass(frozen=True, slots=True)
class Destination:
    """Where it goes: the place, what is there now, and what the target kind's check returned."""

    place: Place
    resource: Resource
    checked: Any
    effects: TransferEffects


async def handle_copy(call: Call) -> Response:
    """201 for a new resource, 204 where one was overwritten."""
    return await _transfer(call, is_move=False)


async def handle_move(call: Call) -> Response:
    """The same, and the source is gone."""
    source = call.resource
    response = await _transfer(call, is_move=True)
    if any(name == "Schedule-Tag" for name, _ in response.headers):
        return response
    if isinstance(source, MemberResource) and source.item.keywords and response.status != 207:
        response.headers.append(("Schedule-Tag", f'"{source.item.keywords}"'))  # RFC 6638 §3.2.10
    return response


async def _transfer(call: Call, *, is_move: bool) -> Response:
    source, place = call.resource, call.place
    assert isinstance(source, MemberResource | CollectionResource) and place is not None
    depth = call.depth("infinity")
    if depth == "1" or (is_move and depth == "0" and isinstance(source, CollectionResource)):
        raise DavError(400, "This Depth is not possible here.")  # §9.8.3, §9.9.2
    overwrite = parse_overwrite(call.header("overwrite"))
    call.require(source, Rights.READ)
    if is_move:
        check_removable(call, source)
    target = await _destination(call, source, overwrite=overwrite, is_move=is_move)
    effects = target.effects
    guard = await Guard.of(call)
    rules = rules_of(call, source.parent) if isinstance(source, MemberResource) else None

    async def work(tx: Tx) -> tuple[list[Lock], bool]:
        origin = await walk_to_write(tx, place, target.place)
        check_still(origin, source)
        await guard.check(tx, origin)
        goal = await walk(tx, target.place)
        exists = not goal.missing
        if exists and not overwrite:
            raise DavError(412, "The destination exists.")
        held = await guard.check_removal(tx, origin) if is_move else []
        overwritten = goal.item
        held += await _clear(tx, guard, origin, goal, is_move=is_move, rules=rules, effects=effects)
        if held:
            return held, exists
        await effects.before_departure(tx, origin)
        arrived = None if effects.arrival is None else await effects.arrival.before_put(tx, overwritten)
        if exists:  # it may have been removed
            goal = await walk(tx, target.place)
        if origin.item is None and is_move:
            await move_collection(tx, origin.chain[-1], goal, target.place)
        elif origin.item is None:
            await copy_collection(tx, origin.chain[-1], goal, target.place, deep=depth == "infinity")
        else:
            name, tables = target.place.names[-1], call.engine.tables
            if arrived is not None:
                await arrive_member(tx, origin, goal, name, tables, arrived, is_move=is_move)
            elif is_move:
                await move_member(tx, origin, goal, name, tables, target.checked, rules)
            else:
                await copy_member(tx, origin, goal, name, tables, target.checked, rules)
        return [], exists

    held, existed = await effects.write(call, work)
    if held:
        return locked_below(held)
    response = await _answer(call, target, existed=existed)
    response.headers += effects.arrival.headers if effects.arrival is not None else []
    return response


async def _answer(call: Call, target: Destination, *, existed: bool) -> Response:
    if representation.is_preferred(call):
        made = await call.engine.resource(
            call.person, target.place, await call.engine.store.read(lambda tx: walk(tx, target.place))
        )
        if isinstance(made, MemberResource):
            return await representation.written(call, made.parent, made.item, created=not existed)
    return Response(204 if existed else 201)


async def _clear(
    tx: Tx,
    guard: Guard,
    origin: Found,
    goal: Found,
    *,
    is_move: bool,
    rules: Rules | None,
    effects: TransferEffects,
) -> list[Lock]:
    """Checks the destination's locks and removes what must go before (§9.8.4, §9.9.3)."""
    if goal.missing:
        await guard.check_lock(tx, goal)
        return []
    if goal.item is not None and origin.item is not None and not is_move:
        await guard.check_lock(tx, goal)  # a file over a file is new bytes for the same resource
        return []
    held = await guard.check_removal(tx, goal)
    if not held:
        if rules is not None and goal.item is not None and origin.item is not None:
            await versions.inherit(tx, goal.item, origin.item, rules)
        await effects.before_overwriting(tx, goal)
        await remove(tx, goal)
    return held


async def _destination(call: Call, source: Resource, *, overwrite: bool, is_move: bool) -> Destination:
    """Where the Destination header points to, the rights on it checked, the bytes checked by its kind."""
    path = parse_path(parse_destination(call.header("destination"), call.header("host")))
    place, resource = await call.engine.locate_place(call.person, path.segments)
    if place is None:
        raise DavError(403, "Nothing can be put there.")
    _check_apart(source, resource)
    parent = _parent_of(resource)
    if not isinstance(resource, UnmappedResource):
        if not overwrite:
            raise DavError(412, "The destination exists.")
        check_removable(call, resource)
    if isinstance(source, CollectionResource):
        _check_collection(call, source, place, parent)
        effects = await of_collection(call, source, resource, place, is_move=is_move)
        return Destination(place, resource, None, effects)
    assert isinstance(source, MemberResource)
    if not isinstance(parent, CollectionResource):
        raise DavError(403, "A member lies in a collection.")
    call.require(parent, Rights.INSERT)
    _check_uid(source, parent, resource)
    put = await _put(call, source, parent, place.names[-1])
    checked = None if put is None or parent.kind.check is None else await parent.kind.check(put)
    effects = NONE if put is None else await of_member(put, checked, source, resource, is_move=is_move)
    return Destination(place, resource, checked, effects)


def _check_apart(source: Resource, target: Resource) -> None:
    """§9.8.5, §9.9.4: 403 for the resource itself, or where one lies inside the other."""
    here, there = source.href.rstrip("/") + "/", target.href.rstrip("/") + "/"
    if here.startswith(there) or (there.startswith(here) and isinstance(source, CollectionResource)):
        raise DavError(403, "Source and destination are the same, or one lies in the other.")


def _parent_of(resource: Resource) -> CollectionResource | HomeResource | None:
    """What the destination lies in; None for the top of a tree."""
    if isinstance(resource, MemberResource):
        return resource.parent
    if isinstance(resource, UnmappedResource):
        if resource.parent is None:
            raise DavError(409, "The collection to put it into is missing.")
        return resource.parent
    assert isinstance(resource, CollectionResource)
    if len(resource.chain) < 2:
        return None
    return CollectionResource(resource.shape, "", resource.chain[:-1], resource.kind, resource.rights)


def _check_collection(
    call: Call, source: CollectionResource, place: Place, parent: CollectionResource | HomeResource | None
) -> None:
    if source.kind not in place.kinds:
        raise DavError(403, "This kind of collection cannot lie there.")
    if isinstance(parent, CollectionResource):
        if not parent.kind.nested:
            raise DavError(403, "Collections cannot lie there.")
        call.require(parent, Rights.CREATE)


def _check_uid(source: MemberResource, parent: CollectionResource, target: Resource) -> None:
    """RFC 4791 §5.3.2.1: two objects of one collection have two UIDs, so neither overwrites the other."""
    here, there = source.parent.collection, parent.collection
    is_within = (here.owner, here.id) == (there.owner, there.id)
    if is_within and parent.kind.uid_conflict and isinstance(target, MemberResource):
        raise uid_conflicts.conflict(parent.kind.uid_conflict, parent.href, target.item.name or "")


async def _put(call: Call, source: MemberResource, parent: CollectionResource, name: str) -> Put | None:
    """What the target's kind is to check, and what the source's is to know; None within one collection."""
    here, there = source.parent.collection, parent.collection
    if (here.owner, here.id) == (there.owner, there.id):
        return None
    if parent.kind.check is None:
        return Put(call, parent, name, source.item.content_type, b"")
    limit = parent.kind.size_limit(call.engine.config)
    if source.item.size > limit:
        raise DavError(403, condition=parent.kind.too_large)
    data = await call.engine.store.blobs.read(source.item.blob)
    return Put(call, parent, name, source.item.content_type, data)


METHODS = (
    Method("COPY", Shape.MEMBER | Shape.COLLECTION, handle_copy),
    Method("MOVE", Shape.MEMBER | Shape.COLLECTION, handle_move),
)
