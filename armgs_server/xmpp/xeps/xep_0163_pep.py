# SPDX-License-Identifier: Apache-2.0
"""XEP-0163: Personal Eventing Protocol: every account is a pubsub service of its person.

Avatars (XEP-0084), bookmarks (XEP-0402), device keys (XEP-0384) live here. What must always hold: an event
goes out only after its item is durable, and only to those whom the node's access model lets see it.
"""

from __future__ import annotations

import secrets

from lxml import etree

from armgs_server.directory import Principal
from armgs_server.formats import xmltree
from armgs_server.storage import pubsub
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import roster
from armgs_server.xmpp.iq import ACCOUNT, CONTACT, Query, Route
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0060_nodes as nodes
from armgs_server.xmpp.xeps import xep_0163_events as events
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, OWNER

ACCOUNT_FEATURES = (
    NAMESPACE,
    *(
        f"{NAMESPACE}#{feature}"
        for feature in (
            "access-open",
            "access-presence",
            "access-whitelist",
            "auto-create",
            "auto-subscribe",
            "config-node",
            "config-node-max",
            "delete-items",
            "delete-nodes",
            "filtered-notifications",
            "item-ids",
            "last-published",
            "multi-items",
            "persistent-items",
            "presence-subscribe",
            "publish",
            "publish-options",
            "purge-nodes",
            "retract-items",
            "retrieve-items",
        )
    ),
)


async def handle_set(query: Query) -> bytes:
    """XEP-0060 §7: publish and retract, on one's own account."""
    for child in query.payload:
        name = etree.QName(child).localname
        if name == "publish":
            return await _publish(query, child)
        if name == "retract":
            return await _retract(query, child)
    raise StanzaError("feature-not-implemented")


async def _publish(query: Query, publish: etree._Element) -> bytes:
    """XEP-0060 §7.1; a node that is not there is made, with the publish-options as its configuration."""
    node, owner = _node_of(publish), query.owner
    item = publish.find(f"{{{NAMESPACE}}}item")
    if item is None or len(publish) != 1:
        raise nodes.error("bad-request", "item-required")
    if len(item) != 1:
        raise nodes.error("bad-request", "payload-required" if len(item) == 0 else "invalid-payload")
    item_id = item.get("id") or secrets.token_urlsafe(9)
    payload = element("item", {"id": item_id}, xmltree.serialise(item[0]))
    options_element = query.payload.find(f"{{{NAMESPACE}}}publish-options")
    options = {}
    if options_element is not None:
        options = nodes.parse_options(options_element, nodes.PUBLISH_OPTIONS)

    async def work(tx: Tx) -> dict[str, str]:
        config = await pubsub.config(tx, owner, node)
        if config is None:
            if len(await pubsub.nodes(tx, owner)) >= nodes.MAX_NODES:
                raise StanzaError("resource-constraint", "too many nodes")
            config = nodes.defaults(node) | options
            await pubsub.configure(tx, owner, node, config)
        elif any(config.get(name) != value for name, value in options.items()):
            raise nodes.error("conflict", "precondition-not-met")  # §7.1.5
        await pubsub.publish(tx, owner, node, item_id, payload, int(config["max_items"]))
        return config

    config = await query.server.store.write(work)
    account = query.session.account
    inner = element("items", {"node": node}, payload)
    await events.notify(query.server, account, node, config["access_model"], inner)
    return element(
        "pubsub", {"xmlns": NAMESPACE}, element("publish", {"node": node}, element("item", {"id": item_id}))
    )


async def _retract(query: Query, retract: etree._Element) -> bytes:
    """XEP-0060 §7.2."""
    node, owner = _node_of(retract), query.owner
    ids = [item.get("id") or "" for item in retract.iterfind(f"{{{NAMESPACE}}}item")]
    if not ids or not all(ids):
        raise nodes.error("bad-request", "item-required")

    async def work(tx: Tx) -> dict[str, str]:
        config = await pubsub.config(tx, owner, node)
        if config is None or not await pubsub.retract(tx, owner, node, ids):
            raise StanzaError("item-not-found")
        return config

    config = await query.server.store.write(work)
    inner = b"".join(element("retract", {"id": item_id}) for item_id in ids)
    await events.notify(
        query.server,
        query.session.account,
        node,
        config["access_model"],
        element("items", {"node": node}, inner),
    )
    return b""


