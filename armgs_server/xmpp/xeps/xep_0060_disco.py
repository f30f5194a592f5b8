# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §5: what a pubsub service says of itself, its nodes and their items; §10: its features."""

from __future__ import annotations

import asyncio

from lxml import etree

from armgs_server.storage import clock, pubsub, pubsub_members
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0030_disco, xep_0059_rsm, xep_0160_offline, xep_0472_feed
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0060_access import Standing
from armgs_server.xmpp.xeps.xep_0060_config import from_data
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, Nodes

META_DATA = f"{NAMESPACE}#meta-data"
PAGE = 200  # nodes in one answer
_COMMON = (
    "access-authorize",
    "access-open",
    "access-presence",
    "access-roster",
    "access-whitelist",
    "config-node",
    "config-node-max",
    "create-and-configure",
    "create-nodes",
    "delete-items",
    "delete-nodes",
    "get-pending",
    "instant-nodes",
    "item-ids",
    "leased-subscription",
    "manage-subscriptions",
    "member-affiliation",
    "meta-data",
    "modify-affiliations",
    "multi-items",
    "outcast-affiliation",
    "persistent-items",
    "presence-notifications",
    "publish",
    "publish-node-full",
    "publish-only-affiliation",
    "publish-options",
    "publisher-affiliation",
    "purge-nodes",
    "retract-items",
    "retrieve-affiliations",
    "retrieve-default",
    "retrieve-default-sub",
    "retrieve-items",
    "retrieve-subscriptions",
    "rsm",
    "subscribe",
    "subscription-notifications",
    "subscription-options",
)
SERVICE_FEATURES = (
    NAMESPACE,
    *(f"{NAMESPACE}#{feature}" for feature in (*_COMMON, "multi-subscribe")),
    xep_0030_disco.INFO,
    xep_0030_disco.ITEMS,
    xep_0059_rsm.NAMESPACE,
    "http://jabber.org/protocol/commands",
    *xep_0472_feed.FEATURES,
)
# XEP-0163 §6, with what XEP-0060 §9 adds for accounts.
ACCOUNT_FEATURES = (
    NAMESPACE,
    *(
        f"{NAMESPACE}#{feature}"
        for feature in (
            *_COMMON,
            "auto-create",
            "auto-subscribe",
            "filtered-notifications",
            "last-published",
            "presence-subscribe",
            "pubsub-on-a-jid",
        )
    ),
    *xep_0472_feed.FEATURES,
    xep_0472_feed.MICROBLOG,
)


async def node_info(nodes: Nodes, node: str, origin: JID) -> bytes:
    """§5.3, §5.4: identity, and metadata for who may read."""
    found = await access.find(nodes, node, origin)
    await access.check_access(nodes, found, origin.bare, subscribing=True)
    form = await _metadata(nodes, found)
    title = found.config.title
    return xep_0030_disco.info([("pubsub", "leaf", title)], SERVICE_FEATURES[:1], node, extra=form)


async def _metadata(nodes: Nodes, found: Standing) -> bytes:
    owner, node = nodes.owner, found.node

    async def work(tx: Tx) -> tuple[int, list[str], dict[str, str]]:
        count = await pubsub_members.count_subscribers(tx, owner, node.name, clock.now())
        everybody = await pubsub_members.affiliations(tx, owner, node.name)
        return count, await access.owners(tx, nodes, node.name), everybody

    count, owners, everybody = await nodes.server.store.read(work)
    publishers = [jid for jid, each in everybody.items() if each in ("publisher", "publish-only")]
    config = found.config
    fields = [
        Field("pubsub#type", "text-single", "", (config.type,)),
        Field("pubsub#creator", "jid-single", "", (node.creator or nodes.address,)),
        Field("pubsub#creation_date", "text-single", "", (xep_0160_offline.timestamp(node.created),)),
        Field("pubsub#title", "text-single", "", (config.title,)),
        Field("pubsub#description", "text-single", "", (config.description,)),
        Field("pubsub#language", "list-single", "", (config.language,)),
        Field("pubsub#contact", "jid-multi", "", config.contact),
        Field("pubsub#access_model", "list-single", "", (config.access_model,)),
        Field("pubsub#publish_model", "list-single", "", (config.publish_model,)),
        Field("pubsub#max_items", "text-single", "", (config.max_items,)),
        Field("pubsub#owner", "jid-multi", "", tuple(owners)),
        Field("pubsub#publisher", "jid-multi", "", tuple(publishers)),
        Field("pubsub#num_subscribers", "text-single", "", (str(count),)),
    ]
    shown = [field for field in fields if field.values and field.values != ("",)]
    return forms.form(META_DATA, shown, type="result")


async def items(nodes: Nodes, query: etree._Element, origin: JID) -> bytes:
    """§5.2, §5.5: the nodes that the asker may see, or the items of one."""
    node = query.get("node") or ""
    if node:
        return await _node_items(nodes, node, origin)
    page = xep_0059_rsm.parse_set(query, PAGE)
    shown: list[Standing] = []
    after = page.after or ""
    while len(shown) < max(1, page.max):
        part = await _page(nodes, after, origin.bare)
        if not part:
            break
        after = part[-1].node.name
        await asyncio.sleep(0)  # a turn for everybody else
        for found in part:
            if await is_visible(nodes, found, origin.bare):
                shown.append(found)
    shown = shown[: max(1, page.max)]
    inner = b"".join(
        element("item", {"jid": nodes.address, "node": found.node.name, "name": found.config.title})
        for found in shown
    )
    if len(shown) == max(1, page.max) or page.after:
        bounds = (shown[0].node.name, shown[-1].node.name) if shown else ("", "")
        inner += xep_0059_rsm.serialise_set(*bounds)
    return element("query", {"xmlns": xep_0030_disco.ITEMS}, inner)


async def _page(nodes: Nodes, after: str, bare: str) -> list[Standing]:
    """Nodes in the order of their names, with what they know of the asker."""

    async def work(tx: Tx) -> list[Standing]:
        found = await pubsub.page(tx, nodes.owner, after=after, limit=PAGE)
        affiliations = dict(await pubsub_members.affiliations_of(tx, nodes.owner, bare))
        own = await pubsub_members.subscriptions_of(tx, nodes.owner, bare, clock.now())
        is_owner = nodes.is_personal and bare == nodes.address
        return [
            Standing(
                node,
                from_data(node.config),
                "owner" if is_owner else affiliations.get(node.name, "none"),
                tuple(each for each in own if each.node == node.name),
            )
            for node in found
        ]

    return await nodes.server.store.read(work)


async def is_visible(nodes: Nodes, found: Standing, bare: str) -> bool:
    """A node to which one may ask to be subscribed is shown too."""
    try:
        await access.check_access(nodes, found, bare, subscribing=True)
    except StanzaError:
        return False
    return True


async def _node_items(nodes: Nodes, node: str, origin: JID) -> bytes:
    found = await access.find(nodes, node, origin)
    await access.check_access(nodes, found, origin.bare)
    since = max(0, found.config.oldest(clock.now()))
    limit = nodes.settings.node_items
    listed = await nodes.server.store.read(
        lambda tx: pubsub.items(tx, nodes.owner, node, limit=limit, since=since)
    )
    inner = b"".join(element("item", {"jid": nodes.address, "name": item.id}) for item in listed)
    return element("query", {"xmlns": xep_0030_disco.ITEMS, "node": node}, inner)
