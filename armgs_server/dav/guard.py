# SPDX-License-Identifier: Apache-2.0
"""Guard: the preconditions and locks of one write, checked inside the transaction that writes.

Invariant: between the check and the write nothing else can happen: both are in one transaction that began
with `walk_to_write`, so no other writer changes the owner's tree meanwhile.
A lock protects against whoever does not submit its token; a token counts only for who took the lock
(RFC 4918 §6.4).
"""

from collections.abc import Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.conditions import (
    ConditionList,
    ResourceState,
    evaluate_if,
    evaluate_preconditions,
    parse_if,
    submitted_tokens,
)
from armgs_server.dav.errors import DavError
from armgs_server.dav.paths import parse_target
from armgs_server.dav.resources import CollectionResource, Found, MemberResource, Place, walk
from armgs_server.directory.access import Rights
from armgs_server.errors import NotFound
from armgs_server.storage import locks
from armgs_server.storage.clock import SECOND
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx

NOTHING = ResourceState("", ())
MAX_TAGS = 100  # resources named by one If header: each is looked up inside the writing transaction


class Guard:
    """Made before the transaction, since finding whose a path is asks the directory."""

    def __init__(self, call: Call, lists: Sequence[ConditionList]) -> None:
        self._call = call
        self._lists = lists
        self._places: dict[str, Place] = {}
        self.tokens = submitted_tokens(lists)

    @classmethod
    async def of(cls, call: Call) -> "Guard":
        """The guard of a request, its If header parsed and its tagged resources placed."""
        header = call.header("if")
        guard = cls(call, parse_if(header) if header is not None else ())
        tags = {each.resource for each in guard._lists if each.resource is not None}
        if len(tags) > MAX_TAGS:
            raise DavError(400, "The If header names too many resources.")
        for tag in tags:
            try:
                segments = parse_target(tag).segments
                place, resource = await call.engine.locate_place(call.person, segments)
                if isinstance(resource, MemberResource | CollectionResource):
                    call.require(resource, Rights.READ)  # an entity tag tells what the content is
            except (DavError, NotFound):
                continue  # a resource that is not here, or not for the asker, is in no state at all
            if place is not None:
                guard._places[tag] = place
        return guard

    async def check(self, tx: Tx, found: Found) -> None:
        """The If header and RFC 9110 §13 against the resource of the request; 412."""
        etag = found.item.etag if found.item else ("" if not found.missing else None)
        modified = found.item.modified // SECOND if found.item else 0
        outcome = evaluate_preconditions(self._call.header, reading=False, etag=etag, modified=modified)
        if outcome == "failed":
            raise DavError(412, "A condition of the request does not hold.")
        wanted = self._call.header("if-schedule-tag-match")
        if wanted is not None and (found.item is None or wanted.strip().strip('"') != found.item.keywords):
            raise DavError(412, "The schedule tag is another one by now.")  # RFC 6638 §8.3
        if not self._lists:
            return
        states: dict[str | None, ResourceState] = {None: await _state(tx, found)}
        for tag, place in self._places.items():
            states[tag] = await _state(tx, await walk(tx, place))
        if not evaluate_if(self._lists, lambda tag: states.get(tag, NOTHING)):
            raise DavError(412, "The If header does not hold.")

    async def check_lock(self, tx: Tx, found: Found) -> None:
        """423 where the resource, or the collection a new one would come into, is locked by another."""
        if found.item is not None and not found.missing:
            await self._check_covering(tx, found, found.item.uid)
        else:
            await self._check_covering(tx, found, 0)

    async def check_removal(self, tx: Tx, found: Found) -> list[Lock]:
        """423 where the resource or its parent is locked; returns the locks of others somewhere below."""
        await self.check_lock(tx, found)
        if found.item is not None:
            await self._check_covering(tx, found, 0)
            return []
        collection = found.chain[-1]
        if len(found.chain) > 1:
            await self._check_covering(tx, Found(found.chain[:-1], None, ()), 0)
        below = await locks.below(tx, collection.owner, collection.id)
        return [lock for lock in below if not self.is_submitted(lock)]

    def is_submitted(self, lock: Lock) -> bool:
        """Whether the request may act under this lock."""
        return lock.token in self.tokens and lock.principal == self._call.person.id

    async def _check_covering(self, tx: Tx, found: Found, uid: int) -> None:
        present = await _covering(tx, found, uid)
        if present and not any(self.is_submitted(lock) for lock in present):
            roots = "".join(f"<D:href>{lock.root}</D:href>" for lock in present)
            raise DavError(423, condition="{DAV:}lock-token-submitted", content=roots)


async def _covering(tx: Tx, found: Found, uid: int) -> list[Lock]:
    if not found.chain:
        return []
    chain = [each.id for each in found.chain]
    return await locks.covering(tx, found.chain[-1].owner, chain, uid)


async def _state(tx: Tx, found: Found) -> ResourceState:
    """The entity tag and the tokens of the locks that cover a resource."""
    if found.item is not None and not found.missing:
        covering = await _covering(tx, found, found.item.uid)
        return ResourceState(found.item.etag, {lock.token for lock in covering})
    covering = await _covering(tx, found, 0)
    if found.missing:  # what is not there yet is covered by the deep locks above it
        covering = [lock for lock in covering if lock.deep]
    return ResourceState("", {lock.token for lock in covering})
