# SPDX-License-Identifier: Apache-2.0
"""Subscriptions between people: RFC 6121 §3, and the end of them when a contact is removed (§2.5).

Order that must hold: both sides' rows in one transaction first, then roster pushes, then the stanza, then
the presence that follows from the change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.storage import roster as storage
from armgs_server.storage.roster import RosterItem
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import roster
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.federation import presence as abroad
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import Stanza, StanzaError, element, head
from armgs_server.xmpp.subscription_states import Outcome, inbound, outbound
from armgs_server.xmpp.xeps.xep_0191_blocking import BLOCKED_ERROR, is_blocked, load
from armgs_server.xmpp.xeps.xep_0379_preauth import token_of

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

UNAVAILABLE = b" type='unavailable'/>"  # the tail of such a presence


@dataclass(frozen=True, slots=True)
class _Change:
    """Both sides of a subscription stanza, as the transaction left them."""

    mine: Outcome
    theirs: Outcome | None
    pushes_mine: bool
    pushes_theirs: bool
    is_answered: bool


async def handle_subscription(server: Server, session: Session, stanza: Stanza, to: JID) -> None:
    account, kind = session.account, stanza.type
    if to.bare == account.bare:
        return
    if account.blocked and is_blocked(account.blocked, to):
        raise StanzaError("not-acceptable", type="cancel", extra=BLOCKED_ERROR)
    if not server.is_local(to.domain):
        await abroad.send_subscription(server, account, stanza, to)
        return
    if to.bare in (await roster.colleagues_of(server, account.principal)).items:
        if kind == "subscribe":  # colleagues see each other without asking
            _answer(server, account.bare, to)
        return
    person = await server.person(to)
    other = server.accounts.get(to.bare)
    if person is not None:
        blocked = other.blocked if other is not None else await load(server, person.id)
        if blocked and is_blocked(blocked, session.jid):
            person = None
    data = stanza.forward(account.bare, to.bare)
    token = token_of(stanza) if kind == "subscribe" and person is not None else ""

    async def work(tx: Tx) -> _Change:
        if token and person is not None:
            await _approve(server, tx, person, account.bare, token)
        return await _change(tx, account, person, to.bare, kind, data)

    change = await server.store.write(work)
    if change.pushes_mine:
        await roster.push(server, account.bare, to.bare)
    if person is None or change.theirs is None:
        return
    if change.pushes_theirs:
        await roster.push(server, to.bare, account.bare)
    if change.theirs.is_routed:
        server.send_to_available(to, data)
    await _exchange(server, session.jid.to_bare(), to, kind, change)
    if change.is_answered:
        _answer(server, account.bare, to)


async def _approve(server: Server, tx: Tx, person: Principal, contact: str, token: str) -> None:
    """XEP-0379 §3.5: who comes with a token of the person's is approved beforehand (RFC 6121 §3.4)."""
    if await server.directory.invitations.accept_contact(tx, token, person.id):
        before = await storage.get(tx, person.id, contact) or RosterItem(contact)
        await roster.keep(tx, person.id, before, replace(before, approved=True))


def _answer(server: Server, bare: str, contact: JID) -> None:
    data = element("presence", {"type": "subscribed", "from": contact.bare, "to": bare})
    server.send_to_available(parse(bare), data)


async def _change(
    tx: Tx, account: Account, person: Principal | None, contact: str, kind: str, data: bytes
) -> _Change:
    mine_before = await storage.get(tx, account.owner, contact) or RosterItem(contact)
    mine = outbound(kind, mine_before)
    theirs: Outcome | None = None
    pushes_theirs = is_answered = False
    if mine.is_routed and person is not None:
        theirs_before = await storage.get(tx, person.id, account.bare) or RosterItem(account.bare)
        theirs = inbound(kind, theirs_before, data)
        pushes_theirs = await roster.keep(tx, person.id, theirs_before, theirs.item)
        if theirs.answer == "subscribed":
            answered = inbound("subscribed", mine.item, b"")
            is_answered = answered.is_routed
            mine = Outcome(answered.item)
    return _Change(
        mine, theirs, await roster.keep(tx, account.owner, mine_before, mine.item), pushes_theirs, is_answered
    )


async def _exchange(server: Server, mine: JID, theirs: JID, kind: str, change: _Change) -> None:
    """The presence that follows a change: shown to a new subscriber, taken from a former one."""
    if change.theirs is None:
        return
    if kind == "subscribed" and change.theirs.is_routed:
        await _show_all(server, mine, theirs)
    elif kind == "unsubscribed" and change.theirs.is_routed:
        await _withdraw(server, mine, theirs)
    elif kind == "unsubscribe" and change.theirs.answer:
        await _withdraw(server, theirs, mine)
    elif change.is_answered:
        await _show_all(server, theirs, mine)


async def _show_all(server: Server, person: JID, watcher: JID) -> None:
    for full, presence in await server.presences(person.bare):
        server.send_to_available(watcher, head("presence", full, watcher.bare) + presence)


async def _withdraw(server: Server, person: JID, watcher: JID) -> None:
    for full, _ in await server.presences(person.bare):
        server.send_to_available(watcher, head("presence", full, watcher.bare) + UNAVAILABLE)


async def remove_contact(server: Server, account: Account, jid: str) -> None:
    """RFC 6121 §2.5: takes a contact out of the roster and ends subscriptions both ways."""
    owner = account.owner
    item = await server.store.read(lambda tx: storage.get(tx, owner, jid))
    computed = (await roster.colleagues_of(server, account.principal)).items
    if (item is None or not item.is_listed) and jid not in computed:
        raise StanzaError("item-not-found")
    if item is None:
        raise StanzaError("not-allowed", "the directory keeps this contact")
    person = await server.person(parse(jid))

    async def work(tx: Tx) -> tuple[bool, list[str]]:
        await storage.remove(tx, owner, jid)
        if person is None:
            return False, []
        before = await storage.get(tx, person.id, account.bare) or RosterItem(account.bare)
        after, told = before, []
        for kind in ("unsubscribe", "unsubscribed"):  # RFC 6121 §2.5.2: each where it was there
            outcome = inbound(kind, after, b"")
            after = outcome.item
            if outcome.is_routed:
                told.append(kind)
        return await roster.keep(tx, person.id, before, after), told

    pushes_theirs, told = await server.store.write(work)
    await roster.push(server, account.bare, jid)
    if server.is_outside(parse(jid).domain):
        await abroad.end_subscriptions(server, account, item)
    if told and jid not in computed:
        mine, theirs = parse(account.bare), parse(jid)
        if pushes_theirs:
            await roster.push(server, jid, account.bare)
        for kind in told:
            data = element("presence", {"type": kind, "from": account.bare, "to": jid})
            server.send_to_available(theirs, data)
        await _withdraw(server, mine, theirs)
        await _withdraw(server, theirs, mine)


def show(account: Account, to: str, receiver: Session) -> None:
    """Sends the presence of every available session of `account`."""
    for session in account.available():
        if session.presence is not None:
            receiver.send(head("presence", session.jid.full, to) + session.presence)
