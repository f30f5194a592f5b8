# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §6.4, §6.5, §7.12, §15.5.4: what a room tells about itself by service discovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import (
    xep_0004_forms,
    xep_0030_disco,
    xep_0199_ping,
    xep_0313_mam,
    xep_0317_hats,
    xep_0359_stanza_ids,
    xep_0424_retraction,
    xep_0425_moderation,
    xep_0431_search,
    xep_0486_muc_avatars,
)
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0045_room import MUC, OCCUPANT_ID, Affiliation, Room

if TYPE_CHECKING:
    from armgs_server.xmpp.xeps.xep_0045_query import RoomQuery

SELF_PING: Final = f"{MUC}#self-ping-optimization"  # XEP-0410 §3.4
STABLE_ID: Final = f"{MUC}#stable_id"
REGISTER: Final = "jabber:iq:register"
RESERVED_NICK: Final = "x-roomuser-item"
TRAFFIC: Final = f"{MUC}#traffic"

ROOM_FEATURES: Final = (
    MUC,
    SELF_PING,
    STABLE_ID,
    OCCUPANT_ID,
    REGISTER,
    xep_0486_muc_avatars.NAMESPACE,
    xep_0030_disco.INFO,
    xep_0030_disco.ITEMS,
    xep_0199_ping.NAMESPACE,
    xep_0317_hats.NAMESPACE,
    xep_0359_stanza_ids.NAMESPACE,
)
ARCHIVE_FEATURES: Final = (
    xep_0313_mam.NAMESPACE,
    xep_0313_mam.EXTENDED,
    xep_0431_search.NAMESPACE,
    *xep_0424_retraction.FEATURES,
    xep_0425_moderation.NAMESPACE,
)


async def handle_info(query: RoomQuery) -> bytes:
    """§6.4, with the room's extended information (§15.5.4)."""
    room, config = query.room, query.room.config
    node = query.payload.get("node") or ""
    if node == RESERVED_NICK:
        return _reserved_nick(room, query.origin)
    if node == TRAFFIC:
        raise StanzaError("service-unavailable", "nothing is left out of what is sent")  # §15.7
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
    if config.is_archived:
        features += ARCHIVE_FEATURES
    name = config.name or room.address.local
    affiliation = room.affiliation(query.origin)
    is_shut = config.members_only or config.has_password
    may_enter = affiliation >= Affiliation.MEMBER or (affiliation is Affiliation.NONE and not is_shut)
    fields = _fields(room, is_inside=may_enter or query.origin.full in room.seats)
    form = xep_0004_forms.form(f"{MUC}#roominfo", fields, type="result")
    return xep_0030_disco.info([("conference", "text", name)], features, extra=form)


def _reserved_nick(room: Room, asker: JID) -> bytes:
    """§7.12"""
    nick = room.nicks.get(asker.bare, "")
    identities = [("conference", "text", nick)] if nick else []
    return xep_0030_disco.info(identities, (), RESERVED_NICK)


def _fields(room: Room, *, is_inside: bool) -> list[Field]:
    """What is talked about, and whose room it is, is for who may enter."""
    config = room.config

    def single(name: str, value: str, label: str) -> Field:
        return Field(name, "text-single", label, (value,))

    fields = [
        single("muc#roominfo_description", config.description, "Description"),
        single("muc#roominfo_occupants", str(len(room.occupants)), "Number of occupants"),
        Field(
            "muc#roominfo_subjectmod",
            "boolean",
            "The room subject can be modified by participants",
            xep_0004_forms.boolean(config.change_subject),
        ),
        # COMPAT Conversations, Gajim: they read these names, which other servers use.
        Field("muc#roominfo_changesubject", "boolean", values=xep_0004_forms.boolean(config.change_subject)),
        Field("muc#roomconfig_roomname", "text-single", values=(config.name,)),
    ]
    if is_inside:
        fields.append(single("muc#roominfo_subject", _subject(room), "Current discussion topic"))
    if config.history >= 0:
        fields.append(single("muc#maxhistoryfetch", str(config.history), "Most messages of history"))
    if config.lang:
        fields.append(single("muc#roominfo_lang", config.lang, "Natural language for room discussions"))
    if config.pubsub:
        fields.append(single("muc#roominfo_pubsub", config.pubsub, "Associated pubsub node"))
    if is_inside and config.is_non_anonymous:
        owners = tuple(room.with_affiliation(Affiliation.OWNER))
        fields.append(Field("muc#roominfo_contactjid", "jid-multi", "Contact addresses", owners))
    if config.avatars:  # XEP-0486 §3.3
        fields.append(Field("muc#roominfo_avatarhash", "text-multi", "Avatar hash", config.avatars))
    return fields


def _subject(room: Room) -> str:
    return parse_stanza(b"<message" + room.subject).text("subject") if room.subject else ""


async def handle_items(query: RoomQuery) -> bytes:
    """§6.5: occupants are shown to occupants, and where anybody may enter and look, to anybody."""
    room, config = query.room, query.room.config
    is_open = config.is_public and not config.members_only and not config.has_password
    may_look = is_open and room.affiliation(query.origin) is not Affiliation.OUTCAST
    is_in = query.origin.full in room.seats
    inner = b"".join(
        element("item", {"jid": occupant.address.full})
        for occupant in room.occupants.values()
        if is_in or (may_look and room.shows(occupant.role))
    )
    return element("query", {"xmlns": xep_0030_disco.ITEMS}, inner)
