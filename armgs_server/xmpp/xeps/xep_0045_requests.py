# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.4, §7.5, §7.8, §7.13, §8.6, §9.9, §15.4: a message to a room, and what is asked for by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from armgs_server.xmpp import router
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import STANZAS, Stanza, StanzaError, head
from armgs_server.xmpp.xeps import (
    xep_0004_forms,
    xep_0045_admin,
    xep_0045_invitations,
    xep_0045_messages,
    xep_0045_presence,
    xep_0045_registration,
)
from armgs_server.xmpp.xeps.xep_0045_history import send
from armgs_server.xmpp.xeps.xep_0045_invitations import Invitee
from armgs_server.xmpp.xeps.xep_0045_owner import Registry
from armgs_server.xmpp.xeps.xep_0045_room import Role, Room, Seat

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

# §15.8: errors that say the occupant is there no more.
_GONE: Final = (
    "gone",
    "item-not-found",
    "recipient-unavailable",
    "redirect",
    "remote-server-not-found",
    "remote-server-timeout",
)


async def handle_message(
    registry: Registry, room: Room | None, stanza: Stanza, origin: JID, nick: str
) -> None:
    """From whomever, to the room or to an occupant."""
    server = registry.server
    if room is None:
        raise StanzaError("item-not-found", "there is no such room")
    seat = room.seats.get(origin.full)
    if stanza.type == "error" and seat is not None and _is_gone(server, stanza, origin):
        xep_0045_presence.leave(server, room, seat, b"", (333,))
        return
    to_room = stanza.type == "normal" and not nick
    x = xep_0045_invitations.parse_x(stanza) if to_room else None
    declines = xep_0045_invitations.declines(room, origin, x) if x is not None else []
    for to, data in declines:  # who declines is not in the room
        await _route(server, room, data, to)
    if declines:
        return
    form = None
    if to_room and stanza.has("x", xep_0004_forms.NAMESPACE):
        form = xep_0004_forms.find(stanza.tree())
    if form is not None and xep_0045_registration.is_approval(form):  # nor need who approves be in it
        await xep_0045_registration.approve(server, room, origin, form)
    elif seat is None:
        await xep_0045_messages.announce(server, room, stanza, origin)
    elif nick:
        xep_0045_messages.private(server, room, stanza, seat, nick)
    elif stanza.type == "groupchat":
        await xep_0045_messages.groupchat(server, room, stanza, seat)
    elif x is not None:
        await _invite(server, room, seat, xep_0045_invitations.invitees(room, seat, x))
    elif form is not None:
        _handle_voice(server, room, seat, form)
    elif stanza.type != "error":
        raise StanzaError("bad-request", "a message to a room is of type groupchat")


def _is_gone(server: Server, stanza: Stanza, origin: JID) -> bool:
    """§15.8: a ghost. RFC 6121 §8.5.3.2.1 has its server say service-unavailable."""
    error = stanza.tree().find("{*}error")
    names = {child.tag for child in error} if error is not None else set()
    conditions = (*_GONE, "service-unavailable") if server.is_outside(origin.domain) else _GONE
    return any(f"{{{STANZAS}}}{condition}" in names for condition in conditions)


async def _invite(server: Server, room: Room, seat: Seat, invitees: list[Invitee]) -> None:
    for each in invitees:
        if server.is_local(each.jid.domain) and await server.person(each.jid) is None:
            raise StanzaError("item-not-found", f"there is no {each.jid.bare}")  # §7.8.2
    if room.config.members_only:
        await xep_0045_admin.make_members(server, room, [each.jid for each in invitees])
    from_ = xep_0045_invitations.inviter(room, seat)
    for each in invitees:
        data = xep_0045_invitations.invitation(room, from_, each.jid, each.reason, each.more)
        await _route(server, room, data, each.jid)


async def _route(server: Server, room: Room, data: bytes, to: JID) -> None:
    """A message of the room to a person, kept for who is away."""
    if server.host_of(to.domain) is None:
        await router.message_from_host(server, parse_stanza(data), room.address)


def _handle_voice(server: Server, room: Room, seat: Seat, form: etree._Element) -> None:
    """§7.13, §8.6"""
    if not xep_0045_invitations.is_voice_request(form):
        occupant = room.occupants.get(xep_0045_invitations.approved(room, seat, form))
        if occupant is not None and occupant.role is Role.VISITOR:
            xep_0045_admin.set_role(server, room, occupant, Role.PARTICIPANT, seat.occupant.nick, "")
        return
    if not room.config.allow_voice_requests:
        raise StanzaError("forbidden", "nobody is given a voice here")
    inner = xep_0045_invitations.voice_request(room, seat)
    for other in tuple(room.seats.values()):
        if other.occupant.role is Role.MODERATOR:
            start = head("message", room.address.full, other.jid.full)
            send(server, other.jid, b"".join((start, b">", inner, b"</message>")))
