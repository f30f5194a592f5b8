# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §8, §9, §10.3-§10.8: who changes whose role or affiliation, and what follows from it.

A request is checked as a whole before anything of it is done; affiliations are in the store before
anybody hears of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.storage import rooms
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps.xep_0045_invitations import reason_of
from armgs_server.xmpp.xeps.xep_0045_presence import Change, broadcast, remove
from armgs_server.xmpp.xeps.xep_0045_room import ADMIN, Affiliation, Occupant, Role, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

ITEMS_LIMIT = 500  # items in one request

_ROLES = {role.text: role for role in Role}
_AFFILIATIONS = {affiliation.text: affiliation for affiliation in Affiliation}


@dataclass(frozen=True, slots=True)
class _RoleChange:
    occupant: Occupant
    role: Role
    reason: str


@dataclass(frozen=True, slots=True)
class _AffiliationChange:
    bare: str
    affiliation: Affiliation
    reason: str


# Asking


def handle_get(room: Room, actor: JID, query: etree._Element) -> bytes:
    """The list of one role (§8.4, §9.7) or affiliation (§9.2, §9.5, §10.5, §10.8)."""
    wanted = query.find(f"{{{ADMIN}}}item")
    if wanted is None:
        raise StanzaError("bad-request", "which list?")
    role, affiliation = _ROLES.get(wanted.get("role", "")), _AFFILIATIONS.get(wanted.get("affiliation", ""))
    if role is not None:
        items = _role_list(room, actor, role)
    elif affiliation is not None:
        items = _affiliation_list(room, actor, affiliation)
    else:
        raise StanzaError("bad-request", "no such role or affiliation")
    return element("query", {"xmlns": ADMIN}, items)


def _role_list(room: Room, actor: JID, role: Role) -> bytes:
    seat = room.seats.get(actor.full)
    if seat is None or seat.occupant.role is not Role.MODERATOR:
        raise StanzaError("forbidden")
    return b"".join(
        element(
            "item",
            {
                "affiliation": room.affiliation_of(occupant).text,
                "role": role.text,
                "nick": occupant.nick,
                "jid": occupant.bare.full,
            },
        )
        for occupant in room.occupants.values()
        if occupant.role is role
    )


def _affiliation_list(room: Room, actor: JID, affiliation: Affiliation) -> bytes:
    own = room.affiliation(actor)
    # Those who see real addresses anyway may see who belongs to the room: clients encrypt to them.
    may_see = room.config.is_non_anonymous and actor.full in room.seats and affiliation > Affiliation.NONE
    if own < Affiliation.ADMIN and not may_see:
        raise StanzaError("forbidden")
    return b"".join(
        element("item", {"affiliation": affiliation.text, "jid": bare})
        for bare in room.with_affiliation(affiliation)
    )


# Changing


async def handle_set(server: Server, room: Room, actor: JID, query: etree._Element) -> bytes:
    """§8.2-§8.3, §9, §10.3-§10.8: any number of items of either kind."""
    items = query.findall(f"{{{ADMIN}}}item")
    if not items or len(items) > ITEMS_LIMIT:
        raise StanzaError("bad-request", f"1 to {ITEMS_LIMIT} items")
    roles: list[_RoleChange] = []
    affiliations: list[_AffiliationChange] = []
    for item in items:
        if item.get("affiliation"):
            affiliations.append(_parse_affiliation(room, actor, item))
        else:
            roles.append(_parse_role(room, actor, item))
    _check_owners(room, affiliations)
    await set_affiliations(server, room, affiliations_actor(room, actor), affiliations)
    for change in roles:
        set_role(server, room, change.occupant, change.role, affiliations_actor(room, actor), change.reason)
    return b""


def affiliations_actor(room: Room, actor: JID) -> str:
    """The nick of who does it, "" for somebody who is not in the room."""
    seat = room.seats.get(actor.full)
    return seat.occupant.nick if seat is not None else ""


def _parse_role(room: Room, actor: JID, item: etree._Element) -> _RoleChange:
    seat = room.seats.get(actor.full)
    role = _ROLES.get(item.get("role", ""))
    if role is None:
        raise StanzaError("bad-request", "no such role")
    if seat is None or seat.occupant.role is not Role.MODERATOR:
        raise StanzaError("forbidden", "only moderators may")  # §8.2
    occupant = room.occupants.get(item.get("nick", ""))
    if occupant is None:
        raise StanzaError("item-not-found", "nobody has this nickname")
    own, other = room.affiliation(actor), room.affiliation_of(occupant)
    if other > own or (role < occupant.role and other >= Affiliation.ADMIN and own < Affiliation.OWNER):
        raise StanzaError("not-allowed", "not with somebody of that standing")  # §8.2, §8.4
    if Role.MODERATOR in (role, occupant.role) and role is not Role.NONE and own < Affiliation.ADMIN:
        raise StanzaError("not-allowed", "only admins make or unmake moderators")  # §9.6
    return _RoleChange(occupant, role, reason_of(item))


