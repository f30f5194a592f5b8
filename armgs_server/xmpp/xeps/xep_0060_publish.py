# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §7: publishing items, and deleting them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from lxml import etree

from armgs_server.formats import xmltree
from armgs_server.storage import clock, pubsub, pubsub_members
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_config, xep_0060_fields, xep_0472_channel, xep_0472_feed
from armgs_server.xmpp.xeps import xep_0060_nodes as names
from armgs_server.xmpp.xeps.xep_0060_access import Standing
from armgs_server.xmpp.xeps.xep_0060_config import NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, Nodes, Request, error, unsupported
from armgs_server.xmpp.xeps.xep_0060_notify import Event, notify

_TRUE = ("1", "true")
_SMALL = 4096  # bytes of an item


@dataclass(frozen=True, slots=True)
class Publication:
    """One item on its way: its id, empty where there is no item, and its payload."""

    node: str
    item_id: str
    payload: etree._Element | None
    publisher: str

    def element(self, *, with_payload: bool) -> bytes:
        """The `<item/>` as it is stored and sent."""
        inner = b""
        if with_payload and self.payload is not None:
            inner = xmltree.serialise(self.payload)
        return element("item", {"id": self.item_id, "publisher": self.publisher}, inner)


async def handle_publish(request: Request, child: etree._Element) -> bytes:
    """§7.1"""
    nodes, bare = request.nodes, request.origin.bare
    options_element = request.child("publish-options")
    options = {}
    if options_element is not None:
        options = dict(xep_0060_config.submitted(options_element, xep_0060_config.PUBLISH_OPTIONS) or {})
    publisher = "" if nodes.is_personal and bare == nodes.address else bare
    publication = _parse(child, publisher)

    async def work(tx: Tx) -> tuple[NodeConfig, list[Event]]:
        found = await access.standing(tx, nodes, publication.node, bare)
        if found is None:
            await _create(tx, request, publication.node, options)
            found = await access.require(tx, nodes, publication.node, request.origin)
        elif found.may_publish and not xep_0060_config.is_met(found.config, options):
            raise error("conflict", "precondition-not-met")  # §7.1.5
        if not found.may_publish:
            raise StanzaError("forbidden")  # §7.1.3.1
        return found.config, await put(tx, nodes, found, publication)

    config, events = await nodes.server.store.write(work)
    request.after.append(lambda: notify(nodes, events))
    if config.channel_room and publication.payload is not None:
        text = xep_0472_feed.text_of(publication.payload)
        request.after.append(
            lambda: xep_0472_channel.say(nodes, config, publication.node, publication.item_id, text)
        )
    items = element("item", {"id": publication.item_id}) if publication.item_id else b""
    return names.pubsub(element("publish", {"node": publication.node}, items))


def _parse(publish: etree._Element, publisher: str) -> Publication:
    node = names.name_of(publish)
    items = publish.findall(f"{{{NAMESPACE}}}item")
    if len(items) != len(publish) or len(items) > 1:
        raise error("bad-request", "invalid-payload")  # §7.1.1: one item at most
    if not items:
        return Publication(node, "", None, publisher)
    if len(items[0]) > 1:
        raise error("bad-request", "invalid-payload")  # §7.1.3.6
    item_id = items[0].get("id") or ""
    if len(item_id) > names.MAX_NAME:
        raise StanzaError("not-acceptable", "the id of the item is too long")
    payload = items[0][0] if len(items[0]) else None
    return Publication(node, item_id or secrets.token_urlsafe(12), payload, publisher)


async def _create(tx: Tx, request: Request, node: str, options: dict[str, tuple[str, ...]]) -> None:
    """§7.1.4: an account makes the node, with the publish-options as its configuration."""
    nodes = request.nodes
    if not nodes.is_personal or request.origin.bare != nodes.address:
        await access.require(tx, nodes, node, request.origin)  # item-not-found, or gone
    try:
        default = xep_0060_config.defaults(node, is_personal=True)
        xep_0060_fields.parse(default, options, is_strict=True)
    except xep_0060_fields.FieldError as failure:
        raise error("conflict", "precondition-not-met") from failure
    config = xep_0060_config.parse(default, options, nodes.settings, is_personal=True)
    await make(tx, nodes, node, config, nodes.address)


async def make(tx: Tx, nodes: Nodes, node: str, config: NodeConfig, creator: str) -> None:
    """A new node; `resource-constraint` where somebody has too many."""
    if (
        await pubsub.count(tx, nodes.owner, None if nodes.is_personal else creator)
        >= nodes.settings.nodes_owned
    ):
        raise StanzaError("resource-constraint", "too many nodes")
    await pubsub.configure(tx, nodes.owner, node, xep_0060_fields.to_data(config), creator)


