# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.1, §7.2, §7.6, §7.7, §7.14: presence in a room, told to everybody in it.

The presence of one occupant is built at most four times (with or without the real address, for others or
for the occupant itself) and joined with each recipient's `to`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from armgs_server.formats.xmltree import quote
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, head, text_element
from armgs_server.xmpp.xeps import xep_0317_hats
from armgs_server.xmpp.xeps.xep_0045_entry import check_entry
from armgs_server.xmpp.xeps.xep_0045_history import HistoryRequest, parse_request, send, send_history
from armgs_server.xmpp.xeps.xep_0045_room import (
    MUC,
    OCCUPANT_ID,
    USER,
    Affiliation,
    Occupant,
    Role,
    Room,
    Seat,
)

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

# What a client may not say in the room's name.
_FORGED = frozenset(
    {f"{MUC} x", f"{USER} x", f"{OCCUPANT_ID} occupant-id", f"{xep_0317_hats.NAMESPACE} hats"}
)
CARD_UPDATE = "vcard-temp:x:update"  # XEP-0153
_END = b"</presence>"
PRESENCE_LIMIT = 16 * 1024  # bytes: each is kept while its occupant is there, and sent to everybody


@dataclass(frozen=True, slots=True)
class Change:
    """What a presence says besides who is there (§15.6.2 has the status codes)."""

    codes: tuple[int, ...] = ()
    self_codes: tuple[int, ...] = ()  # for the occupant alone
    is_leaving: bool = False
    affiliation: Affiliation | None = None  # None: as it is
    nick: str = ""  # §7.6: the one that is being taken
    actor: str = ""  # nick of who did it
    reason: str = ""
    inner: bytes = b""  # §10.9: <destroy/>
    id: str = ""  # of the stanza that the occupant gets its own presence for


NOTHING = Change()


def payload(stanza: Stanza) -> bytes:
    """What of a client's presence is shown to the room; group calls (XEP-0272 §4) are in it."""
    if len(stanza.raw) > PRESENCE_LIMIT:
        raise StanzaError("policy-violation", "the presence is too large for a room")
    if any(mark[0] in _FORGED for mark in stanza.marks):
        forged = [child for child in stanza.children if f"{child.xmlns} {child.name}" in _FORGED]
        return stanza.inner(forged)
    return stanza.inner()


def status(codes: Iterable[int]) -> bytes:
    return b"".join(b"<status code='%d'/>" % code for code in codes)


def item(room: Room, occupant: Occupant, change: Change, *, with_jid: bool) -> bytes:
    """§7.2.2: the `<item/>` of an occupant."""
    affiliation = room.affiliation_of(occupant) if change.affiliation is None else change.affiliation
    role = Role.NONE if change.is_leaving and not change.nick else occupant.role
    inner = element("actor", {"nick": change.actor}) if change.actor else b""
    inner += text_element("reason", change.reason) if change.reason else b""
    attributes = {
        "affiliation": affiliation.text,
        "role": role.text,
        "jid": occupant.seat.jid.full if with_jid else "",
        "nick": change.nick,
    }
    return element("item", attributes, inner)


def _tail(room: Room, occupant: Occupant, change: Change, *, with_jid: bool, is_self: bool) -> bytes:
    """What follows the recipient's address."""
    codes = change.codes
    id_ = ""
    if is_self:
        codes = (110, *change.self_codes, *codes)
        id_ = f" id='{quote(change.id)}'" if change.id else ""
    type_ = " type='unavailable'" if change.is_leaving else ""
    x = element(
        "x",
        {"xmlns": USER},
        item(room, occupant, change, with_jid=with_jid or is_self) + status(codes) + change.inner,
    )
    identity = element("occupant-id", {"xmlns": OCCUPANT_ID, "id": occupant.occupant_id})
    hats = occupant.hats if room.config.is_non_anonymous and not change.is_leaving else b""
    return b"".join((f"'{type_}{id_}>".encode(), occupant.seat.presence, x, identity, hats, _END))