def _parse_affiliation(room: Room, actor: JID, item: etree._Element) -> _AffiliationChange:
    affiliation = _AFFILIATIONS.get(item.get("affiliation", ""))
    if affiliation is None:
        raise StanzaError("bad-request", "no such affiliation")
    bare = _target(room, item)
    own, other = room.affiliation(actor), room.affiliations.get(bare, Affiliation.NONE)
    if own < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins and owners may")
    if bare == actor.bare and affiliation is Affiliation.OUTCAST:
        raise StanzaError("conflict", "nobody bans himself")  # §9.1
    if own is not Affiliation.OWNER and max(affiliation, other) >= Affiliation.ADMIN:
        raise StanzaError("not-allowed", "only owners may")  # §10.3-§10.6
    return _AffiliationChange(bare, affiliation, reason_of(item))


def _target(room: Room, item: etree._Element) -> str:
    """The bare JID that an item is about; it may name an occupant by nick."""
    occupant = room.occupants.get(item.get("nick", "")) if not item.get("jid") else None
    if occupant is not None:
        return occupant.bare.full
    try:
        return jids.parse(item.get("jid", "")).bare
    except DomainError as error:
        raise StanzaError("jid-malformed") from error


def _check_owners(room: Room, changes: list[_AffiliationChange]) -> None:
    """§10.4: "a room MUST have at least one owner"."""
    if not changes:
        return
    owners = set(room.with_affiliation(Affiliation.OWNER))
    for change in changes:
        if change.affiliation is Affiliation.OWNER:
            owners.add(change.bare)
        else:
            owners.discard(change.bare)
    if not owners:
        raise StanzaError("conflict", "a room has an owner")


async def set_affiliations(server: Server, room: Room, actor: str, changes: list[_AffiliationChange]) -> None:
    """Keeps the affiliations, then lets those who are in the room feel them."""
    if not changes:
        return
    if len(room.affiliations) + len(changes) > server.config.xmpp.room_affiliations:
        raise StanzaError("resource-constraint", "too many affiliations in this room")
    if not room.is_locked:

        async def work(tx: Tx) -> None:
            await room.check_home(tx)
            for change in changes:
                record = AffiliationRecord(change.bare, change.affiliation.text, "", change.reason)
                await rooms.set_affiliation(tx, room.owner, record)

        await server.store.write(work)
    for change in changes:
        room.set_affiliation(change.bare, change.affiliation)
        for occupant in tuple(room.occupants.values()):
            if occupant.bare.full == change.bare:
                _feel(server, room, occupant, change, actor)


async def make_members(server: Server, room: Room, people: list[JID]) -> None:
    """§7.8.2: who is invited to a members-only room becomes a member."""
    await set_affiliations(
        server,
        room,
        "",
        [
            _AffiliationChange(jid.bare, Affiliation.MEMBER, "")
            for jid in people
            if room.affiliation(jid) is Affiliation.NONE
        ],
    )


def _feel(server: Server, room: Room, occupant: Occupant, change: _AffiliationChange, actor: str) -> None:
    code = 0
    if change.affiliation is Affiliation.OUTCAST:
        code = 301  # §9.1
    elif change.affiliation is Affiliation.NONE and room.config.members_only:
        code = 321  # §9.4
    if code:
        how = Change(codes=(code,), is_leaving=True, actor=actor, reason=change.reason)
        remove(server, room, occupant, how)
        return
    occupant.role = room.default_role(change.affiliation)
    broadcast(server, room, occupant, Change(reason=change.reason))


def set_role(server: Server, room: Room, occupant: Occupant, role: Role, actor: str, reason: str) -> None:
    """§8.2: no role is a kick; §8.3, §8.4, §9.6: another role."""
    if role is Role.NONE:
        remove(server, room, occupant, Change(codes=(307,), is_leaving=True, actor=actor, reason=reason))
    elif role is not occupant.role:
        occupant.role = role
        broadcast(server, room, occupant, Change(reason=reason))
