# SPDX-License-Identifier: Apache-2.0
"""XEP-0163: what the server publishes at an account on its person's behalf, when one kind of data follows
from another. Done in the transaction of the change it follows from; the events are told afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from armgs_server.formats import xmltree
from armgs_server.storage import pubsub
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.stanza import element
from armgs_server.xmpp.xeps import xep_0060_config, xep_0060_fields
from armgs_server.xmpp.xeps.xep_0060_config import NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes
from armgs_server.xmpp.xeps.xep_0060_notify import Event


async def config_of(tx: Tx, nodes: Nodes, node: str) -> NodeConfig | None:
    """The configuration of a node, None where there is none."""
    found = await pubsub.get(tx, nodes.owner, node)
    return None if found is None else xep_0060_config.from_data(found.config)


async def publish(
    tx: Tx, nodes: Nodes, node: str, item_id: str, payload: bytes, made: NodeConfig | None = None
) -> list[Event]:
    """One item; a node that is not there is made, as `made` says or else as always."""
    config = await config_of(tx, nodes, node)
    if config is None:
        config = made or xep_0060_config.defaults(node, is_personal=True)
        await pubsub.configure(tx, nodes.owner, node, xep_0060_fields.to_data(config), nodes.address)
    data = element("item", {"id": item_id}, payload)
    if config.persist_items:
        await pubsub.publish(tx, nodes.owner, node, item_id, data, config.items_limit(nodes.settings))
    return [Event(node, config, element("items", {"node": node}, data))]


async def retract(tx: Tx, nodes: Nodes, node: str, ids: Sequence[str]) -> list[Event]:
    """Removes items."""
    config = await config_of(tx, nodes, node)
    if config is None or not ids:
        return []
    await pubsub.retract(tx, nodes.owner, node, ids)
    inner = b"".join(element("retract", {"id": item_id}) for item_id in ids)
    return [Event(node, config, element("items", {"node": node}, inner))]


async def last_payload(tx: Tx, nodes: Nodes, node: str) -> etree._Element | None:
    """The payload of the item published last."""
    found = await pubsub.items(tx, nodes.owner, node, limit=1)
    return payload_of(found[0].payload) if found else None


def payload_of(item: bytes) -> etree._Element | None:
    """What an `<item/>` carries."""
    parsed = xmltree.parse(item, max_size=len(item))
    return parsed[0] if len(parsed) else None
