# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §8.5, §9.2, §9.5, §9.8, §10.5, §10.8: the lists of who has which role or affiliation in a room."""

from __future__ import annotations

from typing import Final

from lxml import etree

from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps.xep_0045_room import ADMIN, Affiliation, Role, Room

ROLES: Final = {role.text: role for role in Role}
AFFILIATIONS: Final = {affiliation.text: affiliation for affiliation in Affiliation}


def handle_get(room: Room, actor: JID, query: etree._Element) -> bytes:
    """The list of one role (§8.4, §9.7) or affiliation (§9.2, §9.5, §10.5, §10.8)."""
    wanted = query.find(f"{{{ADMIN}}}item")
    if wanted is None:
        raise StanzaError("bad-request", "which list?")
    role, affiliation = ROLES.get(wanted.get("role", "")), AFFILIATIONS.get(wanted.get("affiliation", ""))
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
                "jid": occupant.seat.jid.full,  # §15.3
            },
        )
        for occupant in room.occupants.values()
        if occupant.role is role
    )


def _affiliation_list(room: Room, actor: JID, affiliation: Affiliation) -> bytes:
    if not _may_see(room, actor, affiliation):
        raise StanzaError("forbidden")
    nicks = {occupant.bare.full: occupant.nick for occupant in room.occupants.values()} | room.nicks
    items = []
    for bare in room.with_affiliation(affiliation):
        reason = room.reasons.get(bare, "")
        nick = nicks.get(bare, "") if affiliation is not Affiliation.OUTCAST else ""
        inner = text_element("reason", reason) if reason else b""
        items.append(element("item", {"affiliation": affiliation.text, "jid": bare, "nick": nick}, inner))
    return b"".join(items)


def _may_see(room: Room, actor: JID, affiliation: Affiliation) -> bool:
    """Who belongs to a non-anonymous room may know who else does (§9.5, §10.5, §10.8): clients encrypt to
    them."""
    own, seat = room.affiliation(actor), room.seats.get(actor.full)
    if room.config.is_non_anonymous and affiliation > Affiliation.NONE:
        is_shown = seat is not None and seat.occupant.role.text in room.config.member_list
        if own >= Affiliation.MEMBER or is_shown:
            return True
    return own >= (Affiliation.OWNER if affiliation >= Affiliation.ADMIN else Affiliation.ADMIN)
