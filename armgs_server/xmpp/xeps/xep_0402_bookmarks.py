# SPDX-License-Identifier: Apache-2.0
"""XEP-0402 §5.3, XEP-0411: one set of bookmarks for all clients, however they keep them.

Bookmarks are items of the node `urn:xmpp:bookmarks:1`. The same in one piece lie at the node
`storage:bookmarks` (XEP-0048 over XEP-0223) and in private XML (XEP-0049). Whichever a client changes, the
others follow in the same transaction. What must always hold: nothing is copied to where others may read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.formats import xmltree
from armgs_server.storage import documents, pubsub
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps import xep_0163_behalf as behalf
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes
from armgs_server.xmpp.xeps.xep_0060_notify import Event

NATIVE = "urn:xmpp:bookmarks:1"
LEGACY = "storage:bookmarks"
ACCOUNT_FEATURES = (f"{NATIVE}#compat", f"{NATIVE}#compat-pep", "urn:xmpp:bookmarks-conversion:0")
DOCUMENT = f"private {LEGACY} storage"  # where xep_0049_private keeps it
_ITEM = "current"  # XEP-0048 §3.2
_TRUE = ("1", "true")


@dataclass(frozen=True, slots=True)
class Bookmark:
    """What both formats can say of a room."""

    name: str
    autojoin: bool
    nick: str | None
    password: str | None


# Reactions


async def on_native(tx: Tx, nodes: Nodes) -> list[Event]:
    """An item of the node has changed: both wholes are made anew (XEP-0402 §5.3.1)."""
    storage = await _collate(tx, nodes)
    await documents.put(tx, nodes.owner, DOCUMENT, storage)
    return await _publish_whole(tx, nodes, storage)


async def on_legacy(tx: Tx, nodes: Nodes) -> list[Event]:
    """The whole at the node has changed (XEP-0402 §5.3.2)."""
    storage = await behalf.last_payload(tx, nodes, LEGACY)
    if storage is None or storage.tag != f"{{{LEGACY}}}storage":
        return []
    await documents.put(tx, nodes.owner, DOCUMENT, xmltree.serialise(storage))
    return await _split(tx, nodes, storage)


async def on_private(tx: Tx, nodes: Nodes, storage: etree._Element) -> list[Event]:
    """Private XML has changed (XEP-0411 §3)."""
    events = await _split(tx, nodes, storage)
    return events + await _publish_whole(tx, nodes, xmltree.serialise(storage))


async def _publish_whole(tx: Tx, nodes: Nodes, storage: bytes) -> list[Event]:
    config = await behalf.config_of(tx, nodes, LEGACY)
    if config is not None and config.access_model != "whitelist":
        return []  # XEP-0411 §5
    return await behalf.publish(tx, nodes, LEGACY, _ITEM, storage)


# The formats


async def _collate(tx: Tx, nodes: Nodes) -> bytes:
    """One `<storage/>` of all items; addresses of pages, which items cannot hold, stay."""
    inner = b""
    for item in await pubsub.items(tx, nodes.owner, NATIVE, limit=nodes.settings.node_items):
        payload = behalf.payload_of(item.payload)
        if payload is not None:
            inner += _legacy(item.id, _read(payload, NATIVE))
    before = await documents.get(tx, nodes.owner, DOCUMENT)
    if before is not None:
        for url in xmltree.parse(before, max_size=len(before)).iterfind(f"{{{LEGACY}}}url"):
            inner += element("url", {"name": url.get("name") or "", "url": url.get("url") or ""})
    return element("storage", {"xmlns": LEGACY}, inner)


async def _split(tx: Tx, nodes: Nodes, storage: etree._Element) -> list[Event]:
    """Publishes what is new or different, retracts what is missing; the rest is not touched."""
    config = await behalf.config_of(tx, nodes, NATIVE)
    if config is not None and config.access_model != "whitelist":
        return []  # XEP-0411 §5
    wanted = _parse(storage)
    items = await pubsub.items(tx, nodes.owner, NATIVE, limit=nodes.settings.node_items)
    present = {item.id: behalf.payload_of(item.payload) for item in items}
    events: list[Event] = []
    for room, bookmark in wanted.items():
        before = present.get(room)
        if before is None or _read(before, NATIVE) != bookmark:
            events += await behalf.publish(tx, nodes, NATIVE, room, _native(bookmark, before))
    return events + await behalf.retract(tx, nodes, NATIVE, [room for room in present if room not in wanted])


def _parse(storage: etree._Element) -> Mapping[str, Bookmark]:
    """The rooms of a whole, by address."""
    found = {}
    for conference in storage.iterfind(f"{{{LEGACY}}}conference"):
        try:
            room = jids.parse(conference.get("jid") or "").bare
        except DomainError:
            continue  # no room has such an address
        found[room] = _read(conference, LEGACY)
    return found


def _read(conference: etree._Element, xmlns: str) -> Bookmark:
    return Bookmark(
        conference.get("name") or "",
        conference.get("autojoin") in _TRUE,
        conference.findtext(f"{{{xmlns}}}nick"),
        conference.findtext(f"{{{xmlns}}}password"),
    )


def _inner(bookmark: Bookmark) -> bytes:
    nick = b"" if bookmark.nick is None else text_element("nick", bookmark.nick)
    return nick + (b"" if bookmark.password is None else text_element("password", bookmark.password))


def _legacy(room: str, bookmark: Bookmark) -> bytes:
    autojoin = "true" if bookmark.autojoin else "false"
    attributes = {"jid": room, "name": bookmark.name, "autojoin": autojoin}
    return element("conference", attributes, _inner(bookmark))


def _native(bookmark: Bookmark, before: etree._Element | None) -> bytes:
    """XEP-0402 §2; extensions that other clients have put there stay."""
    inner = _inner(bookmark)
    extensions = before.find(f"{{{NATIVE}}}extensions") if before is not None else None
    if extensions is not None:
        inner += xmltree.serialise(extensions)
    autojoin = "true" if bookmark.autojoin else ""
    return element("conference", {"xmlns": NATIVE, "name": bookmark.name, "autojoin": autojoin}, inner)
