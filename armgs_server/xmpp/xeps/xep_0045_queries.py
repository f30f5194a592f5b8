# SPDX-License-Identifier: Apache-2.0
"""IQs to rooms: disco (XEP-0045 §6), administration, archive (XEP-0313 for rooms), self-ping (XEP-0410).

Handlers get the room (None for the service itself) and return the inside of the result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from lxml import etree

from armgs_server.storage import archive
from armgs_server.storage import rooms as stored
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, head, result
from armgs_server.xmpp.xeps import (
    xep_0004_forms,
    xep_0030_disco,
    xep_0045_admin,
    xep_0045_config,
    xep_0045_owner,
    xep_0059_rsm,
    xep_0199_ping,
    xep_0313_mam,
    xep_0359_stanza_ids,
)
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0045_history import send
from armgs_server.xmpp.xeps.xep_0045_room import ADMIN, MUC, OCCUPANT_ID, OWNER, Affiliation, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

ROOM_LIST = 200  # rooms in one disco#items page
SELF_PING = f"{MUC}#self-ping-optimization"  # XEP-0410 §3.4
STABLE_ID = f"{MUC}#stable_id"
RESERVED_NICK = "x-roomuser-item"
CONFERENCE = "jabber:x:conference"  # XEP-0249

SERVICE_FEATURES: Final = (
    MUC,
    xep_0030_disco.INFO,
    xep_0030_disco.ITEMS,
    xep_0059_rsm.NAMESPACE,
    xep_0199_ping.NAMESPACE,
    OCCUPANT_ID,
    CONFERENCE,
)
ROOM_FEATURES: Final = (
    MUC,
    SELF_PING,
    STABLE_ID,
    OCCUPANT_ID,
    xep_0030_disco.INFO,
    xep_0030_disco.ITEMS,
    xep_0199_ping.NAMESPACE,
    xep_0313_mam.NAMESPACE,
    xep_0313_mam.EXTENDED,
    xep_0359_stanza_ids.NAMESPACE,
)


class Registry(xep_0045_owner.Registry, Protocol):
    """What of the rooms' host is needed here."""

    name: str


@dataclass(frozen=True, slots=True)
class RoomQuery:
    """One IQ of type get or set to a room."""

    registry: Registry
    room: Room
    origin: JID
    stanza: Stanza
    payload: etree._Element

    @property
    def server(self) -> Server:
        return self.registry.server


# The service


async def answer_service(registry: Registry, stanza: Stanza, origin: JID, domain: str) -> None:
    """An IQ to conference.DOMAIN."""
    if stanza.type not in ("get", "set"):
        return
    kind = (stanza.type, *_qualified(stanza))
    if kind == ("get", xep_0030_disco.INFO, "query"):
        inner = xep_0030_disco.info([("conference", "text", registry.name)], SERVICE_FEATURES)
    elif kind == ("get", xep_0030_disco.ITEMS, "query"):
        inner = await _list_rooms(registry.server, stanza.payload(), domain)
    elif kind == ("get", xep_0199_ping.NAMESPACE, "ping"):
        inner = b""
    else:
        raise StanzaError("service-unavailable")
    send(registry.server, origin, result(stanza, inner))


async def _list_rooms(server: Server, query: etree._Element, domain: str) -> bytes:
    """§6.3: the public rooms, a page at a time."""
    page = xep_0059_rsm.parse_set(query, ROOM_LIST)
    records = await server.store.read(
        lambda tx: stored.of_domain(tx, domain, page.after or "", max(1, page.max))
    )
    items = b""
    for record in records:
        config = xep_0045_config.from_data(record.data)
        if config.is_public:
            name = config.name or record.address.partition("@")[0]
            items += element("item", {"jid": record.address, "name": name})
    bounds = (records[0].address, records[-1].address) if records else ("", "")
    return element("query", {"xmlns": xep_0030_disco.ITEMS}, items + xep_0059_rsm.serialise_set(*bounds))


# A room


async def answer_room(registry: Registry, room: Room | None, stanza: Stanza, origin: JID) -> None:
    """An IQ to room@conference.DOMAIN."""
    if stanza.type not in ("get", "set"):
        return
    if room is None or (room.is_locked and room.affiliation(origin) is not Affiliation.OWNER):
        raise StanzaError("item-not-found", "there is no such room")
    handler = _HANDLERS.get((stanza.type, *_qualified(stanza)))
    if handler is None:
        raise StanzaError("service-unavailable")
    inner = await handler(RoomQuery(registry, room, origin, stanza, stanza.payload()))
    send(registry.server, origin, result(stanza, inner))


