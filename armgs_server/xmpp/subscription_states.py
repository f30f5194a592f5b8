# SPDX-License-Identifier: Apache-2.0
"""Presence subscriptions as pure state changes: RFC 6121 §3 and Appendix A.

Each function takes what one side keeps about the other and returns what it keeps then, and what follows.
`subscription` is seen from the item's owner: `to` = the owner sees the contact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from armgs_server.storage.roster import RosterItem

TYPES = frozenset({"subscribe", "subscribed", "unsubscribe", "unsubscribed"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """`item` as it is now (the same object where nothing changed); what is to be done with the stanza."""

    item: RosterItem
    is_routed: bool = True  # outbound: goes to the contact; inbound: goes to the owner's sessions
    answer: str = ""  # inbound: the type of presence sent back for the owner


def outbound(kind: str, item: RosterItem) -> Outcome:
    """The owner sends presence of this type to the contact (RFC 6121 Appendix A.2)."""
    if kind == "subscribe":
        if item.subscription in ("to", "both"):
            return Outcome(item)
        return Outcome(replace(item, subscription=item.subscription or "none", ask=True))
    if kind == "unsubscribe":
        return Outcome(replace(item, subscription=_without_to(item.subscription), ask=False))
    if kind == "subscribed":
        if item.pending is not None:
            return Outcome(replace(item, subscription=_with_from(item.subscription), pending=None))
        if item.subscription in ("from", "both"):
            return Outcome(item, is_routed=False)
        return Outcome(replace(item, approved=True), is_routed=False)  # RFC 6121 §3.4: pre-approval
    is_known = item.pending is not None or item.subscription in ("from", "both")
    now = replace(item, subscription=_without_from(item.subscription), pending=None, approved=False)
    return Outcome(now if now != item else item, is_routed=is_known)


def inbound(kind: str, item: RosterItem, stanza: bytes) -> Outcome:
    """The contact sends presence of this type to the owner (RFC 6121 Appendix A.3)."""
    if kind == "subscribe":
        if item.subscription in ("from", "both"):
            return Outcome(item, is_routed=False, answer="subscribed")  # RFC 6121 §3.1.3
        if item.approved:
            now = replace(item, subscription=_with_from(item.subscription), pending=None)
            return Outcome(now, is_routed=False, answer="subscribed")
        return Outcome(replace(item, pending=stanza))
    if kind == "unsubscribe":
        if item.pending is None and item.subscription not in ("from", "both"):
            return Outcome(item, is_routed=False)
        now = replace(item, subscription=_without_from(item.subscription), pending=None)
        return Outcome(now, answer="unsubscribed" if item.subscription in ("from", "both") else "")
    if kind == "subscribed":
        if not item.ask:
            return Outcome(item, is_routed=False)
        return Outcome(replace(item, subscription=_with_to(item.subscription), ask=False))
    if not item.ask and item.subscription not in ("to", "both"):
        return Outcome(item, is_routed=False)
    return Outcome(replace(item, subscription=_without_to(item.subscription), ask=False))


def _with_to(subscription: str) -> str:
    return "both" if subscription in ("from", "both") else "to"


def _with_from(subscription: str) -> str:
    return "both" if subscription in ("to", "both") else "from"


def _without_to(subscription: str) -> str:
    return {"both": "from", "to": "none"}.get(subscription, subscription)


def _without_from(subscription: str) -> str:
    return {"both": "to", "from": "none"}.get(subscription, subscription)