def _start(occupant: Occupant) -> bytes:
    return head("presence", occupant.address.full) + b" to='"


def broadcast(server: Server, room: Room, occupant: Occupant, change: Change = NOTHING) -> None:
    """Tells everybody in the room, the occupant among them, how it stands with the occupant now."""
    occupant.tails.clear()
    start = _start(occupant)
    tails: dict[tuple[bool, bool], bytes] = {}
    is_shown = room.shows(occupant.role)
    for seat in tuple(room.seats.values()):
        is_self = seat.occupant is occupant
        if not is_shown and not is_self:  # §7.2.2, muc#roomconfig_presencebroadcast
            continue
        key = (room.sees_addresses(seat.occupant), is_self)
        tail = tails.get(key)
        if tail is None:
            tail = tails[key] = _tail(room, occupant, change, with_jid=key[0], is_self=key[1])
        send(server, seat.jid, b"".join((start, seat.to, tail)))


def change_role(server: Server, room: Room, occupant: Occupant, role: Role, change: Change) -> None:
    """§5.1.3: another role; where the room shows only some roles, the others see who has it come or go."""
    if room.shows(occupant.role) and not room.shows(role):
        tail = _tail(room, occupant, Change(is_leaving=True), with_jid=False, is_self=False)
        for seat in tuple(room.seats.values()):
            if seat.occupant is not occupant:
                send(server, seat.jid, b"".join((_start(occupant), seat.to, tail)))
    occupant.role = role
    broadcast(server, room, occupant, change)


def wear(server: Server, room: Room, hats: Mapping[str, bytes]) -> None:
    """XEP-0317 §3.2: people, by bare JID, have another post or unit: the room sees it."""
    for occupant in tuple(room.occupants.values()) if hats else ():
        now = hats.get(occupant.bare.full, occupant.hats)
        if now != occupant.hats:
            occupant.hats = now
            broadcast(server, room, occupant)


def show(server: Server, room: Room, seat: Seat) -> None:
    """§7.2.2: the presence of everybody else, to who enters."""
    with_jid = room.sees_addresses(seat.occupant)
    for occupant in tuple(room.occupants.values()):
        if occupant is seat.occupant or not room.shows(occupant.role):
            continue
        tail = occupant.tails.get(with_jid)
        if tail is None:
            tail = _tail(room, occupant, NOTHING, with_jid=with_jid, is_self=False)
            occupant.tails[with_jid] = tail
        send(server, seat.jid, b"".join((_start(occupant), seat.to, tail)))


# Entering


def turn_away(server: Server, room: JID, nick: str, jid: JID) -> None:
    """§7.2.1 (groupchat 1.0): who sends presence believes to be in the room still, and learns better."""
    inner = element("item", {"affiliation": "none", "role": "none"}) + status((110, 307, 333))
    start = head("presence", f"{room.bare}/{nick}" if nick else room.bare, jid.full)
    send(server, jid, start + b" type='unavailable'>" + element("x", {"xmlns": USER}, inner) + _END)


def enter(
    server: Server, room: Room, stanza: Stanza, origin: JID, nick: str, hats: bytes, *, is_new: bool
) -> None:
    """§7.2: checks, then presence of all, own presence, history, subject, in this order."""
    request = parse_request(stanza)
    check_entry(server, room, stanza, origin, nick)
    before = room.occupants.get(nick)
    seat = room.enter(origin, nick, payload(stanza))
    seat.occupant.hats = hats
    codes = (201,) if is_new else ()
    _welcome(server, room, seat, Change(self_codes=codes, id=stanza.id), request, is_known=before is not None)


def enter_again(server: Server, room: Room, seat: Seat, stanza: Stanza) -> None:
    """The client has lost what it knew of the room, and enters though it is in: it is told all anew."""
    request = parse_request(stanza)
    seat.presence = payload(stanza)
    _welcome(server, room, seat, Change(id=stanza.id), request, is_known=True)


