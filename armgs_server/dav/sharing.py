# SPDX-License-Identifier: Apache-2.0
"""Sharing as Apple's clients do it (Calendar Server's caldav-sharing): invitations to calendars and books.

The owner invites by POST to the collection (`handle_share`), the person invited finds a notification and
answers by POST to the own home (`handle_reply`). What was accepted is an ordinary grant: it lies in that home
as NAME_shared_by_ADDRESS like everything else that is shared, and DELETE there gives it back (`leave`).
Until then nothing is granted. Calendars are not published (§5.5.2: no CS:can-be-published).
"""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.dav.call import Call
from armgs_server.dav.engine import SHARED_BY
from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Feature, Method, Property, Shape
from armgs_server.dav.multistatus import document, multistatus, status_response
from armgs_server.dav.names import element, escape, href
from armgs_server.dav.notifications import cs, notify
from armgs_server.dav.resources import CollectionResource, HomeResource, walk
from armgs_server.dav.sharing_messages import href_of, invitation, organizer, reply_to, uid_of, user_element
from armgs_server.dav.sharing_requests import (
    VALID_REQUEST,
    Order,
    Reply,
    parse_reply,
    parse_share,
    status_element,
)
from armgs_server.dav.sharing_state import SHAPES, access_of, delegates_of, known_state, prepare, sharees
from armgs_server.dav.view import View
from armgs_server.dav.xml import Element, parse_document
from armgs_server.directory.access import (
    NOTHING,
    READ_ONLY,
    READ_WRITE,
    Rights,
    granted,
    put_grant,
)
from armgs_server.directory.model import Principal
from armgs_server.errors import NotFound
from armgs_server.formats.itip import plain
from armgs_server.net.http import Response
from armgs_server.storage import accounts, collections, shares
from armgs_server.storage.collections import Collection
from armgs_server.storage.shares import ACCEPTED, DECLINED, NO_RESPONSE, Share
from armgs_server.storage.tx import Tx

# §5.5.1. Who may write does not remove the calendar itself.
RIGHTS = {"read": READ_ONLY, "read-write": READ_WRITE & ~(Rights.CREATE | Rights.DELETE_COLLECTION)}


async def handle_share(call: Call, root: Element) -> Response:
    """§5.3.2: 200; 207 where somebody cannot be invited, and then nobody is."""
    resource = call.resource
    assert isinstance(resource, CollectionResource) and call.place is not None
    call.require(resource, Rights.ADMIN)
    owner = await call.engine.directory.by_id(resource.collection.owner)
    if owner is None or owner.kind != "person":
        raise DavError(403, "This is not shared by invitation.", condition=VALID_REQUEST)
    orders = parse_share(root, call.engine.config.dav.sharees)
    found = [(order, await _sharee(call, order, owner)) for order in orders]
    if any(person is None for _, person in found):
        texts = [
            status_response(escape(order.address), 403 if person is None else 424) for order, person in found
        ]
        return multistatus(texts, headers=call.headers)
    known = [(order, person) for order, person in found if person is not None]
    await _check_limit(call, resource, known)
    await call.engine.store.write(lambda tx: _share(tx, call, owner, known))
    return Response(200, [("Cache-Control", "no-cache")])


async def _sharee(call: Call, order: Order, owner: Principal) -> Principal | None:
    """Somebody with a home on this server, by principal URL or calendar user address."""
    address = plain(order.address)
    person = await call.engine.directory.by_address(address) if "@" in address else None
    if person is None or person.id == owner.id:
        return None
    if order.access and (person.kind != "person" or person.disabled):
        return None
    return person


async def _check_limit(
    call: Call, resource: CollectionResource, orders: Sequence[tuple[Order, Principal]]
) -> None:
    people = {each.principal.id for each in await sharees(call.engine, resource.collection)}
    for order, person in orders:
        if order.access:
            people.add(person.id)
        else:
            people.discard(person.id)
    limit = call.engine.config.dav.sharees
    if len(people) > limit:
        raise DavError(403, f"It can be shared with {limit} people.", condition=VALID_REQUEST)


