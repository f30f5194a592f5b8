# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §5.6, §5.7, §6.1-§6.4: subscribing, unsubscribing, options, and asking for one's own of both."""

from __future__ import annotations

import dataclasses
import secrets

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.storage import clock, pubsub, pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import StanzaError, element
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_approval as approval
from armgs_server.xmpp.xeps import xep_0060_config, xep_0060_fields, xep_0060_options
from armgs_server.xmpp.xeps import xep_0060_nodes as names
from armgs_server.xmpp.xeps import xep_0060_notify as notifications
from armgs_server.xmpp.xeps.xep_0060_access import Standing
from armgs_server.xmpp.xeps.xep_0060_nodes import Nodes, Request, error, unsupported
from armgs_server.xmpp.xeps.xep_0060_options import Options
from armgs_server.xmpp.xeps.xep_0160_offline import delay


async def handle_subscribe(request: Request, child: etree._Element) -> bytes:
    """§6.1; with `<options/>` also §6.3.7."""
    nodes, node = request.nodes, names.name_of(child)
    to = _own_jid(child, request.origin)
    options = _requested(request)
    found = await access.find(nodes, node, request.origin)
    _check_state(found)
    await access.check_access(nodes, found, to.bare, subscribing=True)
    if not found.config.subscribe:
        raise unsupported("subscribe")  # §6.1.3.10
    trusted = found.affiliation in ("owner", "publisher", "member")
    needs_approval = found.config.access_model == "authorize" and not trusted and not found.is_subscribed
    wanted = Subscription(
        nodes.owner,
        node,
        to.full,
        secrets.token_hex(10),
        to.bare,
        nodes.address,
        "pending" if needs_approval else "subscribed",
        xep_0060_fields.to_data(options),
        options.expires,
    )

    async def work(tx: Tx) -> Subscription:
        now = await access.require(tx, nodes, node, request.origin)
        _check_state(now)
        same = [each for each in now.subscriptions if each.jid == to.full]
        if same and nodes.is_personal:  # §6.1.6: no second one here; it gets the new options
            changed = wanted if request.child("options") is not None else same[0]
            changed = dataclasses.replace(changed, subid=same[0].subid)
            await pubsub_members.put(tx, changed)
            return changed
        await _check_limits(tx, nodes, node, to.bare)
        await pubsub_members.put(tx, wanted)
        return wanted

    kept = await nodes.server.store.write(work)
    request.after.append(lambda: _welcome(nodes, found, kept))
    inner = serialise(kept, element("subscribe-options") if kept.state == "subscribed" else b"")
    if request.child("options") is not None:
        inner += element("options", {}, xep_0060_options.serialise(options, found.config, "result"))
    return names.pubsub(inner)


def _own_jid(child: etree._Element, origin: JID, condition: StanzaError | None = None) -> JID:
    """§6.1.3.1, §6.2.3.3: nobody subscribes, unsubscribes or configures somebody else."""
    text = child.get("jid") or ""
    wrong = condition or error("bad-request", "invalid-jid")
    if not text:
        raise wrong
    try:
        to = jids.parse(text)
    except DomainError as failure:
        raise error("bad-request", "invalid-jid") from failure
    if to.bare != origin.bare:
        raise wrong
    return to


def _requested(request: Request) -> Options:
    """§6.3.7: options beside a subscription name neither the node nor the subscriber."""
    child = request.child("options")
    if child is None:
        return xep_0060_options.DEFAULTS
    if child.get("node") is not None or child.get("jid") is not None:
        raise StanzaError("bad-request")
    values = xep_0060_config.submitted(child, xep_0060_options.FORM_TYPE) or {}
    return xep_0060_options.parse(xep_0060_options.DEFAULTS, values, clock.now())


def _check_state(found: Standing) -> None:
    if any(each.state == "pending" for each in found.subscriptions):
        raise error("not-authorized", "pending-subscription")  # §6.1.3.7


async def _check_limits(tx: Tx, nodes: Nodes, node: str, bare: str) -> None:
    """§6.1.3.9"""
    now, settings = clock.now(), nodes.settings
    own = await pubsub_members.subscriptions_of(tx, nodes.owner, bare, now)
    total = await pubsub_members.count_subscribers(tx, nodes.owner, node, now)
    if len(own) >= settings.node_subscriptions or total >= settings.node_subscribers:
        raise error("policy-violation", "too-many-subscriptions", "wait")


async def _welcome(nodes: Nodes, found: Standing, kept: Subscription) -> None:
    """After the answer: the last item (§6.1.7), or the owners are asked (§8.6); who watches is told."""
    if kept.state == "pending":
        await approval.ask_owners(nodes, kept)
        return
    await approval.tell_owners(nodes, found.config, kept)
    await send_last(nodes, found, kept)


async def send_last(nodes: Nodes, found: Standing, kept: Subscription) -> None:
    """§6.1.7: the item published last, with the time at which that was."""
    config, options = found.config, xep_0060_options.from_data(kept.options)
    if config.send_last_published_item == "never" or not config.deliver_notifications or not options.deliver:
        return
    since = max(0, config.oldest(clock.now()))
    last = await nodes.server.store.read(
        lambda tx: pubsub.items(tx, nodes.owner, kept.node, limit=1, since=since)
    )
    for item in last:
        data = item.payload if config.deliver_payloads else element("item", {"id": item.id})
        inner = element("items", {"node": kept.node}, data)
        extra = delay(nodes.address, item.time)
        await notifications.send(nodes.server, kept.service, kept.jid, inner, config, extra=extra)


