# SPDX-License-Identifier: Apache-2.0
"""XEP-0398: one avatar for all clients: XEP-0084 (nodes of the account), XEP-0153 (card and presence).

The nodes are the truth. A card shows the picture of the nodes to who may read those; a card that is set
with a picture publishes it there. Presence carries its hash.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING

from lxml import etree

from armgs_server.formats import xmltree
from armgs_server.storage import pubsub
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.stanza import Child, Stanza, element, text_element
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_config
from armgs_server.xmpp.xeps import xep_0163_behalf as behalf
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes
from armgs_server.xmpp.xeps.xep_0060_notify import Event

if TYPE_CHECKING:
    from armgs_server.xmpp.account import Account
    from armgs_server.xmpp.server import Server

DATA = "urn:xmpp:avatar:data"
METADATA = "urn:xmpp:avatar:metadata"
UPDATE = "vcard-temp:x:update"  # XEP-0153
ACCOUNT_FEATURES = ("urn:xmpp:pep-vcard-conversion:0",)
_CARD = "vcard-temp"
_HASH = re.compile(r"[0-9a-fA-F]{40}")
_MEDIA_TYPE = re.compile(r"image/[A-Za-z0-9.+-]{1,60}")
# §7: pictures of cards are for everybody, and so are the nodes made for them.
_OPEN = dataclasses.replace(xep_0060_config.PERSONAL_DEFAULTS, access_model="open")


# Cards


async def photo(nodes: Nodes, bare: str) -> bytes | None:
    """The `<PHOTO/>` that somebody is shown: empty where there is none to show; None where the account has
    no avatar nodes, and the card is as it is."""

    async def work(tx: Tx) -> list[access.Standing | None]:
        return [await access.standing(tx, nodes, node, bare) for node in (METADATA, DATA)]

    metadata, data = await nodes.server.store.read(work)
    if metadata is None or data is None:
        return None
    for found in (metadata, data):
        if not await access.may_read(nodes, found, bare):
            return b""
    return await nodes.server.store.read(lambda tx: _photo(tx, nodes))


async def _photo(tx: Tx, nodes: Nodes) -> bytes:
    info = await _info(tx, nodes)
    if info is None:
        return b""
    item = await pubsub.item(tx, nodes.owner, DATA, info.get("id") or "")
    payload = behalf.payload_of(item.payload) if item is not None else None
    if payload is None:
        return b""
    inner = text_element("TYPE", info.get("type") or "image/png")
    return element("PHOTO", {}, inner + text_element("BINVAL", "".join((payload.text or "").split())))


async def _info(tx: Tx, nodes: Nodes) -> etree._Element | None:
    """§3.1: of the forms of the avatar the one that is kept here, not somewhere on the web."""
    metadata = await behalf.last_payload(tx, nodes, METADATA)
    if metadata is None:
        return None
    for info in metadata.iterfind(f"{{{METADATA}}}info"):
        if not info.get("url") and _HASH.fullmatch(info.get("id") or ""):
            return info
    return None


async def on_card(tx: Tx, nodes: Nodes, card: etree._Element, before: bytes | None) -> list[Event]:
    """§3.2: publishes the picture of a card; one that the card had, and has no more, is withdrawn."""
    found = _picture(card)
    info = await _info(tx, nodes)
    if found is None:
        had_one = before is not None and _picture(xmltree.parse(before, max_size=len(before))) is not None
        if not had_one or info is None:
            return []
        return await behalf.publish(tx, nodes, METADATA, "none", element("metadata", {"xmlns": METADATA}))
    picture, media_type = found
    digest = hashlib.sha1(picture).hexdigest()
    if info is not None and (info.get("id") or "").lower() == digest:
        return []
    data = text_element("data", base64.b64encode(picture).decode(), {"xmlns": DATA})
    attributes = {"id": digest, "bytes": str(len(picture)), "type": media_type}
    metadata = element("metadata", {"xmlns": METADATA}, element("info", attributes))
    events = await behalf.publish(tx, nodes, DATA, digest, data, _OPEN)
    return events + await behalf.publish(tx, nodes, METADATA, digest, metadata, _OPEN)


def _picture(card: etree._Element) -> tuple[bytes, str] | None:
    """A picture with its media type; None where there is none, or it is no base64."""
    text = card.findtext(f"{{{_CARD}}}PHOTO/{{{_CARD}}}BINVAL") or ""
    try:
        picture = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    media_type = (card.findtext(f"{{{_CARD}}}PHOTO/{{{_CARD}}}TYPE") or "").strip()
    if not picture:
        return None
    return picture, media_type if _MEDIA_TYPE.fullmatch(media_type) else "image/png"


# Presence


async def read_hash(server: Server, account: Account) -> None:
    """Takes note of the avatar that the account has now."""
    nodes = Nodes(server, account.owner, account.bare, account.principal)
    info = await server.store.read(lambda tx: _info(tx, nodes))
    account.photo = "" if info is None else (info.get("id") or "").lower()


def injected(account: Account, presence: Stanza) -> tuple[bytes, list[Child]]:
    """§4: what is added to an available presence, and what is taken out of it.

    An empty `<photo/>` says that this client wants no picture to be shown, and stays.
    """
    child = presence.child("x", UPDATE)
    if child is not None:
        update = xmltree.parse(presence.raw[child.start : child.end])
        shown = update.find(f"{{{UPDATE}}}photo")
        if shown is not None and not (shown.text or "").strip():
            return b"", []
    if not account.photo:
        return b"", []
    inner = element("x", {"xmlns": UPDATE}, text_element("photo", account.photo))
    return inner, [] if child is None else [child]
