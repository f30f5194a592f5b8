# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.1, §7.2, §7.6, §7.7, §7.14: presence in a room, told to everybody in it.

The presence of one occupant is built at most four times (with or without the real address, for others or
for the occupant itself) and joined with each recipient's `to`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from armgs_server.formats.xmltree import quote
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, head, text_element
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
_FORGED = frozenset({f"{MUC} x", f"{USER} x", f"{OCCUPANT_ID} occupant-id"})
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
    """What of a client's presence is shown to the room."""
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
    return b"".join((f"'{type_}{id_}>".encode(), occupant.seat.presence, x, identity, _END))


def _start(occupant: Occupant) -> bytes:
    return head("presence", occupant.address.full) + b" to='"


def broadcast(server: Server, room: Room, occupant: Occupant, change: Change = NOTHING) -> None:
    """Tells everybody in the room, the occupant among them, how it stands with the occupant now."""
    occupant.tails.clear()
    start = _start(occupant)
    tails: dict[tuple[bool, bool], bytes] = {}
    for seat in tuple(room.seats.values()):
        key = (room.sees_addresses(seat.occupant), seat.occupant is occupant)
        tail = tails.get(key)
        if tail is None:
            tail = tails[key] = _tail(room, occupant, change, with_jid=key[0], is_self=key[1])
        send(server, seat.jid, b"".join((start, seat.to, tail)))


def show(server: Server, room: Room, seat: Seat) -> None:
    """§7.2.2: the presence of everybody else, to who enters."""
    with_jid = room.sees_addresses(seat.occupant)
    for occupant in tuple(room.occupants.values()):
        if occupant is seat.occupant:
            continue
        tail = occupant.tails.get(with_jid)
        if tail is None:
            tail = _tail(room, occupant, NOTHING, with_jid=with_jid, is_self=False)
            occupant.tails[with_jid] = tail
        send(server, seat.jid, b"".join((_start(occupant), seat.to, tail)))


# Entering


def enter(server: Server, room: Room, stanza: Stanza, origin: JID, nick: str, *, is_new: bool) -> None:
    """§7.2: checks, then presence of all, own presence, history, subject, in this order."""
    x = stanza.child("x", MUC)
    if x is None:  # the client believes to be in the room still (XEP-0410 §1)
        raise StanzaError("not-acceptable", "you are not in the room")
    request = parse_request(stanza)
    _check_entry(server, room, stanza, origin, nick)
    before = room.occupants.get(nick)
    seat = room.enter(origin, nick, payload(stanza))
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


def _send_self(server: Server, room: Room, seat: Seat, change: Change) -> None:
    """The occupant's own presence, to one of its sessions alone."""
    tail = _tail(room, seat.occupant, change, with_jid=True, is_self=True)
    send(server, seat.jid, b"".join((_start(seat.occupant), seat.to, tail)))


def _check_entry(server: Server, room: Room, stanza: Stanza, origin: JID, nick: str) -> None:
    affiliation = room.affiliation(origin)
    if room.is_locked and server.is_outside(origin.domain):
        raise StanzaError("not-allowed", "rooms are made by people of this server")  # §10.1.1
    if room.is_locked and affiliation is not Affiliation.OWNER:
        raise StanzaError("item-not-found", "the room is being set up")  # §10.1.1
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError("forbidden", "you are banned from the room")  # §7.2.7
    if room.config.members_only and affiliation < Affiliation.MEMBER:
        raise StanzaError("registration-required", "the room is for members")  # §7.2.6
    is_staff = affiliation >= Affiliation.ADMIN
    if room.config.has_password and not is_staff and _password(stanza) != room.config.password:
        raise StanzaError("not-authorized", "the room's password is needed")  # §7.2.5
    occupant = room.occupants.get(nick)
    if occupant is not None and occupant.bare != origin.to_bare():
        raise StanzaError("conflict", "somebody else has this nickname")  # §7.2.8
    limit = server.config.xmpp.room_occupants
    if not is_staff:  # §7.2.9: owners and admins find a place
        limit = min(limit, room.config.max_users or limit)
    if len(room.seats) >= limit:
        raise StanzaError("service-unavailable", "the room is full", type="wait")


def _password(stanza: Stanza) -> str:
    for element_ in stanza.tree().iterfind(f"{{{MUC}}}x/{{{MUC}}}password"):
        return element_.text or ""
    return ""


# Changing, leaving


def change_nick(server: Server, room: Room, seat: Seat, stanza: Stanza, nick: str) -> None:
    """§7.6: the old nick leaves with 303, the new one is there."""
    occupant = seat.occupant
    if nick in room.occupants:
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


def notify(server: Server, room: Room, codes: Iterable[int]) -> None:
    """§10.2.1: a change of the room itself, as a message of the room."""
    start = head("message", room.address.full) + b" to='"
    tail = b"' type='groupchat'>" + element("x", {"xmlns": USER}, status(codes)) + b"</message>"
    for seat in tuple(room.seats.values()):
        send(server, seat.jid, b"".join((start, seat.to, tail)))