async def _share(tx: Tx, call: Call, owner: Principal, orders: Sequence[tuple[Order, Principal]]) -> None:
    """Carries out all orders, and marks the collection as one that is shared or is no longer."""
    assert call.place is not None and isinstance(call.resource, CollectionResource)
    await accounts.hold(tx, (owner.id, *(person.id for _, person in orders)))
    found = await walk(tx, call.place)
    if not found.chain or found.missing or found.item or found.chain[-1].id != call.resource.collection.id:
        raise NotFound()
    collection = found.chain[-1]
    present = {row.sharee: row for row in await shares.of(tx, collection.owner, collection.id)}
    delegates = await delegates_of(tx, owner.id)
    for order, person in orders:
        if person.id in delegates - present.keys():
            continue  # who acts for the owner has the calendar anyway, and keeps it
        before = await granted(tx, collection, person.id)
        row = present.get(person.id)
        if order.access:
            changed = await _invite(tx, collection, person, order, row, before)
        else:
            changed = await _uninvite(tx, collection, person, row, before)
        if changed is not None:
            status = "<CS:invite-deleted/>" if not order.access else status_element(changed.status)
            message = invitation(owner, person, collection, changed, status)
            await notify(tx, call.engine.store, person.id, message, call.engine.config.dav.notifications)
    await shares.mark(tx, collection)


async def _invite(
    tx: Tx, collection: Collection, person: Principal, order: Order, row: Share | None, before: Rights
) -> Share | None:
    """What is to be told to the person; None where nothing has changed for them."""
    is_accepted = Rights.LOOKUP in before
    summary = order.summary or (row.summary if row is not None else "")
    status = ACCEPTED if is_accepted else NO_RESPONSE  # who had declined is asked anew
    share = Share(collection.owner, collection.id, person.id, order.access, status, summary)
    is_same = is_accepted and access_of(before) == order.access
    if is_accepted and not is_same:
        await put_grant(tx, collection, person.id, RIGHTS[order.access])
    if share == row or (is_same and row is None):
        return None
    await shares.put(tx, share)
    return share


async def _uninvite(
    tx: Tx, collection: Collection, person: Principal, row: Share | None, before: Rights
) -> Share | None:
    """The same; who was not invited is not told."""
    await put_grant(tx, collection, person.id, NOTHING)
    await shares.remove(tx, collection, [person.id])
    if row is None and Rights.LOOKUP not in before:
        return None
    access = row.access if row is not None else access_of(before)
    return Share(collection.owner, collection.id, person.id, access, ACCEPTED, row.summary if row else "")


async def handle_reply(call: Call) -> Response:
    """§5.4.1: 200 with where the shared collection lies in the home, or 204 for who declines."""
    home, person = call.resource, call.person
    assert isinstance(home, HomeResource)
    reply = parse_reply(parse_document(await call.body()))
    if home.principal.id != person.id:
        raise DavError(403, "Everybody answers in the own home.", condition=VALID_REQUEST)
    rows = await call.engine.store.read(lambda tx: shares.of_sharee(tx, person.id))
    share = next((row for row in rows if uid_of(row) == reply.uid), None)
    owner = await call.engine.directory.by_id(share.owner) if share is not None else None
    if share is None or owner is None:
        raise _invalid_share()
    collection = await call.engine.store.write(lambda tx: _answer(tx, call, owner, share, reply))
    if not reply.is_accepted:
        return Response(204)
    name = f"{collection.name}{SHARED_BY}{owner.address}"
    return document("CS:shared-as", href(href_of(person.address, collection, name)))


def _invalid_share() -> DavError:
    return DavError(403, "There is no such invitation.", condition=cs("invalid-share"))


