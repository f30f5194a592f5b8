# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.10, §9.9: registering with a room, which reserves a nickname and makes a member.

Whoever may enter registers at once; for a members-only room those who decide about members are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import StanzaError, element, head, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0045_admin import AffiliationChange, check_nick, set_affiliations
from armgs_server.xmpp.xeps.xep_0045_info import REGISTER
from armgs_server.xmpp.xeps.xep_0045_room import MUC, Affiliation, Room, Seat

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server
    from armgs_server.xmpp.xeps.xep_0045_query import RoomQuery

FORM_TYPE: Final = f"{MUC}#register"
_NICK: Final = "muc#register_roomnick"
_ALLOW: Final = "muc#register_allow"
_JID: Final = "muc#jid"


async def handle_get(query: RoomQuery) -> bytes:
    """What is registered, or the form to fill in."""
    room, asker = query.room, query.origin
    _check_allowed(room, asker)
    nick = room.nicks.get(asker.bare, "")
    if nick:
        inner = element("registered") + text_element("username", nick)
        return element("query", {"xmlns": REGISTER}, inner)
    seat = room.seats.get(asker.full)
    wish = (seat.occupant.nick,) if seat is not None else ()
    field = Field(_NICK, "text-single", "Desired Nickname", wish, required=True)
    title = f"Registration with {room.config.name or room.address.bare}"
    form = forms.form(FORM_TYPE, [field], title=title)
    instructions = text_element("instructions", "Choose the nickname that will be yours in this room.")
    return element("query", {"xmlns": REGISTER}, instructions + form)


async def handle_set(query: RoomQuery) -> bytes:
    """A filled-in form, or `<remove/>` (XEP-0077 §3.2)."""
    room, asker = query.room, query.origin
    if query.payload.find(f"{{{REGISTER}}}remove") is not None:
        await _remove(query.server, room, asker)
        return b""
    _check_allowed(room, asker)
    form = forms.find(query.payload)
    nick = _nick(form) if form is not None else ""
    if not nick:
        raise StanzaError("bad-request", "a form with a nickname is needed")
    check_nick(room, asker.bare, nick)
    affiliation = room.affiliation(asker)
    if room.config.members_only and affiliation is Affiliation.NONE:
        await _ask(query.server, room, asker, nick)
        return b""
    change = AffiliationChange(asker.bare, max(affiliation, Affiliation.MEMBER), nick=nick)
    await set_affiliations(query.server, room, "", [change])
    return b""


def _check_allowed(room: Room, asker: JID) -> None:
    if room.affiliation(asker) is Affiliation.OUTCAST:
        raise StanzaError("not-allowed", "you are banned from the room")


def _nick(form: etree._Element) -> str:
    values = forms.values(form)
    wish = (values.get(_NICK) or ("",))[0]
    if form.get("type") != "submit" or values.get("FORM_TYPE") != (FORM_TYPE,) or wish.isspace():
        return ""
    try:
        return jids.parse_resource(wish) if wish else ""
    except DomainError as error:
        raise StanzaError("bad-request", "that cannot be a nickname") from error


async def _remove(server: Server, room: Room, asker: JID) -> None:
    """Gives up the nickname, and with it membership; who runs the room goes on running it."""
    affiliation = room.affiliation(asker)
    if affiliation < Affiliation.MEMBER:
        raise StanzaError("registration-required", "you are not registered")  # XEP-0077 §3.2
    is_staying = affiliation >= Affiliation.ADMIN or room.place is not None
    kept = affiliation if is_staying else Affiliation.NONE
    await set_affiliations(server, room, "", [AffiliationChange(asker.bare, kept, nick="")])


# Approval


async def _ask(server: Server, room: Room, asker: JID, nick: str) -> None:
    """§9.9: the request goes to all who may decide, also to those who are away."""
    fields = (
        Field(_JID, "jid-single", "User ID", (asker.bare,)),
        Field(_NICK, "text-single", "Desired Nickname", (nick,)),
        Field(_ALLOW, "boolean", "Allow this person to register with the room?", forms.boolean(False)),
    )
    form = forms.form(FORM_TYPE, fields, title="Registration request")
    for affiliation in (Affiliation.OWNER, Affiliation.ADMIN):
        for bare in room.with_affiliation(affiliation):
            data = head("message", room.address.bare, bare) + b">" + form + b"</message>"
            await server.route(parse_stanza(data), room.address)


def is_approval(form: etree._Element) -> bool:
    return forms.values(form).get("FORM_TYPE") == (FORM_TYPE,)


async def approve(server: Server, room: Room, admin: JID, form: etree._Element) -> None:
    """An answer to the request; what is not allowed is forgotten."""
    if room.affiliation(admin) < Affiliation.ADMIN:
        raise StanzaError("forbidden", "only admins and owners may")
    values = forms.values(form)
    if values.get(_ALLOW) not in (("1",), ("true",)):
        return
    try:
        jid = jids.parse((values.get(_JID) or ("",))[0])
        nick = jids.parse_resource((values.get(_NICK) or ("",))[0])
    except DomainError as error:
        raise StanzaError("bad-request", "the form does not say who it is") from error
    if not jid.local or room.affiliation(jid) is Affiliation.OUTCAST:
        raise StanzaError("not-allowed", "banned people do not register")
    check_nick(room, jid.bare, nick)
    affiliation = max(room.affiliation(jid), Affiliation.MEMBER)
    seat: Seat | None = room.seats.get(admin.full)
    actor = seat.occupant.nick if seat is not None else ""
    await set_affiliations(server, room, actor, [AffiliationChange(jid.bare, affiliation, nick=nick)])
