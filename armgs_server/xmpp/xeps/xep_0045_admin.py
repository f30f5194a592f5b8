# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §8, §9, §10.3-§10.8: who changes whose role or affiliation, and what follows from it.

A request is checked as a whole before anything of it is done; affiliations are in the store before
anybody hears of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.storage import rooms
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps.xep_0045_invitations import invitation, reason_of
from armgs_server.xmpp.xeps.xep_0045_lists import AFFILIATIONS, ROLES
from armgs_server.xmpp.xeps.xep_0045_presence import Change, change_role, remove
from armgs_server.xmpp.xeps.xep_0045_room import ADMIN, Affiliation, Occupant, Role, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

ITEMS_LIMIT = 500  # items in one request


@dataclass(frozen=True, slots=True)
class _RoleChange:
    occupant: Occupant
    role: Role
    reason: str


@dataclass(frozen=True, slots=True)
class AffiliationChange:
    """Of a bare JID, or of a domain that is banned; `nick` None leaves the reserved one (§7.12) as it is."""

    bare: str
    affiliation: Affiliation
    reason: str = ""
    nick: str | None = None


# Changing


async def handle_set(server: Server, room: Room, actor: JID, query: etree._Element) -> bytes:
    """§8.2-§8.3, §9, §10.3-§10.8: any number of items of either kind."""
    items = query.findall(f"{{{ADMIN}}}item")
    if not items or len(items) > ITEMS_LIMIT:
        raise StanzaError("bad-request", f"1 to {ITEMS_LIMIT} items")
    roles: list[_RoleChange] = []
    affiliations: list[AffiliationChange] = []
    for item in items:
        if item.get("affiliation") and item.get("role"):
            raise StanzaError("bad-request", "either a role or an affiliation")  # §15.3
        if item.get("affiliation"):
            affiliations.append(_parse_affiliation(room, actor, item))
        else:
            roles.append(_parse_role(room, actor, item))
    check_owners(room, affiliations)
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
    role = ROLES.get(item.get("role", ""))
    if role is None:
        raise StanzaError("bad-request", "no such role")
    if seat is None or seat.occupant.role is not Role.MODERATOR:
        raise StanzaError("forbidden", "only moderators may")  # §8.2
    occupant = room.occupants.get(item.get("nick", ""))
    if occupant is None:
        raise StanzaError("item-not-found", "nobody has this nickname")
    _check_role(room.affiliation(actor), occupant, room.affiliation_of(occupant), role)
    return _RoleChange(occupant, role, reason_of(item))


def _check_role(own: Affiliation, occupant: Occupant, other: Affiliation, role: Role) -> None:
    """What a moderator of affiliation `own` may do with the role of an occupant of affiliation `other`."""
    if role is Role.NONE:
        if other > own:  # §8.2
            raise StanzaError("not-allowed", "nobody of a higher standing is kicked")
        return
    if role < occupant.role and other >= Affiliation.ADMIN:  # §8.4, §9.7
        raise StanzaError("not-allowed", "admins and owners are moderators")
    if Role.MODERATOR in (role, occupant.role) and own < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins make or unmake moderators")  # §9.6, §9.7
    if role is Role.VISITOR and role < occupant.role and other >= own:  # §8.4
        raise StanzaError("not-allowed", "not with somebody of that standing")


def _parse_affiliation(room: Room, actor: JID, item: etree._Element) -> AffiliationChange:
    affiliation = AFFILIATIONS.get(item.get("affiliation", ""))
    if affiliation is None:
        raise StanzaError("bad-request", "no such affiliation")
    bare = _target(room, item)
    own, other = room.affiliation(actor), room.affiliations.get(bare, Affiliation.NONE)
    if own < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins and owners may")
    if affiliation is Affiliation.OUTCAST:
        if bare == actor.bare:
            raise StanzaError("conflict", "nobody bans himself")  # §9.1
        if own is not Affiliation.OWNER and other >= Affiliation.ADMIN:
            raise StanzaError("not-allowed", "only owners may")  # §9.1
    elif own is not Affiliation.OWNER and max(affiliation, other) >= Affiliation.ADMIN:
        raise StanzaError("forbidden", "only owners may")  # §10.3-§10.8
    elif "@" not in bare and affiliation is not Affiliation.NONE:
        raise StanzaError("bad-request", "a whole domain can only be banned")  # §9.2
    return AffiliationChange(bare, affiliation, reason_of(item), _reserved_nick(room, bare, item))


def _reserved_nick(room: Room, bare: str, item: etree._Element) -> str | None:
    """§9.5: the nickname that an admin reserves for a member; "" takes it away."""
    nick = item.get("nick")
    if nick is None or not item.get("jid"):
        return None
    check_nick(room, bare, nick)
    return nick


def check_nick(room: Room, bare: str, nick: str) -> None:
    """§7.10: a nickname to be reserved must be free."""
    holder = room.occupants.get(nick)
    if nick and (
        room.reserved_for(nick) not in ("", bare) or (holder is not None and holder.bare.full != bare)
    ):
        raise StanzaError("conflict", "somebody else has this nickname")


