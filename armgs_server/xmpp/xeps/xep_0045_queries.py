# SPDX-License-Identifier: Apache-2.0
"""IQs to rooms: disco (XEP-0045 §6), administration, archive (XEP-0313 for rooms), self-ping (XEP-0410).

Handlers return the inside of the result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from armgs_server.storage import archive
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, head, result
from armgs_server.xmpp.xeps import (
    xep_0030_disco,
    xep_0045_admin,
    xep_0045_info,
    xep_0045_lists,
    xep_0045_owner,
    xep_0045_registration,
    xep_0054_cards,
    xep_0199_ping,
    xep_0313_mam,
    xep_0425_moderation,
    xep_0486_muc_avatars,
)
from armgs_server.xmpp.xeps.xep_0045_history import send
from armgs_server.xmpp.xeps.xep_0045_query import Registry, RoomQuery, qualified
from armgs_server.xmpp.xeps.xep_0045_room import ADMIN, OWNER, Affiliation, Room
from armgs_server.xmpp.xeps.xep_0054_vcard import card_for

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


async def answer_room(registry: Registry, room: Room | None, stanza: Stanza, origin: JID) -> None:
    """An IQ to room@conference.DOMAIN."""
    if stanza.type not in ("get", "set"):
        return
    if room is None or (room.is_locked and room.affiliation(origin) is not Affiliation.OWNER):
        raise StanzaError("item-not-found", "there is no such room")
    handler = _HANDLERS.get((stanza.type, *qualified(stanza)))
    if handler is None:
        raise StanzaError("service-unavailable")
    inner = await handler(RoomQuery(registry, room, origin, stanza, stanza.payload()))
    send(registry.server, origin, result(stanza, inner))


async def _ping(query: RoomQuery) -> bytes:
    return b""


async def _get_admin(query: RoomQuery) -> bytes:
    return xep_0045_lists.handle_get(query.room, query.origin, query.payload)


async def _set_admin(query: RoomQuery) -> bytes:
    return await xep_0045_admin.handle_set(query.server, query.room, query.origin, query.payload)


async def _get_owner(query: RoomQuery) -> bytes:
    return xep_0045_owner.handle_get(query.room, query.origin)


async def _set_owner(query: RoomQuery) -> bytes:
    return await xep_0045_owner.handle_set(query.registry, query.room, query.origin, query.payload)


async def _archive_form(query: RoomQuery) -> bytes:
    return xep_0313_mam.form()


async def _archive(query: RoomQuery) -> bytes:
    _check_reader(query)
    return await xep_0313_mam.answer(
        query.server,
        query.room.owner,
        query.payload,
        by=query.room.address.bare,
        to=query.origin.full,
        send=lambda data: send(query.server, query.origin, data),
    )


async def _archive_metadata(query: RoomQuery) -> bytes:
    _check_reader(query)
    owner = query.room.owner
    return xep_0313_mam.metadata(await query.server.store.read(lambda tx: archive.bounds(tx, owner)))


def _check_reader(query: RoomQuery) -> None:
    """XEP-0313 §5.1.1: the archive is for who may enter."""
    room, affiliation = query.room, query.room.affiliation(query.origin)
    if room.is_locked:
        raise StanzaError("item-not-found", "there is no archive yet")
    is_shut = room.config.members_only or room.config.has_password
    may_read = affiliation >= Affiliation.MEMBER or query.origin.full in room.seats
    if affiliation is Affiliation.OUTCAST or (is_shut and not may_read):
        raise StanzaError("forbidden", "the archive is for who may enter")


Handler = Callable[[RoomQuery], Awaitable[bytes]]

_HANDLERS: Final[dict[tuple[str, str, str], Handler]] = {
    ("get", xep_0030_disco.INFO, "query"): xep_0045_info.handle_info,
    ("get", xep_0030_disco.ITEMS, "query"): xep_0045_info.handle_items,
    ("get", xep_0199_ping.NAMESPACE, "ping"): _ping,
    ("get", ADMIN, "query"): _get_admin,
    ("set", ADMIN, "query"): _set_admin,
    ("get", OWNER, "query"): _get_owner,
    ("set", OWNER, "query"): _set_owner,
    ("get", xep_0313_mam.NAMESPACE, "query"): _archive_form,
    ("set", xep_0313_mam.NAMESPACE, "query"): _archive,
    ("get", xep_0313_mam.NAMESPACE, "metadata"): _archive_metadata,
    ("get", xep_0045_info.REGISTER, "query"): xep_0045_registration.handle_get,
    ("set", xep_0045_info.REGISTER, "query"): xep_0045_registration.handle_set,
    ("set", xep_0425_moderation.NAMESPACE, "moderate"): xep_0425_moderation.handle,
    ("get", xep_0486_muc_avatars.NAMESPACE, "vCard"): xep_0486_muc_avatars.handle_get,
    ("set", xep_0486_muc_avatars.NAMESPACE, "vCard"): xep_0486_muc_avatars.handle_set,
}


# An occupant


async def relay(server: Server, room: Room | None, stanza: Stanza, origin: JID, nick: str) -> None:
    """§17.4: an IQ from occupant to occupant; a ping to oneself is answered here (XEP-0410)."""
    seat = room.seats.get(origin.full) if room is not None else None
    if room is None or seat is None:
        if stanza.has("query", xep_0030_disco.INFO) or stanza.has("query", xep_0030_disco.ITEMS):
            raise StanzaError("bad-request", "occupants are shown to occupants")  # §6.6
        raise StanzaError("not-acceptable", "you are not in the room")  # XEP-0410 §3.3
    target = room.occupants.get(nick)
    if target is None:
        raise StanzaError("item-not-found", "nobody has this nickname")
    if target is seat.occupant and stanza.type == "get" and stanza.has("ping", xep_0199_ping.NAMESPACE):
        send(server, origin, result(stanza))
        return
    if stanza.type == "get" and stanza.has("vCard", xep_0054_cards.NAMESPACE):
        person = await server.person(target.bare) if room.sees_addresses(seat.occupant) else None
        if person is not None:  # COMPAT Conversations, Gajim: avatars of occupants, which no device answers
            send(server, origin, result(stanza, await card_for(server, person, origin.bare)))
            return
    # A question goes to the device that spoke last; an answer to all, of which one has asked.
    seats = [target.seat] if stanza.type in ("get", "set") else list(target.seats.values())
    for each in seats:
        start = head("iq", seat.occupant.address.full, each.jid.full)
        send(server, each.jid, start + stanza.tail())
