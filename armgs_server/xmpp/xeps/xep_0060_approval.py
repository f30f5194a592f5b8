# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.6, §8.7: subscriptions that an owner approves; §12.14: telling of changed subscriptions."""

from __future__ import annotations

import dataclasses
import secrets

from lxml import etree

from armgs_server.storage import clock, pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_notify as notifications
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0060_config import SERVICE_DEFAULTS, NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import EVENT, NAMESPACE, Nodes, Request, unsupported

FORM_TYPE = f"{NAMESPACE}#subscribe_authorization"
COMMANDS = "http://jabber.org/protocol/commands"  # XEP-0050
GET_PENDING = f"{NAMESPACE}#get-pending"


async def ask_owners(nodes: Nodes, pending: Subscription) -> None:
    """§8.6: the form goes to every owner of the node."""
    owners = await nodes.server.store.read(lambda tx: access.owners(tx, nodes, pending.node))
    for owner in owners:
        await _ask(nodes, owner, pending)


async def _ask(nodes: Nodes, owner: str, pending: Subscription) -> None:
    fields = (
        Field("pubsub#subid", "hidden", "", (pending.subid,)),
        Field("pubsub#node", "text-single", "Node", (pending.node,)),
        Field("pubsub#subscriber_jid", "jid-single", "Subscriber", (pending.jid,)),
        Field("pubsub#allow", "boolean", "Allow this subscription?", forms.boolean(False)),
    )
    form = forms.form(FORM_TYPE, fields, title="Subscription request")
    body = text_element("body", f"{pending.jid} asks to subscribe to {pending.node}.")
    await notifications.send_message(
        nodes.server, pending.service, owner, form + body, id_=secrets.token_hex(8)
    )


def is_answer(stanza: Stanza) -> etree._Element | None:
    """The form in a message, where it is an owner's answer."""
    if not stanza.has("x", forms.NAMESPACE):
        return None
    form = forms.find(stanza.tree())
    if form is None or forms.values(form).get("FORM_TYPE") != (FORM_TYPE,):
        return None
    return form


async def handle_answer(nodes: Nodes, origin: JID, form: etree._Element) -> None:
    """§8.6: `pubsub#allow` decides; a cancelled form leaves the request pending."""
    if form.get("type") != "submit":
        return
    values = {name: found[0] for name, found in forms.values(form).items() if found}
    node, jid = values.get("pubsub#node", ""), values.get("pubsub#subscriber_jid", "")
    subid, is_allowed = values.get("pubsub#subid", ""), values.get("pubsub#allow") in ("1", "true")

    async def work(tx: Tx) -> tuple[NodeConfig, list[Subscription]]:
        found = await access.require_owner(tx, nodes, node, origin)
        waiting = await pubsub_members.subscriptions(tx, nodes.owner, node, clock.now())
        chosen = [
            each
            for each in waiting
            if each.jid == jid and each.state == "pending" and (not subid or each.subid == subid)
        ]
        return found.config, [await settle(tx, each, is_allowed=is_allowed) for each in chosen]

    config, settled = await nodes.server.store.write(work)
    for each in settled:
        await tell_subscriber(nodes, each)
        if is_allowed:
            await tell_owners(nodes, config, each)


async def settle(tx: Tx, pending: Subscription, *, is_allowed: bool) -> Subscription:
    """Approves or denies a request that waits."""
    if is_allowed:
        approved = dataclasses.replace(pending, state="subscribed")
        await pubsub_members.put(tx, approved)
        return approved
    await pubsub_members.remove(tx, pending)
    return dataclasses.replace(pending, state="none")


async def tell_subscriber(nodes: Nodes, subscription: Subscription) -> None:
    """§8.8.4: what has become of the subscription."""
    config = dataclasses.replace(SERVICE_DEFAULTS, notification_type="headline")
    inner = _state(subscription)
    await notifications.send(nodes.server, subscription.service, subscription.jid, inner, config)


async def tell_owners(nodes: Nodes, config: NodeConfig, subscription: Subscription) -> None:
    """§12.14, the option notify_sub: somebody has subscribed or unsubscribed."""
    if not config.notify_sub:
        return
    owners = await nodes.server.store.read(lambda tx: access.owners(tx, nodes, subscription.node))
    inner = element("event", {"xmlns": EVENT}, _state(subscription))
    for owner in owners:
        await notifications.send_message(nodes.server, subscription.service, owner, inner, "headline")


def _state(subscription: Subscription) -> bytes:
    attributes = {
        "node": subscription.node,
        "jid": subscription.jid,
        "subid": subscription.subid,
        "subscription": subscription.state,
    }
    return element("subscription", attributes)


async def handle_command(request: Request, command: etree._Element) -> bytes:
    """§8.7: which nodes have requests that wait; with a node, the requests are sent once more."""
    nodes, bare = request.nodes, request.origin.bare
    if command.get("node") != GET_PENDING:
        raise unsupported("get-pending") if command.get("node") else StanzaError("bad-request")
    attributes = {
        "xmlns": COMMANDS,
        "node": GET_PENDING,
        "sessionid": command.get("sessionid") or secrets.token_hex(8),
    }
    if command.get("action") == "cancel":
        return element("command", attributes | {"status": "canceled"})
    form = forms.find(command)
    chosen = forms.values(form).get("pubsub#node", ()) if form is not None else ()
    if chosen:
        request.after.append(await _ask_again(request, chosen[0]))
        return element("command", attributes | {"status": "completed"})

    async def work(tx: Tx) -> list[str]:
        pending = await pubsub_members.pending_nodes(tx, nodes.owner)
        return [node for node in pending if bare in await access.owners(tx, nodes, node)]

    options = tuple(("", node) for node in await nodes.server.store.read(work))
    field = Field("pubsub#node", "list-single", "Node", (), options)
    actions = element("actions", {"execute": "complete"}, element("complete"))
    inner = actions + forms.form(FORM_TYPE, [field])
    return element("command", attributes | {"status": "executing"}, inner)


async def _ask_again(request: Request, node: str) -> notifications.Later:
    nodes, bare = request.nodes, request.origin.bare

    async def work(tx: Tx) -> list[Subscription]:
        await access.require_owner(tx, nodes, node, request.origin)
        everybody = await pubsub_members.subscriptions(tx, nodes.owner, node, clock.now())
        return [each for each in everybody if each.state == "pending"]

    pending = await nodes.server.store.read(work)

    async def ask() -> None:
        for each in pending:
            await _ask(nodes, bare, each)

    return ask