def _target(room: Room, item: etree._Element) -> str:
    """The bare JID that an item is about; it may name an occupant by nick."""
    occupant = room.occupants.get(item.get("nick", "")) if not item.get("jid") else None
    if occupant is not None:
        return occupant.bare.full
    try:
        return jids.parse(item.get("jid", "")).bare
    except DomainError as error:
        raise StanzaError("jid-malformed") from error


def check_owners(room: Room, changes: list[AffiliationChange]) -> None:
    """§10.4: "a room MUST have at least one owner"; one of the structure has whom the directory says."""
    if not changes or room.place is not None:
        return
    owners = set(room.with_affiliation(Affiliation.OWNER))
    for change in changes:
        if change.affiliation is Affiliation.OWNER:
            owners.add(change.bare)
        else:
            owners.discard(change.bare)
    if not owners:
        raise StanzaError("conflict", "a room has an owner")


async def set_affiliations(server: Server, room: Room, actor: str, changes: list[AffiliationChange]) -> None:
    """Keeps the affiliations, then lets those who are in the room feel them."""
    if not changes:
        return
    if len(room.affiliations) + len(changes) > server.config.xmpp.room_affiliations:
        raise StanzaError("resource-constraint", "too many affiliations in this room")
    if room.place is not None:
        _check_place(room, changes)
    records = [_record(room, change) for change in changes]
    if not room.is_locked:

        async def work(tx: Tx) -> None:
            await room.check_home(tx)
            for record in records:
                await rooms.set_affiliation(tx, room.owner, record)

        await server.store.write(work)
    for change, record in zip(changes, records, strict=True):
        affected = room.occupants_of(change.bare)  # as it is before a ban of their domain
        before = room.affiliations.get(change.bare, Affiliation.NONE)
        room.set_affiliation(change.bare, change.affiliation, record.nick, record.reason)
        for occupant in affected if before is not change.affiliation else ():
            _feel(server, room, occupant, change, actor)
        is_new_member = before is Affiliation.NONE and change.affiliation is Affiliation.MEMBER
        if is_new_member and not affected and room.config.members_only and actor:
            server.spawn(_invite(server, room, change))


def _check_place(room: Room, changes: list[AffiliationChange]) -> None:
    """Who belongs to a room of the structure is not for anybody here to say, but for bans."""
    for change in changes:
        before = room.affiliations.get(change.bare, Affiliation.NONE)
        if before is not change.affiliation and Affiliation.OUTCAST not in (before, change.affiliation):
            raise StanzaError("not-allowed", "members of this room follow from the structure")


def follow(server: Server, room: Room, standing: Mapping[str, Affiliation]) -> None:
    """The structure has changed: those who are in the room feel it at once."""
    present = {bare: room.occupants_of(bare) for bare in {*room.affiliations, *standing}}
    for bare in room.take_standing(standing):
        for occupant in present.get(bare, ()):
            after = room.affiliation(occupant.bare)
            _feel(server, room, occupant, AffiliationChange(occupant.bare.full, after), "")


def _record(room: Room, change: AffiliationChange) -> AffiliationRecord:
    """What is kept; an outcast has no reserved nickname (§9.1), nobody else a reason."""
    is_outcast = change.affiliation is Affiliation.OUTCAST
    nick = room.nicks.get(change.bare, "") if change.nick is None else change.nick
    if is_outcast or change.affiliation is Affiliation.NONE:
        nick = ""
    return AffiliationRecord(change.bare, change.affiliation.text, nick, change.reason if is_outcast else "")


async def _invite(server: Server, room: Room, change: AffiliationChange) -> None:
    """§9.5: "the service SHOULD send an invitation to any user who has been added to the member list"."""
    data = invitation(room, room.address.bare, jids.parse(change.bare), change.reason)
    await server.route(parse_stanza(data), room.address)


async def make_members(server: Server, room: Room, people: list[JID]) -> None:
    """§7.8.2: who is invited to a members-only room becomes a member."""
    await set_affiliations(
        server,
        room,
        "",
        [
            AffiliationChange(jid.bare, Affiliation.MEMBER)
            for jid in people
            if room.affiliation(jid) is Affiliation.NONE
        ],
    )


def _feel(server: Server, room: Room, occupant: Occupant, change: AffiliationChange, actor: str) -> None:
    code = 0
    if change.affiliation is Affiliation.OUTCAST:
        code = 301  # §9.1
    elif change.affiliation is Affiliation.NONE and room.config.members_only:
        code = 321  # §9.4
    if code:
        how = Change(
            codes=(code,),
            is_leaving=True,
            affiliation=change.affiliation,  # of one whose domain is banned, too
            actor=actor,
            reason=change.reason,
        )
        remove(server, room, occupant, how)
        return
    change_role(server, room, occupant, room.default_role(change.affiliation), Change(reason=change.reason))


def set_role(server: Server, room: Room, occupant: Occupant, role: Role, actor: str, reason: str) -> None:
    """§8.2: no role is a kick; §8.3, §8.4, §9.6: another role."""
    if role is Role.NONE:
        remove(server, room, occupant, Change(codes=(307,), is_leaving=True, actor=actor, reason=reason))
    elif role is not occupant.role:
        change_role(server, room, occupant, role, Change(reason=reason))
