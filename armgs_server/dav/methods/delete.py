# SPDX-License-Identifier: Apache-2.0
"""DELETE (RFC 4918 §9.6): a member, or a collection with everything below it; all or nothing.

Files go to `.trash` (storage/trash.py) and can be moved back from there; in the trash they are removed.
"""

from armgs_server.dav import sharing
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Method, Removal, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.multistatus import multistatus, status_response
from armgs_server.dav.resources import CollectionResource, Found, MemberResource, walk_to_write
from armgs_server.directory.access import Rights
from armgs_server.net.http import Response
from armgs_server.storage import items, trash, trees
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx


async def handle_delete(call: Call) -> Response:
    """204; 207 where something below is locked by somebody else, and then nothing is removed."""
    resource = call.resource
    if await sharing.is_received(call):
        return await sharing.leave(call)
    check_removable(call, resource)
    if isinstance(resource, CollectionResource) and call.depth("infinity") != "infinity":
        raise DavError(400, "DELETE of a collection needs Depth: infinity.")  # §9.6.1
    held = await remove_resource(call, await Guard.of(call))
    return locked_below(held) if held else Response(204)


async def remove_resource(call: Call, guard: Guard) -> list[Lock]:
    """Removes what was asked for, unless the locks that are returned stand in the way."""
    resource, place = call.resource, call.place
    assert place is not None
    effects = await _effects(call, resource)

    async def work(tx: Tx) -> list[Lock]:
        found = await walk_to_write(tx, place)
        check_still(found, resource)
        await guard.check(tx, found)
        held = await guard.check_removal(tx, found)
        if not held:
            if effects is not None:
                await effects.before_removal(tx, found.chain[-1], found.item)
            if is_kept(call, found):
                await throw_away(tx, found)
            else:
                days = 0 if found.chain[-1].kind == trash.KIND else call.engine.config.dav.trash_days
                await remove(tx, found, days)
        return held

    return await (call.engine.store.write if effects is None else effects.write)(work)


async def _effects(call: Call, resource: object) -> Removal | None:
    """What the removal brings about elsewhere."""
    if isinstance(resource, MemberResource):
        parent, item = resource.parent, resource.item
    else:
        assert isinstance(resource, CollectionResource)
        parent, item = resource, None
    begin = parent.kind.removal_effects
    return await begin(call, parent, item) if begin is not None else None


def check_removable(call: Call, resource: object) -> None:
    """The right to remove a resource."""
    if isinstance(resource, MemberResource):
        call.require(resource, Rights.DELETE_ITEMS)
        return
    assert isinstance(resource, CollectionResource)
    call.require(resource, Rights.DELETE_COLLECTION)
    if resource.collection.role:  # the root of files, the default calendar, the directory's cards …
        is_calendar = resource.shape is Shape.CALENDAR  # RFC 6638 §4.3
        condition = "{urn:ietf:params:xml:ns:caldav}default-calendar-needed" if is_calendar else ""
        raise DavError(403, "This collection belongs to the account.", condition=condition)


def check_still(found: Found, resource: object) -> None:
    """404 where what was asked for has gone or been replaced meanwhile."""
    if isinstance(resource, MemberResource):
        is_same = found.item is not None and not found.missing and found.item.uid == resource.item.uid
    else:
        assert isinstance(resource, CollectionResource)
        is_same = bool(found.chain) and found.chain[-1].id == resource.collection.id and not found.missing
        is_same = is_same and found.item is None
    if not is_same:
        raise DavError(404)


def is_kept(call: Call, found: Found) -> bool:
    """Whether what is deleted goes to the trash: files do, unless they lie in it or it is switched off."""
    collection = found.chain[-1]
    if collection.kind != trash.KIND or not call.engine.config.dav.trash_days:
        return False
    if len(found.chain) == 1:  # a file in the root; one that has the trash's name leaves it no room
        return found.item is not None and found.item.name != trash.NAME
    return not trash.is_inside(found.chain)


async def throw_away(tx: Tx, found: Found) -> None:
    """Moves what was found to its owner's trash."""
    if found.item is not None:
        await trash.throw_item(tx, found.chain[-1], found.item)
    else:
        await trash.throw_tree(tx, found.chain[-1])


async def remove(tx: Tx, found: Found, keep_days: int = 0) -> None:
    """Removes what was found; `armgs undelete` brings it back for so many days."""
    if found.item is not None:
        await items.remove(tx, found.chain[-1], [found.item.uid], keep_days=keep_days)
    else:
        await trees.delete(tx, found.chain[-1], keep_days=keep_days)


def locked_below(held: list[Lock]) -> Response:
    """§9.6.1: which members stood in the way."""
    roots = dict.fromkeys(lock.root for lock in held)
    condition = "<D:lock-token-submitted><D:href>{}</D:href></D:lock-token-submitted>"
    return multistatus(status_response(root, 423, condition.format(root)) for root in roots)


METHOD = Method("DELETE", Shape.MEMBER | Shape.COLLECTION, handle_delete)
