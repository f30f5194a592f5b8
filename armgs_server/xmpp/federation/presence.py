# SPDX-License-Identifier: Apache-2.0
"""Presence and subscriptions with contacts elsewhere: RFC 6121 §3 and §4, each side on its own server.

Between two people of ours both rosters change in one transaction (`subscriptions`). With somebody
elsewhere each server keeps its side: what goes out has changed ours first, what comes in changes ours
before our person is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.storage import roster as storage
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import outward, roster
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, head
from armgs_server.xmpp.subscription_states import TYPES, Outcome, inbound, outbound
from armgs_server.xmpp.xeps.xep_0191_blocking import is_blocked, load

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

UNAVAILABLE = b" type='unavailable'/>"
_MAX_REQUEST = 4096  # bytes of a subscription request: it is stored until it is answered


# Out


async def send_subscription(server: Server, account: Account, stanza: Stanza, to: JID) -> None:
    """RFC 6121 §3: our person's subscription stanza to somebody elsewhere."""
    kind, mine = stanza.type, parse(account.bare)
    outward.check(server, mine, to)

    async def work(tx: Tx) -> tuple[Outcome, bool]:
        before = await storage.get(tx, account.owner, to.bare) or RosterItem(to.bare)
        outcome = outbound(kind, before)
        return outcome, await roster.keep(tx, account.owner, before, outcome.item)

    outcome, is_changed = await server.store.write(work)
    if is_changed:
        await roster.push(server, account.bare, to.bare)
    if not outcome.is_routed:
        return
    server.publish(to, stanza.forward(account.bare, to.bare))
    if kind == "subscribed":
        await show_all(server, mine, to)
    elif kind == "unsubscribed":
        await withdraw(server, mine, to)


async def end_subscriptions(server: Server, account: Account, item: RosterItem) -> None:
    """RFC 6121 §2.5.2: the contact elsewhere was taken out of the roster."""
    mine, contact = parse(account.bare), parse(item.jid)
    if item.subscription in ("from", "both"):
        await withdraw(server, mine, contact)
    kinds = ["unsubscribe"] if item.ask or item.subscription in ("to", "both") else []
    for kind in (*kinds, "unsubscribed") if item.subscription in ("from", "both") else kinds:
        server.publish(contact, element("presence", {"type": kind, "from": mine.bare, "to": contact.bare}))


def probe(server: Server, origin: JID, watched: frozenset[str]) -> None:
    """RFC 6121 §4.3.1: asks other servers for the presence of whom our person watches."""
    if server.abroad is None:
        return
    for bare in watched:
        contact = parse(bare)
        if server.is_outside(contact.domain):
            server.publish(contact, head("presence", origin.full, bare) + b" type='probe'/>")


async def show_all(server: Server, person: JID, watcher: JID) -> None:
    """The presence of all our person's sessions, to somebody elsewhere."""
    for full, presence in await server.presences(person.bare):
        server.publish(watcher, head("presence", full, watcher.full) + presence)


async def withdraw(server: Server, person: JID, watcher: JID) -> None:
    """To who may not see them any more, all sessions go away."""
    for full, _ in await server.presences(person.bare):
        server.publish(watcher, head("presence", full, watcher.full) + UNAVAILABLE)


# In


async def receive(server: Server, stanza: Stanza, origin: JID, to: JID) -> None:
    """Presence for a person of ours, its sender verified."""
    person = await server.person(to)
    if person is None or await _blocks(server, person, origin):
        # RFC 6121 §8.5.1, XEP-0191 §3.3: as if the person did not see the sender.
        if stanza.type == "probe":
            _deny(server, to, origin)
    elif stanza.type in TYPES:
        await _receive_subscription(server, person, stanza, origin.to_bare())
    elif stanza.type == "probe":
        await _answer_probe(server, person, origin)
    elif stanza.type in ("", "unavailable", "error"):
        data = stanza.forward(origin.full, to.full)
        if to.resource:
            server.send(to, data)
        else:
            server.send_to_available(to, data, origin)
        if stanza.type != "error" and server.abroad is not None:
            await server.abroad.events.notice(person, stanza, origin)
    else:
        raise StanzaError("bad-request")  # RFC 6121 §4.7.1


async def _blocks(server: Server, person: Principal, origin: JID) -> bool:
    account = server.accounts.get(person.address)
    blocked = await load(server, person.id) if account is None else account.blocked
    return bool(blocked) and is_blocked(blocked or frozenset(), origin)


async def _answer_probe(server: Server, person: Principal, watcher: JID) -> None:
    """RFC 6121 §4.3.2."""
    mine = parse(person.address)
    if not await roster.sees(server, person, watcher.bare):
        _deny(server, mine, watcher)
    elif await server.presences(mine.bare):
        await show_all(server, mine, watcher)
    else:
        server.publish(watcher, head("presence", mine.bare, watcher.full) + UNAVAILABLE)


def _deny(server: Server, mine: JID, watcher: JID) -> None:
    server.publish(watcher, head("presence", mine.bare, watcher.bare) + b" type='unsubscribed'/>")


async def _receive_subscription(server: Server, person: Principal, stanza: Stanza, contact: JID) -> None:
    """RFC 6121 §3.1.3, §3.1.6, §3.2.3, §3.3.3."""
    kind, mine = stanza.type, parse(person.address)
    data = stanza.forward(contact.bare, mine.bare)
    if len(data) > _MAX_REQUEST:
        data = element("presence", {"type": kind, "from": contact.bare, "to": mine.bare})

    async def work(tx: Tx) -> tuple[Outcome, bool]:
        before = await storage.get(tx, person.id, contact.bare)
        if (
            before is None
            and kind == "subscribe"
            and await storage.count(tx, person.id) >= roster.MAX_CONTACTS
        ):
            raise StanzaError("resource-constraint")
        before = before or RosterItem(contact.bare)
        outcome = inbound(kind, before, data)
        return outcome, await roster.keep(tx, person.id, before, outcome.item)

    outcome, is_changed = await server.store.write(work)
    if is_changed:
        await roster.push(server, mine.bare, contact.bare)
    if outcome.is_routed:
        server.send_to_available(mine, data, contact)
    if outcome.answer == "subscribed":
        attributes = {"type": "subscribed", "from": mine.bare, "to": contact.bare}
        server.publish(contact, element("presence", attributes))
        await show_all(server, mine, contact)
    elif outcome.answer == "unsubscribed":
        await withdraw(server, mine, contact)