async def handle_get(query: Query) -> bytes:
    """XEP-0060 §6.5: items of one's own nodes, or of another's as far as they are open to the asker."""
    wanted = query.payload.find(f"{{{NAMESPACE}}}items")
    if wanted is None:
        raise StanzaError("feature-not-implemented")
    node = _node_of(wanted)
    person = await query.server.person(query.to)
    if person is None:
        raise StanzaError("service-unavailable")
    ids = tuple(item.get("id") or "" for item in wanted.iterfind(f"{{{NAMESPACE}}}item"))
    text = wanted.get("max_items") or str(nodes.MAX_ITEMS)
    if not (text.isascii() and text.isdecimal()):
        raise StanzaError("bad-request", "max_items is a number")
    limit, owner = min(int(text), nodes.MAX_ITEMS), person.id

    async def work(tx: Tx) -> tuple[dict[str, str] | None, list[pubsub.PublishedItem]]:
        config = await pubsub.config(tx, owner, node)
        return config, await pubsub.items(tx, owner, node, ids=ids, limit=limit)

    config, found = await query.server.store.read(work)
    if config is None:
        raise StanzaError("item-not-found")
    await _check_access(query, person, config["access_model"])
    inner = b"".join(item.payload for item in found)
    return element("pubsub", {"xmlns": NAMESPACE}, element("items", {"node": node}, inner))


async def _check_access(query: Query, person: Principal, access_model: str) -> None:
    """XEP-0060 §6.5.9: who may read."""
    asker = query.session.account
    if person.id == asker.owner or access_model == "open":
        return
    if access_model in ("presence", "roster"):
        if await roster.sees(query.server, person, asker.bare):
            return
        raise nodes.error("not-authorized", "presence-subscription-required")
    raise nodes.error("not-allowed", "closed-node")


async def handle_owner_get(query: Query) -> bytes:
    """XEP-0060 §8.2: the configuration form."""
    configure = query.payload.find(f"{{{OWNER}}}configure")
    if configure is None:
        raise StanzaError("feature-not-implemented")
    node, owner = _node_of(configure), query.owner
    config = await query.server.store.read(lambda tx: pubsub.config(tx, owner, node))
    if config is None:
        raise StanzaError("item-not-found")
    return nodes.serialise_config(node, config)


async def handle_owner_set(query: Query) -> bytes:
    """XEP-0060 §8.2, §8.4, §8.5: configure, delete, purge."""
    owner = query.owner
    for child in query.payload:
        name, node = etree.QName(child).localname, _node_of(child)
        options = nodes.parse_options(child, nodes.NODE_CONFIG) if name == "configure" else {}

        async def work(
            tx: Tx, name: str = name, node: str = node, options: dict[str, str] = options
        ) -> dict[str, str]:
            config = await pubsub.config(tx, owner, node)
            if config is None:
                raise StanzaError("item-not-found")
            if name == "configure":
                await pubsub.configure(tx, owner, node, config | options)
            elif name == "delete":
                await pubsub.delete(tx, owner, node)
            elif name == "purge":
                await pubsub.purge(tx, owner, node)
            else:
                raise StanzaError("feature-not-implemented")
            return config

        config = await query.server.store.write(work)
        if name in ("delete", "purge"):
            inner = element(name, {"node": node})
            account = query.session.account
            await events.notify(query.server, account, node, config["access_model"], inner)
    return b""


def _node_of(child: etree._Element) -> str:
    node = child.get("node") or ""
    if not node or len(node) > 1000:
        raise nodes.error("bad-request", "nodeid-required")
    return node


ROUTES = (
    Route("set", NAMESPACE, "pubsub", ACCOUNT, handle_set),
    Route("get", NAMESPACE, "pubsub", ACCOUNT | CONTACT, handle_get),
    Route("get", OWNER, "pubsub", ACCOUNT, handle_owner_get),
    Route("set", OWNER, "pubsub", ACCOUNT, handle_owner_set),
)
