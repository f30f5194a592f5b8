# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.8.2, §7.13, §8.6: invitations through the room, and asking for voice.

Direct invitations (§7.8.1, XEP-0249) go from person to person and never come here. Each function makes
the messages of the room; rooms.py has them routed, so who is away finds them later.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, head, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0045_room import MUC, USER, Affiliation, Role, Room, Seat

CONFERENCE = "jabber:x:conference"  # XEP-0249
REQUEST = f"{MUC}#request"
INVITATIONS_LIMIT = 50  # people in one message
REASON_LIMIT = 1000  # characters


@dataclass(frozen=True, slots=True)
class Invitee:
    """One `<invite/>`; `more` stands in it beside the reason."""

    jid: JID
    reason: str
    more: bytes


def invitees(room: Room, seat: Seat, x: etree._Element) -> list[Invitee]:
    """§7.8.2: whom an occupant invites; `forbidden` where it may not."""
    affiliation = room.affiliation_of(seat.occupant)
    if room.config.members_only and affiliation < Affiliation.ADMIN:
        is_allowed = room.config.allow_invites and affiliation is Affiliation.MEMBER
    else:
        is_allowed = room.config.allow_invites or affiliation >= Affiliation.ADMIN
    if not is_allowed:
        raise StanzaError("forbidden", "you may not invite")
    invites = x.findall(f"{{{USER}}}invite")
    if len(invites) > INVITATIONS_LIMIT:
        raise StanzaError("resource-constraint", "too many invitations in one message")
    found = []
    for invite in invites:
        try:
            to = jids.parse(invite.get("to") or "").to_bare()
        except DomainError as error:
            raise StanzaError("jid-malformed") from error
        goes_on = invite.find(f"{{{USER}}}continue")  # §7.9: a conversation of two
        more = element("continue", {"thread": goes_on.get("thread") or ""}) if goes_on is not None else b""
        found.append(Invitee(to, reason_of(invite), more))
    return found


def inviter(room: Room, seat: Seat) -> str:
    """§7.8.2: the address that an invitation names, the real one where everybody may know it."""
    occupant = seat.occupant
    return occupant.bare.full if room.config.is_non_anonymous else occupant.address.full


def invitation(room: Room, from_: str, to: JID, reason: str, more: bytes = b"") -> bytes:
    """What the invited person gets from the room; with the direct form for clients that know only that."""
    inner = element("invite", {"from": from_}, (text_element("reason", reason) if reason else b"") + more)
    password = room.config.password if room.config.has_password else ""
    if password:
        inner += text_element("password", password)
    direct = {"xmlns": CONFERENCE, "jid": room.address.bare, "reason": reason, "password": password}
    start = head("message", room.address.full, to.full)
    return b"".join((start, b">", element("x", {"xmlns": USER}, inner), element("x", direct), b"</message>"))


def declines(room: Room, origin: JID, x: etree._Element) -> list[tuple[JID, bytes]]:
    """§7.8.2: who is told that an invitation was declined, and the message.

    Only people of the room can have invited: else anybody could write to anybody in the room's name.
    """
    found = []
    given = x.findall(f"{{{USER}}}decline")
    if len(given) > INVITATIONS_LIMIT:
        raise StanzaError("resource-constraint", "too many invitations in one message")
    for decline in given:
        try:
            to = _person_of(room, jids.parse(decline.get("to") or ""))
        except DomainError as error:
            raise StanzaError("jid-malformed") from error
        if to is None:
            continue
        reason = reason_of(decline)
        text = text_element("reason", reason) if reason else b""
        inner = element("decline", {"from": origin.bare}, text)
        start = head("message", room.address.full, to.full)
        found.append((to, b"".join((start, b">", element("x", {"xmlns": USER}, inner), b"</message>"))))
    return found


def _person_of(room: Room, to: JID) -> JID | None:
    """Who is meant, by the real address or the one in the room, if that is somebody of the room."""
    if to.bare == room.address.bare:
        occupant = room.occupants.get(to.resource)
        return occupant.bare if occupant is not None else None
    here = {occupant.bare.full for occupant in room.occupants.values()}
    return to if to.bare in here or to.bare in room.affiliations else None


def reason_of(parent: etree._Element) -> str:
    """The `<reason/>` of whatever is done, cut to a length that nobody minds."""
    found = parent.find("{*}reason")
    return (found.text or "").strip()[:REASON_LIMIT] if found is not None else ""


# §7.13 and §8.6: voice


def voice_request(room: Room, seat: Seat) -> bytes:
    """The form that moderators are asked to approve, as the inside of a message."""
    occupant = seat.occupant
    fields = (
        Field("muc#role", "list-single", "Requested role", ("participant",)),
        Field("muc#jid", "jid-single", "User ID", (occupant.bare.full,)),
        Field("muc#roomnick", "text-single", "Room nickname", (occupant.nick,)),
        Field("muc#request_allow", "boolean", "Grant voice to this person?", forms.boolean(False)),
    )
    return forms.form(REQUEST, fields, title="Voice request")


def approved(room: Room, seat: Seat, form: etree._Element) -> str:
    """The nick that a moderator's answer gives voice to, "" where it gives none."""
    values = forms.values(form)
    if values.get("FORM_TYPE") != (REQUEST,):
        raise StanzaError("bad-request", "a form of another type")
    if seat.occupant.role is not Role.MODERATOR:
        raise StanzaError("forbidden", "only moderators give voice")
    nick = (values.get("muc#roomnick") or ("",))[0]
    return nick if values.get("muc#request_allow") in (("1",), ("true",)) else ""


def is_voice_request(form: etree._Element) -> bool:
    """Whether the form asks for voice, rather than answering who asked."""
    return "muc#request_allow" not in forms.values(form)


def parse_x(stanza: Stanza) -> etree._Element | None:
    """The `<x/>` of muc#user in a message to the room."""
    if not stanza.has("x", USER):
        return None
    return stanza.tree().find(f"{{{USER}}}x")
