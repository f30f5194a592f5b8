# SPDX-License-Identifier: Apache-2.0
"""Channels: one post into a node (XEP-0472, XEP-0060) and into a room where few write and many read.

A node is tied to a room by a field of its configuration; whoever sets it is owner or admin of the room, and
an owner of the node must be that still when something is posted. Each post that is an Atom entry is then said
in the room, by the room itself: with it its archive, its unread counts and its members who are away have it
too.
"""

from __future__ import annotations

from urllib.parse import quote

from armgs_server.errors import DomainError
from armgs_server.storage import rooms
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.server import LOG
from armgs_server.xmpp.stanza import StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps.xep_0060_config import NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes, Request

ROOMS = "conference"  # the label of the host of rooms
_REFERENCE = "urn:xmpp:reference:0"  # XEP-0372
_MAY_TIE = ("owner", "admin")


async def check_room(request: Request, config: NodeConfig) -> None:
    """`not-acceptable` where the room is none of this domain, or the asker has nothing to say there."""
    if not config.channel_room:
        return
    room = jids.parse(config.channel_room)
    domain = request.nodes.address.partition(".")[2]
    administrators = await request.server.store.read(lambda tx: _administrators(tx, room.bare))
    if room.domain != f"{ROOMS}.{domain}" or request.origin.bare not in administrators:
        raise StanzaError("not-acceptable", "a channel's room is one that you administer")


async def _administrators(tx: Tx, room: str) -> frozenset[str]:
    """Who may tie a node to that room."""
    loaded = await rooms.load(tx, room)
    records = loaded[1] if loaded is not None else []
    return frozenset(each.jid for each in records if each.affiliation in _MAY_TIE)


async def say(nodes: Nodes, config: NodeConfig, node: str, item_id: str, body: str) -> None:
    """Says a post in the room of the channel. The node has it by now: a room that is gone only misses it."""
    if not body:
        return

    async def is_tied(tx: Tx) -> bool:
        """Whether an owner of the node still is one of those who administer the room."""
        owners = await access.owners(tx, nodes, node)
        return not (await _administrators(tx, config.channel_room)).isdisjoint(owners)

    if not await nodes.server.store.read(is_tied):
        LOG.warning("no owner of a channel's node administers its room any more", room=config.channel_room)
        return
    uri = f"xmpp:{nodes.address}?;node={quote(node, safe='')};item={quote(item_id, safe='')}"
    inner = text_element("body", body)
    inner += element("reference", {"xmlns": _REFERENCE, "type": "data", "uri": uri})
    attributes = {"from": nodes.address, "to": config.channel_room, "type": "groupchat", "id": item_id}
    stanza = parse_stanza(element("message", attributes, inner))
    try:
        await nodes.server.hosts[ROOMS].handle(stanza, jids.parse(nodes.address))
    except DomainError as error:
        LOG.warning("a post did not reach its room", room=config.channel_room, error=error.text)
