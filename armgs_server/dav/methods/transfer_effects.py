# SPDX-License-Identifier: Apache-2.0
"""What a COPY or MOVE brings about elsewhere (RFC 6638 §3.2.3): as if the object had been PUT, or removed.

Within the calendars of one owner an object stays what it is. What comes into them from anywhere else is
like a PUT, what leaves them by a MOVE like a DELETE, and what is overwritten is replaced or removed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from armgs_server.dav.call import Call
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Effects, Put, Removal
from armgs_server.dav.resources import CollectionResource, Found, MemberResource, Place, Resource
from armgs_server.storage.tx import Tx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TransferEffects:
    """At most one of the three is there."""

    arrival: Effects | None = None  # of the object at the destination
    departure: Removal | None = None  # of the source
    overwriting: Removal | None = None  # of the collection at the destination

    async def write(self, call: Call, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Runs the work, as the effects want it."""
        effects = self.arrival or self.departure or self.overwriting
        return await (effects.write if effects is not None else call.engine.store.write)(work)

    async def before_departure(self, tx: Tx, origin: Found) -> None:
        """Before the source goes."""
        if self.departure is not None:
            await self.departure.before_removal(tx, origin.chain[-1], origin.item)

    async def before_overwriting(self, tx: Tx, goal: Found) -> None:
        """Before what is at the destination goes."""
        if self.overwriting is not None:
            await self.overwriting.before_removal(tx, goal.chain[-1], None)


NONE = TransferEffects()


async def of_member(
    put: Put, checked: object, source: MemberResource, target: Resource, *, is_move: bool
) -> TransferEffects:
    """Of one object; `put` is what the destination's kind has checked."""
    here, there = source.parent, put.collection
    stays = is_move and here.kind.home == there.kind.home and here.collection.owner == there.collection.owner
    is_over = isinstance(target, MemberResource) and bool(target.item.keywords)
    begin = there.kind.put_effects
    if begin is not None and (is_over or not stays):
        arrival = await begin(replace(put, call=replace(put.call, resource=target)), checked)
        if arrival is not None:
            return TransferEffects(arrival=arrival)
    end = here.kind.removal_effects
    if end is not None and is_move and not stays:
        return TransferEffects(departure=await end(put.call, here, source.item))
    return NONE


async def of_collection(
    call: Call, source: CollectionResource, target: Resource, place: Place, *, is_move: bool
) -> TransferEffects:
    """Of a calendar or address book with all that is in it."""
    departure = overwriting = None
    if source.kind.removal_effects is not None and is_move and place.owner != source.collection.owner:
        departure = await source.kind.removal_effects(call, source, None)
    if isinstance(target, CollectionResource) and target.kind.removal_effects is not None:
        overwriting = await target.kind.removal_effects(call, target, None)
    if departure is not None and overwriting is not None:
        raise DavError(403, "Remove the collection at the destination first.")
    return TransferEffects(departure=departure, overwriting=overwriting)