async def _answer(tx: Tx, call: Call, owner: Principal, share: Share, reply: Reply) -> Collection:
    """Grants what was offered, or takes it back, and tells the owner."""
    await accounts.hold(tx, (share.owner, share.sharee))
    rows = await shares.of(tx, share.owner, share.collection)
    row = next((each for each in rows if each.sharee == share.sharee), None)
    if row is None:
        raise _invalid_share()
    collection = await collections.get(tx, row.owner, row.collection)
    before = await granted(tx, collection, row.sharee)
    if row.status == ACCEPTED and Rights.LOOKUP not in before:
        raise _invalid_share()  # an ACL request has taken it back meanwhile
    await put_grant(tx, collection, row.sharee, RIGHTS[row.access] if reply.is_accepted else NOTHING)
    status = ACCEPTED if reply.is_accepted else DECLINED
    await shares.put(tx, row._replace(status=status))
    message = reply_to(call.person, owner, collection, row._replace(status=status), reply.summary)
    await notify(tx, call.engine.store, row.owner, message, call.engine.config.dav.notifications)
    return collection


async def is_received(call: Call) -> bool:
    """Whether somebody else's collection is asked for in the own home, and shared with this very person."""
    resource = call.resource
    if not isinstance(resource, CollectionResource) or resource.shape not in SHAPES:
        return False
    if resource.collection.owner == call.person.id or call.place is None or not call.place.alias:
        return False
    holder = await call.engine.directory.by_address(call.path.segments[2])
    if holder is None or holder.id != call.person.id:
        return False
    found = await sharees(call.engine, resource.collection)
    return any(each.principal.id == call.person.id and each.status == ACCEPTED for each in found)


async def leave(call: Call) -> Response:
    """§5.4.2: DELETE in the own home declines; the calendar stays as it is."""
    assert isinstance(call.resource, CollectionResource)
    collection = call.resource.collection
    owner = await call.engine.directory.by_id(collection.owner)
    if owner is None:
        raise NotFound()
    await call.engine.store.write(lambda tx: _leave(tx, call, owner, collection))
    return Response(204)


async def _leave(tx: Tx, call: Call, owner: Principal, collection: Collection) -> None:
    number = call.person.id
    await accounts.hold(tx, (collection.owner, number))
    collection = await collections.get(tx, collection.owner, collection.id)
    before = await granted(tx, collection, number)
    rows = await shares.of(tx, collection.owner, collection.id)
    row = next((each for each in rows if each.sharee == number), None)
    share = Share(collection.owner, collection.id, number, access_of(before), DECLINED, "")
    await put_grant(tx, collection, number, NOTHING)
    if row is not None:  # what was granted by ACL is no offer that could be accepted again
        share = row._replace(status=DECLINED)
        await shares.put(tx, share)
    message = reply_to(call.person, owner, collection, share, "")
    await notify(tx, call.engine.store, collection.owner, message, call.engine.config.dav.notifications)


def _invite_property(view: View, resource: CollectionResource) -> str | None:
    """§5.2.2."""
    found = known_state(view, resource)
    if found is None or not (found.sharees or found.mark):
        return None
    sharer = organizer(found.owner) if found.mark == "shared" else ""
    return element(cs("invite"), sharer + "".join(map(user_element, found.sharees)))


def _shared_url(view: View, resource: CollectionResource) -> str | None:
    """§5.2.4."""
    found = known_state(view, resource)
    if found is None or found.mark != "shared":
        return None
    return element(cs("shared-url"), href(href_of(found.owner.address, resource.collection)))


def _allowed_sharing_modes(view: View, resource: CollectionResource) -> str | None:
    """§5.2.3."""
    found = known_state(view, resource)
    if found is None or Rights.ADMIN not in resource.rights:
        return None
    return element(cs("allowed-sharing-modes"), "<CS:can-be-shared/>")


FEATURE = Feature(
    compliance=("calendarserver-sharing",),
    properties=(
        Property(cs("invite"), SHAPES, _invite_property, prepare=prepare),
        Property(cs("shared-url"), SHAPES, _shared_url, prepare=prepare),
        Property(cs("allowed-sharing-modes"), SHAPES, _allowed_sharing_modes, prepare=prepare),
    ),
    methods=(Method("POST", Shape.HOME, handle_reply),),
)
