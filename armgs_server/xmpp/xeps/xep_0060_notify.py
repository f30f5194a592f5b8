# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §7.1.2, §12: who hears of what happens at a node.

What must always hold: an event goes out after what it tells of is durable, those of one node one after
another; subscribers are read from the store in slices, so a node may have very many.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.errors import DomainError
from armgs_server.storage import clock, pubsub_members
from armgs_server.storage.pubsub_members import Subscription
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps import (
    xep_0060_access,
    xep_0060_options,
    xep_0163_events,
    xep_0191_blocking,
)
from armgs_server.xmpp.xeps.xep_0060_config import NodeConfig
from armgs_server.xmpp.xeps.xep_0060_nodes import EVENT, Nodes
from armgs_server.xmpp.xeps.xep_0060_options import Options

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

SHIM = "http://jabber.org/protocol/shim"  # XEP-0131
SLICE = 500  # subscriptions read at a time: more than one person may have
Later = Callable[[], Awaitable[None]]  # done once the result has been sent
_PREFIX = secrets.token_hex(4)
_numbers = itertools.count(1)
_SHOW = re.compile(rb"<show[^>]*>\s*(\w+)\s*</show>")


@dataclass(frozen=True, slots=True)
class Former:
    """Who had to do with a node that is gone."""

    subscriptions: list[Subscription]
    affiliations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a node; `inner` is the child of `<event/>`."""

    node: str
    config: NodeConfig
    inner: bytes
    body: str = ""  # §12.8: for subscribers who asked for a text
    former: Former | None = None  # §8.4.2: the node is deleted; also those who wait for approval are told


async def notify(nodes: Nodes, events: Iterable[Event]) -> None:
    """Tells everybody who is to hear of it."""
    for event in events:
        key = (nodes.owner, event.node)
        lock = nodes.server.fan_outs.get(key)
        if lock is None:
            lock = nodes.server.fan_outs[key] = asyncio.Lock()
        async with lock:
            told = await _tell_subscribers(nodes, event)
            if nodes.is_personal:
                audience = await _audience(nodes, event)
                xep_0163_events.notify(nodes, event.node, audience - told, event.inner)


async def _tell_subscribers(nodes: Nodes, event: Event) -> frozenset[str]:
    """The JIDs that were told."""
    told: set[str] = set()
    after = ""
    hears = await _gate(nodes, event)
    while True:
        found = await _read_slice(nodes, event, after)
        for jid, group in itertools.groupby(found, key=lambda each: each.jid):
            if await hears(jids.parse(jid)) and await _tell_one(nodes, event, jid, list(group)):
                told.add(jid)
        if len(found) < SLICE // 2:
            return frozenset(told)
        after = found[-1].jid
        await asyncio.sleep(0)  # a turn for everybody else


async def _gate(nodes: Nodes, event: Event) -> Callable[[JID], Awaitable[bool]]:
    """Who of the subscribers may hear of it now: §4.5, and not whom the person blocks (XEP-0191 §3.3)."""
    owner, node, config = nodes.owner, event.node, event.config
    blocked: frozenset[str] = frozenset()
    if nodes.person is not None:
        account = nodes.server.accounts.get(nodes.address)
        known = account.blocked if account is not None else None
        blocked = known if known is not None else await xep_0191_blocking.load(nodes.server, owner)
    is_shut = event.former is None and config.access_model not in ("open", "authorize")
    affiliations: dict[str, str] = {}
    if is_shut:
        affiliations = await nodes.server.store.read(lambda tx: pubsub_members.affiliations(tx, owner, node))

    async def hears(jid: JID) -> bool:
        if blocked and xep_0191_blocking.is_blocked(blocked, jid):
            return False
        return not is_shut or await xep_0060_access.may_hear(nodes, node, config, affiliations, jid.bare)

    return hears


async def _read_slice(nodes: Nodes, event: Event, after: str) -> list[Subscription]:
    """Never a part only of the subscriptions of one JID."""
    if event.former is not None:
        return [] if after else event.former.subscriptions
    owner, node, now = nodes.owner, event.node, clock.now()
    found = await nodes.server.store.read(
        lambda tx: pubsub_members.subscriptions(tx, owner, node, now, after=after, limit=SLICE)
    )
    if len(found) < SLICE:
        return found
    return [each for each in found if each.jid != found[-1].jid]


async def _tell_one(nodes: Nodes, event: Event, jid: str, group: list[Subscription]) -> bool:
    """§6.1.6: one event for each JID, however many subscriptions it has."""
    chosen = [(each, xep_0060_options.from_data(each.options)) for each in group]
    if event.former is None:
        chosen = [pair for pair in chosen if pair[0].state == "subscribed" and pair[1].deliver]
    is_wanted = [pair for pair in chosen if await _is_present(nodes.server, event.config, jid, pair[1])]
    if not is_wanted:
        return False
    body = event.body if any(options.include_body for _, options in is_wanted) else ""
    subids = [each.subid for each, _ in is_wanted] if len(group) > 1 else []
    await send(nodes.server, is_wanted[0][0].service, jid, event.inner, event.config, body, subids)
    return True


async def _is_present(server: Server, config: NodeConfig, jid: str, options: Options) -> bool:
    """§12.6 and the option show-values: only to who is there, in one of those states."""
    if not (config.presence_based_delivery or options.show_values):
        return True
    to = jids.parse(jid)
    for full, presence in await server.presences(to.bare):
        show = _SHOW.search(presence)
        state = show[1].decode() if show is not None else "online"
        if to.resource in ("", jids.parse(full).resource):
            if not options.show_values or state in options.show_values:
                return True
    return False


async def send(
    server: Server,
    service: str,
    to: str,
    inner: bytes,
    config: NodeConfig,
    body: str = "",
    subids: Iterable[str] = (),
    extra: bytes = b"",
) -> None:
    """One event to one JID; `extra` is put beside it."""
    parts = element("event", {"xmlns": EVENT}, inner) + extra
    if body:
        parts += text_element("body", body)
    headers = b"".join(text_element("header", subid, {"name": "SubID"}) for subid in subids)
    if headers:  # §7.1.2.4: after the event
        parts += element("headers", {"xmlns": SHIM}, headers)
    await send_message(server, service, to, parts, "" if config.notification_type == "normal" else "headline")


async def send_message(
    server: Server, service: str, to: str, inner: bytes, type: str = "", id_: str = ""
) -> None:
    """A message of a pubsub service; one that cannot be delivered is lost, as events are."""
    attributes = {"from": service, "to": to, "id": id_ or f"{_PREFIX}-{next(_numbers)}", "type": type}
    stanza = parse_stanza(element("message", attributes, inner))
    try:
        await server.route(stanza, jids.parse(service))
    except DomainError:
        return


async def _audience(nodes: Nodes, event: Event) -> frozenset[str]:
    """XEP-0163 §4.3.2: bare JIDs of the owner, and of the contacts who may see the node."""
    person, model = nodes.person, event.config.access_model
    assert person is not None
    contacts = await xep_0163_events.subscribers(nodes.server, person)
    owner, node = nodes.owner, event.node
    if event.former is not None:
        standings = event.former.affiliations
    else:
        standings = await nodes.server.store.read(lambda tx: pubsub_members.affiliations(tx, owner, node))
    if model in ("whitelist", "authorize"):
        trusted = {jid for jid, affiliation in standings.items() if affiliation in ("publisher", "member")}
        contacts &= trusted
    elif model == "roster":
        groups = event.config.roster_groups_allowed
        in_groups = await xep_0060_access.members_of_groups(nodes.server, person, groups)
        contacts &= in_groups
    banned = {jid for jid, affiliation in standings.items() if affiliation in ("outcast", "publish-only")}
    return (contacts - banned) | {nodes.address}