async def _info(query: RoomQuery) -> bytes:
    """§6.4, with the room's extended information (§15.5.4)."""
    room, config = query.room, query.room.config
    node = query.payload.get("node") or ""
    if node == RESERVED_NICK:  # §7.12: none is reserved
        return xep_0030_disco.info((), (), node)
    if node:
        raise StanzaError("item-not-found")
    features = [
        *ROOM_FEATURES,
        "muc_persistent" if config.is_persistent else "muc_temporary",
        "muc_public" if config.is_public else "muc_hidden",
        "muc_membersonly" if config.members_only else "muc_open",
        "muc_moderated" if config.is_moderated else "muc_unmoderated",
        "muc_nonanonymous" if config.is_non_anonymous else "muc_semianonymous",
        "muc_passwordprotected" if config.has_password else "muc_unsecured",
    ]
    if not config.is_archived:
        features.remove(xep_0313_mam.NAMESPACE)
        features.remove(xep_0313_mam.EXTENDED)
    name = config.name or room.address.local
    info = xep_0030_disco.info([("conference", "text", name)], features)
    fields = (
        Field("muc#roominfo_description", "text-single", values=(config.description,)),
        Field("muc#roominfo_occupants", "text-single", values=(str(len(room.occupants)),)),
        Field(
            "muc#roominfo_changesubject",
            "boolean",
            values=xep_0004_forms.boolean(config.change_subject),
        ),
        Field("muc#roomconfig_roomname", "text-single", values=(config.name,)),
    )
    form = xep_0004_forms.form(f"{MUC}#roominfo", fields, type="result")
    return info.removesuffix(b"</query>") + form + b"</query>"


async def _items(query: RoomQuery) -> bytes:
    """§6.5: occupants are shown to occupants."""
    inner = b""
    if query.origin.full in query.room.seats:
        inner = b"".join(
            element("item", {"jid": occupant.address.full}) for occupant in query.room.occupants.values()
        )
    return element("query", {"xmlns": xep_0030_disco.ITEMS}, inner)


async def _ping(query: RoomQuery) -> bytes:
    return b""


async def _get_admin(query: RoomQuery) -> bytes:
    return xep_0045_admin.handle_get(query.room, query.origin, query.payload)


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
    ("get", xep_0030_disco.INFO, "query"): _info,
    ("get", xep_0030_disco.ITEMS, "query"): _items,
    ("get", xep_0199_ping.NAMESPACE, "ping"): _ping,
    ("get", ADMIN, "query"): _get_admin,
    ("set", ADMIN, "query"): _set_admin,
    ("get", OWNER, "query"): _get_owner,
    ("set", OWNER, "query"): _set_owner,
    ("get", xep_0313_mam.NAMESPACE, "query"): _archive_form,
    ("set", xep_0313_mam.NAMESPACE, "query"): _archive,
    ("get", xep_0313_mam.NAMESPACE, "metadata"): _archive_metadata,
}


# An occupant


def relay(server: Server, room: Room | None, stanza: Stanza, origin: JID, nick: str) -> None:
    """§17.4: an IQ from occupant to occupant; a ping to oneself is answered here (XEP-0410)."""
    seat = room.seats.get(origin.full) if room is not None else None
    if room is None or seat is None:
        raise StanzaError("not-acceptable", "you are not in the room")  # XEP-0410 §3.3
    target = room.occupants.get(nick)
    if target is None:
        raise StanzaError("item-not-found", "nobody has this nickname")
    if target is seat.occupant and stanza.type == "get" and stanza.has("ping", xep_0199_ping.NAMESPACE):
        send(server, origin, result(stanza))
        return
    # A question goes to the device that spoke last; an answer to all, of which one has asked.
    seats = [target.seat] if stanza.type in ("get", "set") else list(target.seats.values())
    for each in seats:
        start = head("iq", seat.occupant.address.full, each.jid.full)
        send(server, each.jid, start + stanza.tail())


def _qualified(stanza: Stanza) -> tuple[str, str]:
    """Namespace and name of the payload (RFC 6120 §8.2.3)."""
    if len(stanza.marks) != 1:
        raise StanzaError("bad-request", "an IQ has one child element")
    xmlns, _, name = stanza.marks[0][0].rpartition(" ")
    return xmlns, name