async def handle_unsubscribe(request: Request, child: etree._Element) -> bytes:
    """§6.2"""
    nodes, node = request.nodes, names.name_of(child)
    to = _own_jid(child, request.origin, StanzaError("forbidden"))

    async def work(tx: Tx) -> tuple[Standing, Subscription]:
        found = await access.require(tx, nodes, node, request.origin)
        own = _choose(found, to, child.get("subid") or "", "cancel")
        await pubsub_members.remove(tx, own)
        return found, dataclasses.replace(own, state="none")

    found, gone = await nodes.server.store.write(work)
    request.after.append(lambda: approval.tell_owners(nodes, found.config, gone))
    return names.pubsub(serialise(gone))


def _choose(found: Standing, to: JID, subid: str, error_type: str) -> Subscription:
    """The subscription that a JID and a SubID name (§6.2.3, §6.3.4)."""
    own = [each for each in found.subscriptions if each.jid == to.full]
    if not own:
        raise error("unexpected-request", "not-subscribed", error_type)
    if len(own) > 1 and not subid:
        raise error("bad-request", "subid-required")
    for each in own:
        if not subid or each.subid == subid:
            return each
    raise error("not-acceptable", "invalid-subid")


# Options


def _subscriber(request: Request, child: etree._Element) -> JID:
    if not child.get("jid"):
        raise error("bad-request", "jid-required")  # §6.3.4.3
    return _own_jid(child, request.origin, StanzaError("forbidden"))


async def handle_options_get(request: Request, child: etree._Element) -> bytes:
    """§6.3.2"""
    nodes, node, to = request.nodes, names.name_of(child), _subscriber(request, child)
    found = await access.find(nodes, node, request.origin)
    own = _choose(found, to, child.get("subid") or "", "modify")
    form = xep_0060_options.serialise(xep_0060_options.from_data(own.options), found.config)
    attributes = {"node": node, "jid": own.jid, "subid": child.get("subid") or ""}
    return names.pubsub(element("options", attributes, form))


async def handle_options_set(request: Request, child: etree._Element) -> bytes:
    """§6.3.5"""
    nodes, node, to = request.nodes, names.name_of(child), _subscriber(request, child)
    values = xep_0060_config.submitted(child, xep_0060_options.FORM_TYPE)

    async def work(tx: Tx) -> None:
        found = await access.require(tx, nodes, node, request.origin)
        own = _choose(found, to, child.get("subid") or "", "modify")
        if values is None:
            return
        changed = xep_0060_options.parse(xep_0060_options.from_data(own.options), values, clock.now())
        data, expires = xep_0060_fields.to_data(changed), changed.expires
        await pubsub_members.put(tx, dataclasses.replace(own, options=data, expires=expires))

    await nodes.server.store.write(work)
    return b""


async def handle_default(request: Request, child: etree._Element) -> bytes:
    """§6.4: of a node, or of the service."""
    node, config = child.get("node") or "", None
    if node:
        found = await access.find(request.nodes, node, request.origin)
        await access.check_access(request.nodes, found, request.origin.bare, subscribing=True)
        config = found.config
    form = xep_0060_options.serialise(xep_0060_options.DEFAULTS, config, "result")
    return names.pubsub(element("default", {"node": node}, form))


# One's own


async def handle_subscriptions(request: Request, child: etree._Element) -> bytes:
    """§5.6: of the bare JID, at all nodes or at one."""
    nodes, bare = request.nodes, request.origin.bare
    node = child.get("node")

    async def work(tx: Tx) -> list[Subscription]:
        if node:
            await access.require(tx, nodes, node, request.origin)
        return await pubsub_members.subscriptions_of(tx, nodes.owner, bare, clock.now(), node or None)

    own = await nodes.server.store.read(work)
    return names.pubsub(element("subscriptions", {"node": node or ""}, b"".join(map(serialise, own))))


async def handle_affiliations(request: Request, child: etree._Element) -> bytes:
    """§5.7: of the bare JID, at all nodes or at one."""
    nodes, bare = request.nodes, request.origin.bare
    node = child.get("node")

    async def work(tx: Tx) -> list[tuple[str, str]]:
        if node:
            found = await access.require(tx, nodes, node, request.origin)
            return [] if found.affiliation == "none" else [(node, found.affiliation)]
        if nodes.is_personal and bare == nodes.address:
            return [(each, "owner") for each in await pubsub.nodes(tx, nodes.owner)]
        return await pubsub_members.affiliations_of(tx, nodes.owner, bare)

    own = await nodes.server.store.read(work)
    inner = b"".join(
        element("affiliation", {"node": each, "affiliation": affiliation}) for each, affiliation in own
    )
    return names.pubsub(element("affiliations", {"node": node or ""}, inner))


def serialise(subscription: Subscription, inner: bytes = b"") -> bytes:
    """One `<subscription/>`."""
    attributes = {
        "node": subscription.node,
        "jid": subscription.jid,
        "subid": subscription.subid,
        "subscription": subscription.state,
    }
    return element("subscription", attributes, inner)
