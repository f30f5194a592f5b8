# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.1-§8.5: creating nodes, configuring, purging and deleting them."""

from __future__ import annotations

import secrets

from lxml import etree

from armgs_server.storage import clock, pubsub, pubsub_members
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_config, xep_0060_fields, xep_0060_publish
from armgs_server.xmpp.xeps import xep_0060_nodes as names
from armgs_server.xmpp.xeps.xep_0060_config import NODE_CONFIG, NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import OWNER, Nodes, Request, error, unsupported
from armgs_server.xmpp.xeps.xep_0060_notify import Event, Former, notify
from armgs_server.xmpp.xeps.xep_0472_channel import check_room

_MAX_URI = 2000  # characters


async def handle_create(request: Request, child: etree._Element) -> bytes:
    """§8.1; without a NodeID the service chooses one (§8.1.1)."""
    nodes, bare = request.nodes, request.origin.bare
    given = child.get("node") or ""
    node = given or secrets.token_urlsafe(15)
    if len(node) > names.MAX_NAME:
        raise error("not-acceptable", "nodeid-required")
    if child.get("type", "leaf") != "leaf":
        raise unsupported("collections")  # XEP-0248 §7.1
    await _check_creator(request)
    config = xep_0060_config.defaults(node, is_personal=nodes.is_personal)
    configure = request.child("configure")
    if configure is not None:
        if configure.get("node") is not None:
            raise StanzaError("bad-request")  # §8.1.3
        values = xep_0060_config.submitted(configure, NODE_CONFIG) or {}
        config = xep_0060_config.parse(config, values, nodes.settings, is_personal=nodes.is_personal)
        await check_room(request, config)

    async def work(tx: Tx) -> None:
        if await pubsub.get(tx, nodes.owner, node) is not None:
            raise StanzaError("conflict")
        await xep_0060_publish.make(tx, nodes, node, config, bare)
        await pubsub_members.forget_redirect(tx, nodes.owner, node)
        if not nodes.is_personal:
            await pubsub_members.set_affiliation(tx, nodes.owner, node, bare, "owner")

    await nodes.server.store.write(work)
    return names.pubsub(element("create", {"node": node}))


async def _check_creator(request: Request) -> None:
    """§8.1.1: an account's nodes are made by its person; who makes a department's is a setting."""
    nodes, bare = request.nodes, request.origin.bare
    if nodes.is_personal:
        if bare != nodes.address:
            raise StanzaError("forbidden")
        return
    person = await nodes.server.person(request.origin.to_bare())
    who = nodes.settings.node_creators
    is_allowed = person is not None and (who == "everybody" or person.department == nodes.owner)
    if not is_allowed or (who == "heads" and person is not None and not person.head):
        raise StanzaError("forbidden")


async def handle_configure_get(request: Request, child: etree._Element) -> bytes:
    """§8.2.1"""
    nodes, node = request.nodes, names.name_of(child)
    found = await nodes.server.store.read(lambda tx: access.require_owner(tx, nodes, node, request.origin))
    form = xep_0060_config.serialise(found.config)
    return names.pubsub(element("configure", {"node": node}, form), OWNER)


async def handle_configure_set(request: Request, child: etree._Element) -> bytes:
    """§8.2.4"""
    nodes, node = request.nodes, names.name_of(child)
    values = xep_0060_config.submitted(child, NODE_CONFIG)
    found = await nodes.server.store.read(lambda tx: access.require_owner(tx, nodes, node, request.origin))
    if values is None:  # §8.2.4: cancelled
        return b""
    if not values and child.find("{jabber:x:data}x") is None:
        raise StanzaError("bad-request", "a form is needed")
    is_personal = nodes.is_personal
    wanted = xep_0060_config.parse(found.config, values, nodes.settings, is_personal=is_personal)
    if wanted.channel_room != found.config.channel_room:
        await check_room(request, wanted)

    async def work(tx: Tx) -> NodeConfig:
        now = await access.require_owner(tx, nodes, node, request.origin)
        config = xep_0060_config.parse(now.config, values, nodes.settings, is_personal=is_personal)
        await pubsub.configure(tx, nodes.owner, node, xep_0060_fields.to_data(config))
        await _shorten(tx, nodes, node, config)
        return config

    config = await nodes.server.store.write(work)
    if config.notify_config:
        form = xep_0060_config.serialise(config, "result") if config.deliver_payloads else b""
        event = Event(node, config, element("configuration", {"node": node}, form))
        request.after.append(lambda: notify(nodes, [event]))
    return b""


async def _shorten(tx: Tx, nodes: Nodes, node: str, config: NodeConfig) -> None:
    """What the new configuration does not keep any more."""
    if not config.persist_items:
        await pubsub.purge(tx, nodes.owner, node)
        return
    await pubsub.trim(tx, nodes.owner, node, config.items_limit(nodes.settings))


async def handle_default(request: Request, child: etree._Element) -> bytes:
    """§8.3"""
    if child.get("type", "leaf") != "leaf":
        raise unsupported("collections")
    config = xep_0060_config.defaults("", is_personal=request.nodes.is_personal)
    return names.pubsub(element("default", {}, xep_0060_config.serialise(config)), OWNER)


async def handle_delete(request: Request, child: etree._Element) -> bytes:
    """§8.4; subscribers are told, those who wait among them."""
    nodes, node = request.nodes, names.name_of(child)
    redirect = child.find(f"{{{OWNER}}}redirect")
    uri = redirect.get("uri") or "" if redirect is not None else ""
    if redirect is not None and not 0 < len(uri) <= _MAX_URI:
        raise StanzaError("bad-request", "a redirect has a URI")
    inner = element("delete", {"node": node}, element("redirect", {"uri": uri}) if uri else b"")

    async def work(tx: Tx) -> list[Event]:
        found = await access.require_owner(tx, nodes, node, request.origin)
        subscriptions = await pubsub_members.subscriptions(tx, nodes.owner, node, clock.now())
        former = Former(subscriptions, await pubsub_members.affiliations(tx, nodes.owner, node))
        await pubsub.delete(tx, nodes.owner, node)
        if uri:
            await pubsub_members.set_redirect(tx, nodes.owner, node, uri)
        events = await xep_0060_publish.react(tx, nodes, node)
        if found.config.notify_delete:
            events.append(Event(node, found.config, inner, former=former))
        return events

    events = await nodes.server.store.write(work)
    request.after.append(lambda: notify(nodes, events))
    return b""


async def handle_purge(request: Request, child: etree._Element) -> bytes:
    """§8.5: one event, however many items are gone."""
    nodes, node = request.nodes, names.name_of(child)

    async def work(tx: Tx) -> list[Event]:
        found = await access.require_owner(tx, nodes, node, request.origin)
        if not found.config.persist_items:
            raise unsupported("persistent-items")
        await pubsub.purge(tx, nodes.owner, node)
        events = await xep_0060_publish.react(tx, nodes, node)
        return [Event(node, found.config, element("purge", {"node": node})), *events]

    events = await nodes.server.store.write(work)
    request.after.append(lambda: notify(nodes, events))
    return b""
