# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.4, §7.5, §8.1: what occupants say, to everybody or to one; the subject.

A message to everybody is archived first and sent when that is durable; each copy is one join of bytes. Its
archive id goes with it (XEP-0359), as does the sender's occupant id (XEP-0421).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.storage import clock, rooms
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.stanza import CLIENT, Child, Stanza, StanzaError, element, head
from armgs_server.xmpp.xeps import xep_0045_waking, xep_0359_stanza_ids, xep_0424_retraction
from armgs_server.xmpp.xeps.xep_0045_history import delayed, send
from armgs_server.xmpp.xeps.xep_0045_room import OCCUPANT_ID, USER, Occupant, Past, Role, Room, Seat
from armgs_server.xmpp.xeps.xep_0160_offline import DELAY
from armgs_server.xmpp.xeps.xep_0313_rules import is_kept
from armgs_server.xmpp.xeps.xep_0424_retraction import Retraction

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

# What a client may not say in the room's name: §7.2.13 delay, XEP-0359 §3.1, XEP-0421 §4.
_FORGED = frozenset(
    {
        f"{USER} x",
        f"{OCCUPANT_ID} occupant-id",
        f"{xep_0359_stanza_ids.NAMESPACE} stanza-id",
        f"{DELAY} delay",
    }
)
_END = b"</message>"


def forged(stanza: Stanza) -> list[Child]:
    """The children that are taken out of a copy."""
    if not any(mark[0] in _FORGED for mark in stanza.marks):
        return []
    return [child for child in stanza.children if f"{child.xmlns} {child.name}" in _FORGED]


def _identity(occupant: Occupant) -> bytes:
    """XEP-0421 §4: "attached to every message" of an occupant."""
    return element("occupant-id", {"xmlns": OCCUPANT_ID, "id": occupant.occupant_id})


async def groupchat(server: Server, room: Room, stanza: Stanza, seat: Seat) -> None:
    """§7.4: one message to everybody."""
    occupant = seat.occupant
    if stanza.has("subject") and not stanza.has("body") and not stanza.has("thread"):
        await _change_subject(server, room, stanza, occupant)  # §8.1
        return
    if occupant.role < Role.PARTICIPANT:
        raise StanzaError("forbidden", "you have no voice in the room")  # §7.4
    tail = stanza.tail(_identity(occupant), forged(stanza))
    target = whole(xep_0424_retraction.target_of(stanza))
    if target is not None and room.config.is_archived and not room.is_locked:
        retracted = xep_0424_retraction.retracted(stanza.id)
        retraction = Retraction(target, occupant.occupant_id, retracted)
        data = head("message", occupant.address.full, xmlns=CLIENT) + tail
        await retract(server, room, occupant.address, stanza.id, data, tail, retraction)
        return
    await _say(server, room, stanza, occupant.address, tail)


async def retract(
    server: Server, room: Room, from_: JID, id_: str, data: bytes, tail: bytes, retraction: Retraction
) -> None:
    """XEP-0424 §6, XEP-0425: the archive loses what was said when it gets the message that takes it back."""
    sent = clock.now()

    def hand_on(number: int) -> None:
        for past in tuple(room.history):
            is_authors = retraction.author == "" or past.from_ == from_
            if past.number == retraction.target and is_authors:
                room.history.remove(past)
        stamped = xep_0359_stanza_ids.stamp(tail, by=room.address.bare, stanza_id=number)
        room.history.append(Past(sent, from_, stamped, number))
        _fan_out(server, room, head("message", from_.full), stamped)

    await room.keeper.keep(server.store, from_.resource, id_, data, hand_on, retraction)


async def announce(server: Server, room: Room, stanza: Stanza, origin: JID) -> None:
    """A post of the department's pubsub service (xep_0472_channel), said by the room itself."""
    if stanza.type != "groupchat" or origin.bare != f"pubsub.{room.address.domain.partition('.')[2]}":
        raise StanzaError("not-acceptable", "you are not in the room")
    await _say(server, room, stanza, room.address, stanza.tail(b"", forged(stanza)))


async def _say(server: Server, room: Room, stanza: Stanza, from_: JID, tail: bytes) -> None:
    start = head("message", from_.full)
    if not is_kept(stanza):
        _fan_out(server, room, start, tail)
        return
    sent = clock.now()

    def hand_on(tail: bytes, number: int = 0) -> None:
        room.history.append(Past(sent, from_, tail, number))
        _fan_out(server, room, start, tail)
        xep_0045_waking.tell(server, room, stanza, from_)

    if not room.config.is_archived or room.is_locked:
        hand_on(tail)
        return

    def hand_on_archived(number: int) -> None:
        hand_on(xep_0359_stanza_ids.stamp(tail, by=room.address.bare, stanza_id=number), number)

    data = head("message", from_.full, xmlns=CLIENT) + tail
    await room.keeper.keep(server.store, from_.resource, stanza.id, data, hand_on_archived)


def _fan_out(server: Server, room: Room, start: bytes, tail: bytes) -> None:
    """The hot path: `start` is the start tag up to `to`, `tail` what follows it."""
    accounts = server.accounts
    start += b" to='"
    tail = b"'" + tail
    for seat in tuple(room.seats.values()):
        jid = seat.jid
        account = accounts.get(jid.bare)
        session = account.sessions.get(jid.resource) if account is not None else None
        data = b"".join((start, seat.to, tail))
        if session is not None:
            session.send(data)
        else:
            server.publish(jid, data)


async def _change_subject(server: Server, room: Room, stanza: Stanza, occupant: Occupant) -> None:
    """§8.1: moderators, and participants where the room is configured so."""
    is_allowed = occupant.role is Role.MODERATOR or (
        room.config.change_subject and occupant.role is Role.PARTICIPANT
    )
    if not is_allowed:
        raise StanzaError("forbidden", "you may not change the subject")
    start = head("message", occupant.address.full)
    tail = stanza.tail(_identity(occupant), forged(stanza))
    delay = delayed(room.address.bare, clock.now())  # §7.2.15: who enters later learns when it was
    subject = start.removeprefix(b"<message") + tail[: -len(_END)] + delay + _END
    if not room.is_locked:

        async def work(tx: Tx) -> None:
            await room.check_home(tx)
            await rooms.set_subject(tx, room.owner, subject)

        await server.store.write(work)
    room.subject = subject
    _fan_out(server, room, start, tail)


def private(server: Server, room: Room, stanza: Stanza, seat: Seat, nick: str) -> None:
    """§7.5: a message to one occupant, on all its devices; errors go back the same way."""
    if stanza.type == "groupchat":
        raise StanzaError("bad-request", "a message to everybody goes to the room")
    target = room.occupants.get(nick)
    if target is None:
        raise StanzaError("item-not-found", "nobody has this nickname")
    if stanza.type != "error":
        _check_private(room, seat.occupant)
    mark = element("x", {"xmlns": USER}) if stanza.type != "error" else b""
    tail = stanza.tail(mark + _identity(seat.occupant), forged(stanza))
    for each in tuple(target.seats.values()):
        send(server, each.jid, head("message", seat.occupant.address.full, each.jid.full) + tail)


def _check_private(room: Room, sender: Occupant) -> None:
    lowest = {
        "anyone": Role.VISITOR,
        "participants": Role.PARTICIPANT,
        "moderators": Role.MODERATOR,
    }.get(room.config.private_messages)
    if lowest is None or sender.role < lowest:
        raise StanzaError("forbidden", "private messages are not allowed here")
