# SPDX-License-Identifier: Apache-2.0
"""XEP-0060: the table of requests, the same for accounts (XEP-0163) and for pubsub.DOMAIN."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lxml import etree

from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import (
    xep_0060_items,
    xep_0060_members,
    xep_0060_owner,
    xep_0060_publish,
    xep_0060_subscribe,
)
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, OWNER, Request

Handler = Callable[[Request, etree._Element], Awaitable[bytes]]

# (type of the IQ, namespace, first child of <pubsub/>) → handler; it returns the inside of the result.
HANDLERS: dict[tuple[str, str, str], Handler] = {
    ("get", NAMESPACE, "items"): xep_0060_items.handle_items,
    ("get", NAMESPACE, "subscriptions"): xep_0060_subscribe.handle_subscriptions,
    ("get", NAMESPACE, "affiliations"): xep_0060_subscribe.handle_affiliations,
    ("get", NAMESPACE, "options"): xep_0060_subscribe.handle_options_get,
    ("get", NAMESPACE, "default"): xep_0060_subscribe.handle_default,
    ("set", NAMESPACE, "publish"): xep_0060_publish.handle_publish,
    ("set", NAMESPACE, "retract"): xep_0060_publish.handle_retract,
    ("set", NAMESPACE, "create"): xep_0060_owner.handle_create,
    ("set", NAMESPACE, "subscribe"): xep_0060_subscribe.handle_subscribe,
    ("set", NAMESPACE, "unsubscribe"): xep_0060_subscribe.handle_unsubscribe,
    ("set", NAMESPACE, "options"): xep_0060_subscribe.handle_options_set,
    ("get", OWNER, "configure"): xep_0060_owner.handle_configure_get,
    ("get", OWNER, "default"): xep_0060_owner.handle_default,
    ("get", OWNER, "subscriptions"): xep_0060_members.handle_subscriptions_get,
    ("get", OWNER, "affiliations"): xep_0060_members.handle_affiliations_get,
    ("set", OWNER, "configure"): xep_0060_owner.handle_configure_set,
    ("set", OWNER, "delete"): xep_0060_owner.handle_delete,
    ("set", OWNER, "purge"): xep_0060_owner.handle_purge,
    ("set", OWNER, "subscriptions"): xep_0060_members.handle_subscriptions_set,
    ("set", OWNER, "affiliations"): xep_0060_members.handle_affiliations_set,
}
# Children that follow another (§6.3.7, §7.1.5, §8.1.3); some are requests of their own elsewhere.
_SECOND = frozenset({"configure", "options", "publish-options"})


async def answer(request: Request, type: str) -> bytes:
    """The inside of the result; what the request asks for is named by the first child of `<pubsub/>`."""
    if len(request.payload) == 0:
        raise StanzaError("bad-request", "an empty request")
    child = request.payload[0]
    outer, inner = etree.QName(request.payload), etree.QName(child)
    handler = HANDLERS.get((type, outer.namespace or "", inner.localname))
    if inner.namespace != outer.namespace or handler is None:
        other = "set" if type == "get" else "get"
        if inner.localname in _SECOND:
            raise StanzaError("bad-request", f"{inner.localname} follows what it belongs to")
        if (other, outer.namespace or "", inner.localname) in HANDLERS:
            raise StanzaError("bad-request", f"this is asked by a {other}")
        raise StanzaError("feature-not-implemented")
    return await handler(request, child)
