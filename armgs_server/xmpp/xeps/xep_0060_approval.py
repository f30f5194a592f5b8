# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.6: subscriptions that an owner approves; §12.14: telling of changed subscriptions."""

from __future__ import annotations

import dataclasses
import secrets

from lxml import etree

from armgs_server.storage import clock, pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.stanza import Stanza, element, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0060_access as access
from armgs_server.xmpp.xeps import xep_0060_notify as notifications
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0060_config import SERVICE_DEFAULTS, NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import EVENT, NAMESPACE, Nodes

FORM_TYPE = f"{NAMESPACE}#subscribe_authorization"


async def ask_owners(nodes: Nodes, pending: Subscription) -> None:
    """§8.6: the form goes to every owner of the node."""
    owners = await nodes.server.store.read(lambda tx: access.owners(tx, nodes, pending.node))
    for owner in owners:
        await ask(nodes, owner, pending)


async def ask(nodes: Nodes, owner: str, pending: Subscription) -> None:
    """§8.6: the form goes to one owner."""
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
