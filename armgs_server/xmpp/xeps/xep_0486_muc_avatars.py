# SPDX-License-Identifier: Apache-2.0
"""XEP-0486: MUC Avatars: a room has a vcard-temp; its pictures' hashes are in disco and in presence."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final

from lxml import etree

from armgs_server.formats import xmltree
from armgs_server.storage import documents, rooms
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps.xep_0045_history import send
from armgs_server.xmpp.xeps.xep_0045_presence import avatar, notify
from armgs_server.xmpp.xeps.xep_0045_room import Affiliation

if TYPE_CHECKING:
    from armgs_server.xmpp.xeps.xep_0045_query import RoomQuery

NAMESPACE: Final = "vcard-temp"
PICTURES: Final = 5  # in one card: the same one in several formats (§5.1)


async def handle_get(query: RoomQuery) -> bytes:
    """§3.4"""
    owner = query.room.owner
    card = await query.server.store.read(lambda tx: documents.get(tx, owner, NAMESPACE))
    return card if card is not None else element("vCard", {"xmlns": NAMESPACE})


async def handle_set(query: RoomQuery) -> bytes:
    """§3.2: an empty card takes the picture away."""
    room = query.room
    if room.affiliation(query.origin) is not Affiliation.OWNER:
        raise StanzaError("forbidden", "only owners set the picture")
    if room.is_locked:
        raise StanzaError("not-allowed", "the room is being set up")
    config = dataclasses.replace(room.config, avatars=hashes(query.payload))
    card = xmltree.serialise(query.payload)

    async def work(tx: Tx) -> None:
        await room.check_home(tx)
        await documents.put(tx, room.owner, NAMESPACE, card)
        await rooms.set_data(tx, room.owner, config.to_data())

    await query.server.store.write(work)
    room.config = config
    for seat in tuple(room.seats.values()):
        send(query.server, seat.jid, avatar(room, seat))
    notify(query.server, room, (104,))
    return b""


def hashes(card: etree._Element) -> tuple[str, ...]:
    """XEP-0153 §3.2: SHA-1 of the picture itself."""
    pictures = [each.findtext(f"{{{NAMESPACE}}}BINVAL") for each in card.findall(f"{{{NAMESPACE}}}PHOTO")]
    if len(pictures) > PICTURES:
        raise StanzaError("not-acceptable", f"a card has at most {PICTURES} pictures")
    try:
        data = [base64.b64decode("".join(text.split()), validate=True) for text in pictures if text]
    except ValueError as error:
        raise StanzaError("bad-request", "BINVAL is not base64") from error
    return tuple(hashlib.sha1(each, usedforsecurity=False).hexdigest() for each in data)
