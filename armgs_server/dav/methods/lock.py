# SPDX-License-Identifier: Apache-2.0
"""LOCK and UNLOCK (RFC 4918 §9.10, §9.11, §6, §7)."""

import uuid
from collections.abc import Sequence

from armgs_server.dav import lock_notices
from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Method, Shape
from armgs_server.dav.guard import Guard
from armgs_server.dav.headers import parse_lock_token, parse_timeout
from armgs_server.dav.methods.delete import check_still
from armgs_server.dav.methods.put import check_unmoved, target_of
from armgs_server.dav.multistatus import document
from armgs_server.dav.names import dav, escape
from armgs_server.dav.properties import lockdiscovery
from armgs_server.dav.resources import CollectionResource, MemberResource, UnmappedResource, walk_to_write
from armgs_server.dav.xml import LockInfo, parse_lockinfo
from armgs_server.directory.access import Rights
from armgs_server.directory.administrators import is_administrator
from armgs_server.net.http import Response
from armgs_server.storage import items, locks
from armgs_server.storage.clock import SECOND, now
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx


async def handle_lock(call: Call) -> Response:
    """A new lock, or with an empty body the refresh of one."""
    seconds = parse_timeout(call.header("timeout"), int(call.engine.config.dav.lock_timeout))
    expires = now() + seconds * SECOND
    wanted = parse_lockinfo(await call.body())
    if wanted is None:
        return await _refresh(call, expires)
    depth = call.depth("infinity")
    if depth == "1":
        raise DavError(400, "LOCK needs Depth: 0 or infinity.")  # §9.10.3
    if isinstance(call.resource, UnmappedResource):
        target_of(call, call.resource)
    else:
        call.require(call.resource, Rights.WRITE)
    return await _take(call, wanted, deep=depth == "infinity", expires=expires)


async def _take(call: Call, wanted: LockInfo, *, deep: bool, expires: int) -> Response:
    resource, place = call.resource, call.place
    assert place is not None
    token = f"urn:uuid:{uuid.uuid4()}"
    guard = await Guard.of(call)

    async def work(tx: Tx) -> tuple[Lock, bool]:
        found = await walk_to_write(tx, place)
        await guard.check(tx, found)
        created = bool(found.missing)
        item = found.item
        if isinstance(resource, UnmappedResource):
            assert isinstance(resource.parent, CollectionResource)
            check_unmoved(found, resource.parent)
        else:
            check_still(found, resource)
        if created:
            # §7.3: a lock on an unmapped URL makes an empty resource there.
            await guard.check_lock(tx, found)
            empty = call.engine.store.blobs.small(b"")
            kind = call.engine.tables.kinds[found.chain[-1].kind]
            if kind.check is not None:
                raise DavError(403, "An empty resource is not valid here.")
            item = await items.add(
                tx, found.chain[-1], empty, name=place.names[-1], content_type=kind.content_type
            )
        collection = found.chain[-1]
        lock = Lock(
            collection.owner,
            collection.id,
            item.uid if item else 0,
            token,
            wanted.scope,
            int(deep and item is None),
            call.person.id,
            wanted.holder or f"<D:owner>{escape(call.person.name)}</D:owner>",  # so that others see who it is
            expires,
            resource.href,
        )
        conflicts = await locks.take(tx, lock, [each.id for each in found.chain])
        if conflicts:
            raise _conflict(conflicts)
        return lock, created

    try:
        lock, created = await call.engine.store.write(work)
    except DavError as error:
        if error.status == 423 and isinstance(resource, MemberResource):
            await lock_notices.refused(call, resource)
        raise
    return _answer(call, [lock], 201 if created else 200, (("Lock-Token", f"<{token}>"),))


async def _refresh(call: Call, expires: int) -> Response:
    """§9.10.2: the lock named in the If header, whose root may lie above."""
    resource, place = call.resource, call.place
    assert place is not None
    guard = await Guard.of(call)
    if not guard.tokens:
        # COMPAT: Microsoft Office refreshes without a token to see whether it holds one.
        raise DavError(412, "A refresh needs a lock token in the If header.")
    if isinstance(resource, UnmappedResource):
        raise DavError(412, condition=dav("lock-token-matches-request-uri"))
    call.require(resource, Rights.WRITE)

    async def work(tx: Tx) -> Lock:
        found = await walk_to_write(tx, place)
        uid = found.item.uid if found.item else 0
        chain = [each.id for each in found.chain]
        present = await locks.covering(tx, place.owner, chain, uid) if chain and not found.missing else []
        held = [lock for lock in present if guard.is_submitted(lock)]
        if not held:
            raise DavError(412, condition=dav("lock-token-matches-request-uri"))
        await guard.check(tx, found)
        return await locks.refresh(tx, held[0], expires)

    lock = await call.engine.store.write(work)
    return _answer(call, [lock], 200)


async def handle_unlock(call: Call) -> Response:
    """204; for who took the lock, and who has DAV:unlock: the collection's or department's administrator."""
    resource, place = call.resource, call.place
    assert place is not None and isinstance(resource, MemberResource | CollectionResource)
    token = parse_lock_token(call.header("lock-token"))
    parent = call.require(resource, Rights.READ)
    may_unlock = Rights.ADMIN in parent.rights or await _administers_owner(call, parent)

    async def work(tx: Tx) -> None:
        found = await walk_to_write(tx, place)
        uid = found.item.uid if found.item else 0
        present = await locks.covering(tx, place.owner, [each.id for each in found.chain], uid)
        lock = next((each for each in present if each.token == token), None)
        if lock is None:
            raise DavError(409, condition=dav("lock-token-matches-request-uri"))  # §9.11.1
        if lock.principal != call.person.id and not may_unlock:
            raise DavError(403, "The lock belongs to somebody else.")
        await locks.release(tx, lock)

    await call.engine.store.write(work)
    return Response(204)


async def _administers_owner(call: Call, parent: CollectionResource) -> bool:
    directory = call.engine.directory
    owner = await directory.by_id(parent.collection.owner)
    if owner is None:
        return False
    department = owner.id if owner.kind == "department" else owner.department
    return await is_administrator(directory, call.person, department)


def _conflict(conflicts: Sequence[Lock]) -> DavError:
    roots = dict.fromkeys(lock.root for lock in conflicts)
    content = "".join(f"<D:href>{root}</D:href>" for root in roots)
    return DavError(423, condition=dav("no-conflicting-lock"), content=content)


def _answer(
    call: Call, held: Sequence[Lock], status: int, headers: Sequence[tuple[str, str]] = ()
) -> Response:
    return document(
        "D:prop", lockdiscovery(held, lambda lock: lock.principal == call.person.id), status, headers
    )


METHODS = (
    Method("LOCK", Shape.MEMBER | Shape.COLLECTION | Shape.UNMAPPED, handle_lock),
    Method("UNLOCK", Shape.MEMBER | Shape.COLLECTION, handle_unlock),
)
