# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.2.5-§7.2.10: who may enter a room, and under which nickname."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError
from armgs_server.xmpp.xeps.xep_0045_room import MUC, Affiliation, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


def check_entry(server: Server, room: Room, stanza: Stanza, origin: JID, nick: str) -> None:
    """Nothing, or the error that says why not."""
    affiliation = room.affiliation(origin)
    if room.is_locked and server.is_outside(origin.domain):
        raise StanzaError("not-allowed", "rooms are made by people of this server")  # §10.1.1
    if room.is_locked and affiliation is not Affiliation.OWNER:
        raise StanzaError("item-not-found", "the room is being set up")  # §10.1.1
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError("forbidden", "you are banned from the room")  # §7.2.7
    if room.config.members_only and affiliation < Affiliation.MEMBER:
        raise StanzaError("registration-required", "the room is for members")  # §7.2.6
    if room.config.has_password and _password(stanza) != room.config.password:
        raise StanzaError("not-authorized", "the room's password is needed")  # §7.2.5
    occupant = room.occupants.get(nick)
    is_other = occupant is not None and occupant.bare != origin.to_bare()
    if is_other or room.reserved_for(nick) not in ("", origin.bare):
        raise StanzaError("conflict", "somebody else has this nickname")  # §7.2.8
    most = room.config.max_users
    # §7.2.9: owners and admins find a place
    is_full = 0 < most <= len(room.occupants) and occupant is None and affiliation < Affiliation.ADMIN
    if is_full or len(room.seats) >= server.config.xmpp.room_occupants:
        raise StanzaError("service-unavailable", "the room is full", type="wait")


def _password(stanza: Stanza) -> str:
    for element_ in stanza.tree().iterfind(f"{{{MUC}}}x/{{{MUC}}}password"):
        return element_.text or ""
    return ""