async def put(tx: Tx, nodes: Nodes, found: Standing, publication: Publication) -> list[Event]:
    """Keeps the item as the node is configured; what is to be told of it once that is durable."""
    config, node = found.config, publication.node
    _check_type(config, publication)
    _check_payload(nodes, config, publication)
    gone: list[str] = []
    if config.persist_items:
        limit = config.items_limit(nodes.settings)
        if config.publish_node_full == "reject":
            await _check_room(tx, nodes, node, publication.item_id, limit)
        await pubsub.expire(tx, nodes.owner, node, config.oldest(clock.now()))
        await pubsub_members.sweep(tx, nodes.owner, node, clock.now())
        data = publication.element(with_payload=True)
        await _check_size(tx, nodes, data)
        gone = await pubsub.publish(
            tx, nodes.owner, node, publication.item_id, data, limit, publication.publisher
        )
        if limit == 1 or config.publish_node_full != "retract-oldest" or not config.notify_retract:
            gone = []  # the new item stands for the old one
    return [*_published(config, publication), *retracted(config, node, gone), *await react(tx, nodes, node)]


def _check_type(config: NodeConfig, publication: Publication) -> None:
    """§7.1.3.7: does the request fit the event type of the node (§4.3)?"""
    if not config.persist_items and not config.deliver_payloads:
        if publication.item_id:
            raise error("bad-request", "item-forbidden")
    elif config.persist_items and not publication.item_id:
        raise error("bad-request", "item-required")
    elif config.deliver_payloads and publication.payload is None:
        raise error("bad-request", "payload-required")


def _check_payload(nodes: Nodes, config: NodeConfig, publication: Publication) -> None:
    payload = publication.payload
    if payload is None:
        return
    if len(xmltree.serialise(payload)) > config.payload_limit(nodes.settings):
        raise error("not-acceptable", "payload-too-big")  # §7.1.3.5
    namespace = etree.QName(payload).namespace
    if config.type and namespace not in (config.type, xep_0472_feed.namespace_of(config.type)):
        raise error("bad-request", "invalid-payload")  # §7.1.3.6


async def _check_room(tx: Tx, nodes: Nodes, node: str, item_id: str, limit: int) -> None:
    """§7.1.3.4"""
    if await pubsub.item(tx, nodes.owner, node, item_id) is None:
        if await pubsub.count_items(tx, nodes.owner, node) >= limit:
            raise error("conflict", "node-full")


async def _check_size(tx: Tx, nodes: Nodes, data: bytes) -> None:
    """All nodes of an owner together have a largest size; small items are bounded by their number."""
    if len(data) > _SMALL and await pubsub.size_of(tx, nodes.owner) + len(data) > nodes.settings.nodes_size:
        raise StanzaError("resource-constraint", "the nodes are full")


def _published(config: NodeConfig, publication: Publication) -> list[Event]:
    if not config.deliver_notifications:
        return []
    item = publication.element(with_payload=config.deliver_payloads) if publication.item_id else b""
    inner = element("items", {"node": publication.node}, item)
    body = xep_0472_feed.text_of(publication.payload) if publication.payload is not None else ""
    return [Event(publication.node, config, inner, body)]


def retracted(config: NodeConfig, node: str, ids: list[str]) -> list[Event]:
    """§7.2.2.1: one event for all items that are gone."""
    if not ids:
        return []
    inner = b"".join(element("retract", {"id": item_id}) for item_id in ids)
    return [Event(node, config, element("items", {"node": node}, inner))]


async def react(tx: Tx, nodes: Nodes, node: str) -> list[Event]:
    """Brings what is derived from the node in line with it."""
    reaction = nodes.reactions.get(node)
    return [] if reaction is None else await reaction(tx, nodes)


async def handle_retract(request: Request, child: etree._Element) -> bytes:
    """§7.2"""
    nodes, node, bare = request.nodes, names.name_of(child), request.origin.bare
    ids = [item.get("id") or "" for item in child.iterfind(f"{{{NAMESPACE}}}item")]
    if not ids or not all(ids):
        raise error("bad-request", "item-required")
    is_told = child.get("notify") in _TRUE

    async def work(tx: Tx) -> list[Event]:
        found = await access.require(tx, nodes, node, request.origin)
        if not found.may_publish:
            raise StanzaError("forbidden")  # §7.2.3.1
        if not found.config.persist_items:
            raise unsupported("persistent-items")
        await _check_publisher(tx, nodes, found, ids, bare)
        if await pubsub.retract(tx, nodes.owner, node, ids) != len(set(ids)):
            raise StanzaError("item-not-found")  # §7.2.3.2
        events = retracted(found.config, node, ids if is_told or found.config.notify_retract else [])
        return events + await react(tx, nodes, node)

    events = await nodes.server.store.write(work)
    request.after.append(lambda: notify(nodes, events))
    return b""


async def _check_publisher(tx: Tx, nodes: Nodes, found: Standing, ids: list[str], bare: str) -> None:
    """§4.1: owners and publishers delete any item, others only what they have published."""
    if found.affiliation in ("owner", "publisher"):
        return
    for item_id in ids:
        item = await pubsub.item(tx, nodes.owner, found.node.name, item_id)
        if item is not None and item.publisher != bare:
            raise StanzaError("forbidden")
