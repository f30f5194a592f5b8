# SPDX-License-Identifier: Apache-2.0
"""With whom a calendar or an address book is shared, in the words of caldav-sharing.

What is granted to a person or a group on the collection itself is a share that has been accepted, by whatever
means it was granted; beside these are the invitations that wait for an answer or were declined. Delegates are
no sharees, and what a department, a room or a group owns is shared by the directory, not by invitation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from armgs_server.dav.engine import Engine
from armgs_server.dav.features import Shape
from armgs_server.dav.names import dav
from armgs_server.dav.paths import quote
from armgs_server.dav.resources import CollectionResource, Resource, principal_href
from armgs_server.dav.view import View
from armgs_server.directory.access import EVERYBODY, Rights
from armgs_server.directory.model import Principal
from armgs_server.storage import scheduling, shares
from armgs_server.storage.collections import Collection
from armgs_server.storage.shares import Share
from armgs_server.storage.tx import Tx

SHAPES = Shape.CALENDAR | Shape.ADDRESSBOOK
TYPE = dav("resourcetype")


@dataclass(frozen=True, slots=True)
class Sharee:
    """CS:user (§6.5)."""

    principal: Principal
    status: str
    access: str
    summary: str


@dataclass(frozen=True, slots=True)
class State:
    """Of one collection as one person sees it; `mark` is the element in DAV:resourcetype, if any."""

    owner: Principal
    mark: str = ""
    sharees: tuple[Sharee, ...] = ()


def access_of(rights: Rights) -> str:
    """§5.5.1: which of the two levels rights come nearest to."""
    return "read-write" if Rights.WRITE | Rights.INSERT in rights else "read"


async def state(engine: Engine, person: Principal, resource: CollectionResource) -> State | None:
    """None for what cannot be shared by invitation."""
    collection = resource.collection
    is_own = collection.owner == person.id
    owner = person if is_own else await engine.directory.by_id(collection.owner)
    if owner is None or owner.kind != "person":
        return None
    if is_own or Rights.ADMIN in resource.rights:
        found = await sharees(engine, collection)
        return State(owner, "shared-owner" if is_own and found else "", found)
    if not resource.href.startswith(f"/dav/{resource.kind.home}/{quote(person.address)}/"):
        return State(owner)
    # §5.2.2: who else was invited is not told to those who were.
    mine = [each for each in await sharees(engine, collection) if each.principal.id == person.id]
    return State(owner, "shared", tuple(mine))


async def sharees(engine: Engine, collection: Collection) -> tuple[Sharee, ...]:
    """Everybody a collection is shared with, and those who were asked."""
    grants = await engine.directory.access.grants(collection)
    is_invited = shares.MARK in collection.data
    if not grants and not is_invited:
        return ()

    async def work(tx: Tx) -> tuple[list[Share], set[int]]:
        rows = await shares.of(tx, collection.owner, collection.id) if is_invited else []
        return rows, await delegates_of(tx, collection.owner)

    rows, delegates = await engine.store.read(work)
    by_sharee = {row.sharee: row for row in rows}
    skipped = {EVERYBODY, *(delegates - by_sharee.keys())}
    found = []
    for number in sorted({*by_sharee, *grants} - skipped):
        each = await _sharee(engine, number, by_sharee.get(number), grants)
        if each is not None:
            found.append(each)
    return tuple(found)


async def delegates_of(tx: Tx, owner: int) -> set[int]:
    """Who acts for an owner (calendar_proxy.py)."""
    outbox = await scheduling.outbox(tx, owner)
    return {each for mode in ("read", "write") for each in scheduling.proxies(outbox, mode)}


async def _sharee(
    engine: Engine, number: int, row: Share | None, grants: Mapping[int, Rights]
) -> Sharee | None:
    principal = await engine.directory.by_id(number)
    if principal is None or principal.disabled or not principal_href(principal):
        return None
    rights = grants.get(number, Rights(0))
    if Rights.LOOKUP in rights:
        return Sharee(principal, shares.ACCEPTED, access_of(rights), row.summary if row else "")
    if row is None or row.status == shares.ACCEPTED:
        return None  # what had been accepted has been taken back by an ACL
    return Sharee(principal, row.status, row.access, row.summary)


async def prepare(view: View, resources: Sequence[Resource]) -> None:
    """The states of the collections among the resources, by href."""
    known: dict[str, State | None] = view.cache.setdefault(TYPE, {})
    for resource in resources:
        if type(resource) is CollectionResource and resource.shape in SHAPES and resource.href not in known:
            known[resource.href] = await state(view.engine, view.person, resource)


def known_state(view: View, resource: CollectionResource) -> State | None:
    """What `prepare` has found."""
    found: State | None = view.cache[TYPE].get(resource.href)
    return found
