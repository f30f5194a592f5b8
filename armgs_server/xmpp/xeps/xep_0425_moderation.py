# SPDX-License-Identifier: Apache-2.0
"""XEP-0425: Moderated Message Retraction: a moderator takes back what somebody has said in a room."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from armgs_server.storage import archive
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.stanza import CLIENT, StanzaError, element, head, text_element
from armgs_server.xmpp.xeps import xep_0045_messages, xep_0424_retraction
from armgs_server.xmpp.xeps.xep_0045_invitations import reason_of
from armgs_server.xmpp.xeps.xep_0045_room import OCCUPANT_ID, Role
from armgs_server.xmpp.xeps.xep_0424_retraction import Retraction

if TYPE_CHECKING:
    from armgs_server.xmpp.xeps.xep_0045_query import RoomQuery

NAMESPACE: Final = "urn:xmpp:message-moderate:1"


async def handle(query: RoomQuery) -> bytes:
    """§3: `<moderate/>` with a retraction; other actions are not defined yet."""
    room, moderate = query.room, query.payload
    seat = room.seats.get(query.origin.full)
    if seat is None or seat.occupant.role is not Role.MODERATOR:
        raise StanzaError("forbidden", "only moderators retract what others have said")  # §3.2
    if moderate.find(f"{{{xep_0424_retraction.NAMESPACE}}}retract") is None:
        raise StanzaError("bad-request", "nothing to be done with the message")
    target, owner = whole(moderate.get("id") or ""), room.owner
    if target is None:
        raise StanzaError("item-not-found", "there is no such message")
    wanted = ArchiveQuery(ids=(target,), limit=1)
    page = await query.server.store.read(lambda tx: archive.page(tx, owner, wanted))
    if not page.messages:
        raise StanzaError("item-not-found", "there is no such message")
    reason = reason_of(moderate)
    occupant = seat.occupant
    moderated = element(
        "moderated",
        {"xmlns": NAMESPACE, "by": occupant.address.full},
        element("occupant-id", {"xmlns": OCCUPANT_ID, "id": occupant.occupant_id}),
    )
    inner = moderated + (text_element("reason", reason) if reason else b"")
    id_ = secrets.token_hex(8)
    retract = element("retract", {"xmlns": xep_0424_retraction.NAMESPACE, "id": str(target)}, inner)
    tail = f" type='groupchat' id='{id_}'>".encode() + retract + b"</message>"
    retraction = Retraction(target, "", xep_0424_retraction.retracted(id_, inner))
    data = head("message", room.address.full, xmlns=CLIENT) + tail
    await xep_0045_messages.retract(query.server, room, room.address, id_, data, tail, retraction)
    return b""
