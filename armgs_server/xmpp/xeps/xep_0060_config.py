# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §8.2, §16.4.4: what an owner may configure of a node, and with what a node begins.

Not offered, because nothing here would act on them: digests, collections, XSLT, items and subscriptions
that end with somebody's presence. A form that asks for one of those is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0060_fields as fields
from armgs_server.xmpp.xeps.xep_0060_fields import FieldError, field
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, error, unsupported

if TYPE_CHECKING:
    from armgs_server.config import XmppSettings

NODE_CONFIG = f"{NAMESPACE}#node_config"
PUBLISH_OPTIONS = f"{NAMESPACE}#publish-options"
ACCESS_MODELS = ("authorize", "open", "presence", "roster", "whitelist")
PUBLISH_MODELS = ("publishers", "subscribers", "open")
LAST_ITEM = ("never", "on_sub", "on_sub_and_presence")
CHANNEL_ROOM = "{urn:armgs:channel:0}room"  # see xep_0472_channel
# Nodes that concern nobody else, even where a client forgets to say so, and that have many items.
PRIVATE_NODES = frozenset(
    {
        "urn:xmpp:bookmarks:1",  # XEP-0402
        "storage:bookmarks",  # XEP-0048
        "urn:xmpp:mds:displayed:0",  # XEP-0490
    }
)
MICROBLOG = "urn:xmpp:microblog:0"  # XEP-0277
MANY_ITEMS = frozenset({"urn:xmpp:bookmarks:1", "urn:xmpp:mds:displayed:0", MICROBLOG})


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The registered fields that mean something here."""

    title: str = field("", "title", "text", "Name")
    description: str = field("", "description", "text", "Description")
    type: str = field("", "type", "text", "Namespace of the payloads")
    language: str = field("", "language", "language", "Language", ("ru", "en"))
    contact: tuple[str, ...] = field((), "contact", "jids", "Whom to ask")
    access_model: str = field("open", "access_model", "choice", "Who may subscribe and read", ACCESS_MODELS)
    roster_groups_allowed: tuple[str, ...] = field(
        (), "roster_groups_allowed", "lines", "Roster groups that may subscribe and read"
    )
    publish_model: str = field("publishers", "publish_model", "choice", "Who may publish", PUBLISH_MODELS)
    subscribe: bool = field(True, "subscribe", "boolean", "Allow subscriptions")
    deliver_notifications: bool = field(True, "deliver_notifications", "boolean", "Tell subscribers of items")
    deliver_payloads: bool = field(True, "deliver_payloads", "boolean", "Send items with their payload")
    notification_type: str = field(
        "headline", "notification_type", "choice", "Type of the messages", ("headline", "normal")
    )
    presence_based_delivery: bool = field(
        False, "presence_based_delivery", "boolean", "Tell only who is available"
    )
    notify_config: bool = field(False, "notify_config", "boolean", "Tell subscribers of changes here")
    notify_delete: bool = field(True, "notify_delete", "boolean", "Tell subscribers when the node is deleted")
    notify_retract: bool = field(True, "notify_retract", "boolean", "Tell subscribers of removed items")
    notify_sub: bool = field(False, "notify_sub", "boolean", "Tell owners of subscribers")
    persist_items: bool = field(True, "persist_items", "boolean", "Keep items")
    max_items: str = field("max", "max_items", "number", "Most items kept")
    item_expire: str = field("max", "item_expire", "number", "Seconds after which items go")
    max_payload_size: str = field("max", "max_payload_size", "number", "Largest payload in bytes")
    publish_node_full: str = field(
        "retract-oldest",
        "publish_node_full",
        "choice",
        "What happens to the oldest item when there are too many",
        ("retract-oldest", "discard-oldest", "reject"),
    )
    send_last_published_item: str = field(
        "on_sub", "send_last_published_item", "choice", "When the last item is sent", LAST_ITEM
    )
    node_type: str = field("leaf", "node_type", "choice", "Kind of node", ("leaf",))
    channel_room: str = field("", CHANNEL_ROOM, "jid", "Chat room that hears of each post")
    purge_offline: bool = field(False, "purge_offline", "boolean", "", is_fixed=True)
    tempsub: bool = field(False, "tempsub", "boolean", "", is_fixed=True)

    def items_limit(self, settings: XmppSettings) -> int:
        """How many items are kept."""
        return _bounded(self.max_items, settings.node_items)

    def payload_limit(self, settings: XmppSettings) -> int:
        """The largest payload that may be published."""
        return _bounded(self.max_payload_size, settings.node_payload)

    def oldest(self, now: int) -> int:
        """Items published before that time have expired."""
        return 0 if self.item_expire in ("max", "0") else now - int(self.item_expire) * 1_000_000


SERVICE_DEFAULTS = NodeConfig()
# XEP-0163 §2.5, §5: the defaults of personal nodes.
PERSONAL_DEFAULTS = NodeConfig(
    access_model="presence", max_items="1", send_last_published_item="on_sub_and_presence"
)


def defaults(node: str, *, is_personal: bool) -> NodeConfig:
    """What a node has that was made without a word about it."""
    if not is_personal:
        return SERVICE_DEFAULTS
    return dataclasses.replace(
        PERSONAL_DEFAULTS,
        access_model="whitelist" if node in PRIVATE_NODES else "presence",
        max_items="max" if node in MANY_ITEMS else "1",
    )


def from_data(data: Mapping[str, Any]) -> NodeConfig:
    """A configuration as it lies in the store."""
    return fields.from_data(SERVICE_DEFAULTS, data)


def serialise(config: NodeConfig, type: str = "form") -> bytes:
    """§8.2.2: the form with the present values; §8.2.5.3: as a result, told to subscribers; or to submit."""
    return forms.form(NODE_CONFIG, fields.serialise(config, result=type != "form"), type=type)


def submitted(parent: etree._Element, form_type: str) -> Mapping[str, tuple[str, ...]] | None:
    """What a form below the element says; None where it was cancelled, empty where there is none."""
    form = forms.find(parent)
    if form is None:
        return {}
    if form.get("type") == "cancel":
        return None
    found = dict(forms.values(form))
    if found.pop("FORM_TYPE", (form_type,)) != (form_type,):
        raise StanzaError("bad-request", "a form of another type")
    return found


def parse(
    config: NodeConfig, values: Mapping[str, tuple[str, ...]], settings: XmppSettings, *, is_personal: bool
) -> NodeConfig:
    """§8.2.5: the configuration after a submitted form."""
    if "collection" in values.get("pubsub#node_type", ()):
        raise unsupported("collections")  # XEP-0248 §7
    try:
        changed = fields.parse(config, values)
    except FieldError as failure:
        if failure.var == "pubsub#access_model":  # §8.1.2
            raise error("not-acceptable", "unsupported-access-model") from failure
        raise StanzaError("not-acceptable", failure.text) from failure
    _check_limits(changed, settings, is_personal=is_personal)
    return changed


def _check_limits(config: NodeConfig, settings: XmppSettings, *, is_personal: bool) -> None:
    for value, limit, name in (
        (config.max_items, settings.node_items, "max_items"),
        (config.max_payload_size, settings.node_payload, "max_payload_size"),
    ):
        if value != "max" and int(value) > limit:
            raise StanzaError("not-acceptable", f"{name} is at most {limit}, or max")
    if config.max_items == "0" and config.persist_items:
        raise StanzaError("not-acceptable", "a node that keeps items keeps at least one")
    if config.send_last_published_item == "on_sub_and_presence" and not is_personal:
        raise StanzaError("not-acceptable", "this service does not know its subscribers' presence")
    if config.channel_room and is_personal:
        raise StanzaError("not-acceptable", "a channel is a node of the department")


def is_met(config: NodeConfig, values: Mapping[str, tuple[str, ...]]) -> bool:
    """§7.1.5: whether the node is as the publish-options say; an unknown field is never met."""
    try:
        return fields.parse(config, values, is_strict=True) == config
    except FieldError:
        return False


def _bounded(text: str, limit: int) -> int:
    return limit if text == "max" else min(int(text), limit)