def _welcome(
    server: Server, room: Room, seat: Seat, change: Change, request: HistoryRequest, *, is_known: bool
) -> None:
    show(server, room, seat)
    codes = change.self_codes
    if room.config.is_archived and not room.is_locked:
        codes = (170, *codes)
    if room.config.is_non_anonymous:
        codes = (100, *codes)
    change = replace(change, self_codes=codes)
    if is_known:  # another device of somebody who is there: for the others nothing has changed
        _send_self(server, room, seat, change)
    else:
        broadcast(server, room, seat.occupant, change)
    send_history(server, room, seat, request)
    if room.config.avatars:
        send(server, seat.jid, avatar(room, seat))


def _send_self(server: Server, room: Room, seat: Seat, change: Change) -> None:
    """The occupant's own presence, to one of its sessions alone."""
    tail = _tail(room, seat.occupant, change, with_jid=True, is_self=True)
    send(server, seat.jid, b"".join((_start(seat.occupant), seat.to, tail)))


# Changing, leaving


def change_nick(server: Server, room: Room, seat: Seat, stanza: Stanza, nick: str) -> None:
    """§7.6: the old nick leaves with 303, the new one is there."""
    occupant = seat.occupant
    if nick in room.occupants or room.reserved_for(nick) not in ("", occupant.bare.full):
        raise StanzaError("conflict", "somebody has this nickname")
    seat.presence = payload(stanza)
    _speak(seat)
    broadcast(server, room, occupant, Change(codes=(303,), is_leaving=True, nick=nick))
    room.rename(occupant, nick)
    broadcast(server, room, occupant, Change(id=stanza.id))


def update(server: Server, room: Room, seat: Seat, stanza: Stanza) -> None:
    """§7.7: another show or status."""
    seat.presence = payload(stanza)
    _speak(seat)
    broadcast(server, room, seat.occupant, Change(id=stanza.id))


def _speak(seat: Seat) -> None:
    """Makes the seat the occupant's last one to have spoken."""
    seats = seat.occupant.seats
    seats[seat.jid.full] = seats.pop(seat.jid.full)


def leave(server: Server, room: Room, seat: Seat, presence: bytes, codes: tuple[int, ...] = ()) -> None:
    """§7.14: the session leaves; the others see it when it was the last one behind the nick."""
    occupant = seat.occupant
    change = Change(is_leaving=True, codes=codes)
    if len(occupant.seats) > 1:
        _send_self(server, room, seat, change)
    else:
        seat.presence = presence
        broadcast(server, room, occupant, change)
    room.leave(seat)


def remove(server: Server, room: Room, occupant: Occupant, change: Change) -> None:
    """Takes an occupant out with all its sessions: kicked, banned, no member, room destroyed."""
    for seat in occupant.seats.values():
        seat.presence = b""
    broadcast(server, room, occupant, change)
    for seat in tuple(occupant.seats.values()):
        room.leave(seat)


def dismiss(server: Server, room: Room, change: Change) -> None:
    """§10.9: everybody leaves at once, and is told of its own leaving only."""
    for seat in tuple(room.seats.values()):
        seat.presence = b""
        _send_self(server, room, seat, change)
        room.leave(seat)


def avatar(room: Room, seat: Seat) -> bytes:
    """COMPAT Conversations, Dino: they read the hash of a room's picture in presence of the room itself."""
    photo = text_element("photo", room.config.avatars[0]) if room.config.avatars else element("photo")
    inner = element("x", {"xmlns": CARD_UPDATE}, photo)
    return head("presence", room.address.bare, seat.jid.full) + b">" + inner + _END


def notify(server: Server, room: Room, codes: Iterable[int]) -> None:
    """§10.2.1: a change of the room itself, as a message of the room."""
    start = head("message", room.address.full) + b" to='"
    tail = b"' type='groupchat'>" + element("x", {"xmlns": USER}, status(codes)) + b"</message>"
    for seat in tuple(room.seats.values()):
        send(server, seat.jid, b"".join((start, seat.to, tail)))
