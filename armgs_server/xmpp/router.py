# SPDX-License-Identifier: Apache-2.0
"""Where a stanza goes: RFC 6120 §10, RFC 6121 §8, as ordered lists of stages.

Messages that came in one go are routed together: `BEFORE_COMMIT` runs for each, then one transaction (with
what others send meanwhile, see `keeping`) keeps all that is archived or waits for an absent person, then
`AFTER_COMMIT` runs for each in order. So nothing is delivered or acknowledged that is not durable, and
stanzas keep their order (RFC 6120 §10.1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from armgs_server import trace_id
from armgs_server.errors import DomainError
from armgs_server.xmpp import archiving, frame, outward
from armgs_server.xmpp import jid as jids
from armgs_server.xmpp.delivery import Delivery
from armgs_server.xmpp.jid import JID
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import CLIENT, Stanza, StanzaError, error_reply, from_domain_error
from armgs_server.xmpp.xeps import (
    xep_0160_offline,
    xep_0163_answers,
    xep_0280_carbons,
    xep_0357_push,
    xep_0359_stanza_ids,
)
from armgs_server.xmpp.xeps.xep_0191_blocking import BLOCKED_ERROR, is_blocked, load, read
from armgs_server.xmpp.xeps.xep_0313_rules import is_stored

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


async def messages(server: Server, session: Session, stanzas: Sequence[Stanza]) -> None:
    """Routes messages of one client, in order; errors go back to it."""
    deliveries = []
    for stanza in stanzas:
        try:
            to = jids.parse(stanza.to) if stanza.to else session.jid.to_bare()  # RFC 6120 §10.3.1
        except DomainError as error:
            _refuse(session, stanza, from_domain_error(error))
            continue
        deliveries.append(Delivery(server, stanza, session.jid, to, session))
    await route(server, deliveries)


async def message_from_host(server: Server, stanza: Stanza, origin: JID) -> None:
    """Routes a message that a host sends to a person: kept for who is away, archived like any other."""
    await route(server, [Delivery(server, stanza, origin, jids.parse(stanza.to), None)])


async def route(server: Server, arrived: Sequence[Delivery]) -> None:
    """Routes messages in order, with one commit for all that is kept of them."""
    deliveries = [delivery for delivery in arrived if await _run(BEFORE_COMMIT, delivery)]
    kept = [delivery for delivery in deliveries if delivery.archived or delivery.is_offline]
    if kept:
        try:
            await server.keeper.keep(kept)
        except DomainError as error:
            for delivery in deliveries:
                _fail(delivery, from_domain_error(error))
            return
    for delivery in deliveries:
        delivery.note_kept()
        await _run(AFTER_COMMIT, delivery)


async def _run(stages: Sequence[Stage], delivery: Delivery) -> bool:
    """Whether the message came through all stages; a stage returns True when it needs no further one."""
    token = trace_id.enter(delivery.trace)
    try:
        for stage in stages:
            if await stage(delivery):
                return False
    except DomainError as error:
        _fail(delivery, from_domain_error(error))
        return False
    finally:
        trace_id.leave(token)
    return True


def _fail(delivery: Delivery, error: StanzaError) -> None:
    if delivery.sender is not None:
        _refuse(delivery.sender, delivery.stanza, error)
    elif delivery.stanza.type != "error" and delivery.server.is_outside(delivery.origin.domain):
        delivery.server.send(delivery.origin, error_reply(delivery.stanza, error))


def _refuse(session: Session, stanza: Stanza, error: StanzaError) -> None:
    if stanza.type != "error":  # RFC 6120 §8.3.1: no error for an error
        session.send(error_reply(stanza, error))


# Stages before the commit


async def to_host(delivery: Delivery) -> bool:
    """Rooms and other hosts of ours take what is for them."""
    host = delivery.server.host_of(delivery.to.domain)
    if host is None:
        return False
    await host.handle(delivery.stanza, delivery.origin)
    return True


async def check_domain(delivery: Delivery) -> bool:
    """RFC 6120 §10.4: another server's or a component's address."""
    if not delivery.server.is_local(delivery.to.domain):
        await outward.deliver(delivery)
        return True
    if not delivery.to.local:
        raise StanzaError("service-unavailable")  # RFC 6121 §8.1: a message to the server itself
    return False


async def check_sender_blocks(delivery: Delivery) -> bool:
    """XEP-0191 §3.3: nothing goes to whom the sender has blocked."""
    if delivery.sender is not None:
        blocked = delivery.sender.account.blocked
        if blocked and is_blocked(blocked, delivery.to):
            raise StanzaError("not-acceptable", type="cancel", extra=BLOCKED_ERROR)
    return False


async def find_recipient(delivery: Delivery) -> bool:
    """RFC 6121 §8.5.1: no such user is told like a user who is not there."""
    delivery.recipient = await delivery.server.person(delivery.to)
    if delivery.recipient is None:
        raise StanzaError("service-unavailable")
    return False


async def check_recipient_blocks(delivery: Delivery) -> bool:
    """XEP-0191 §3.3: to the sender it looks as if nobody were there."""
    recipient = delivery.recipient
    assert recipient is not None
    account = delivery.server.accounts.get(recipient.address)
    if account is not None:
        blocked = account.blocked
    elif rows := await delivery.elsewhere():
        blocked = read(rows[0].blocked)
    else:
        blocked = await load(delivery.server, recipient.id)
    if blocked and is_blocked(blocked, delivery.origin):
        raise StanzaError("service-unavailable")
    return False


async def choose_targets(delivery: Delivery) -> bool:
    """RFC 6121 §8.5.2 and §8.5.3: which of the recipient's sessions get it, here or else elsewhere."""
    recipient, type_ = delivery.recipient, delivery.stanza.type
    assert recipient is not None
    account = delivery.server.accounts.get(recipient.address)
    if delivery.to.resource:
        session = account.sessions.get(delivery.to.resource) if account is not None else None
        if session is not None:
            delivery.targets = [session]
            delivery.is_exact = True
            return False
        rows = await delivery.elsewhere()
        holder = next((row for row in rows if row.resource == delivery.to.resource), None)
        if holder is not None:
            delivery.is_exact = True
            delivery.places = frozenset({holder.process})
            delivery.has_more_elsewhere = len(rows) > 1
            return False
        if type_ == "error":
            return True
        if type_ != "chat":  # RFC 6121 §8.5.3.2.1: it was meant for that very device
            raise StanzaError("service-unavailable")
    elif type_ == "groupchat":
        raise StanzaError("service-unavailable")  # RFC 6121 §8.5.2.1.1
    elif type_ == "error":
        return True
    delivery.targets = account.receivers() if account is not None else []
    if not delivery.targets:
        rows = await delivery.elsewhere()
        takers = [row for row in rows if row.presence is not None and row.priority >= 0]
        delivery.places = frozenset(row.process for row in takers)
        delivery.has_more_elsewhere = len(rows) > len(takers)
    return False


async def write_out(delivery: Delivery) -> bool:
    """The bytes of the message, as it is delivered and kept."""
    stanza = delivery.stanza
    delivery.data = stanza.forward(
        delivery.origin.full,
        delivery.to.full,
        without=xep_0359_stanza_ids.forged(stanza),
        xmlns=CLIENT,
    )
    return False


# Stages after the commit


async def deliver(delivery: Delivery) -> bool:
    """To the chosen sessions that are still there, on this process and others."""
    data, server, is_taken = delivery.as_received(), delivery.server, False
    for session in delivery.targets:
        if not session.is_lost:
            session.send(data)
            is_taken = True
    if delivery.targets and not is_taken:
        await archiving.keep_late(delivery, data)
    if delivery.places and server.processes is not None:
        keep = "keep" if len(delivery.places) == 1 and is_stored(delivery.stanza) else ""
        for place in delivery.places:
            server.processes.post(place, frame.MESSAGE, delivery.address, data, argument=keep)
    elif delivery.targets and not delivery.is_exact:
        server.announce(delivery.address, frame.MESSAGE, data)
    return False


async def send_carbons(delivery: Delivery) -> bool:
    """XEP-0280: copies to the other devices of both sides."""
    stanza = delivery.stanza
    if not xep_0280_carbons.is_eligible(stanza):
        return False
    sender, recipient = delivery.sender, delivery.recipient
    assert recipient is not None
    if sender is not None and sender.account.owner != recipient.id:
        others = [other for other in sender.account.sessions.values() if other is not sender]
        xep_0280_carbons.send("sent", others, delivery.data, delivery.sender_id)
        delivery.announce_carbon(sender.account.bare, f"sent {delivery.sender_id}")
    account = delivery.server.accounts.get(recipient.address)
    if delivery.targets or delivery.has_more_elsewhere:
        delivery.announce_carbon(delivery.address, f"received {delivery.recipient_id}")
    if account is not None and (delivery.targets or delivery.places):
        others = [
            other
            for other in account.sessions.values()
            if other is not sender and other not in delivery.targets
        ]
        xep_0280_carbons.send("received", others, delivery.data, delivery.recipient_id)
    return False


async def catch_up_offline(delivery: Delivery) -> bool:
    """Who came while the message was being stored has looked for waiting messages too early."""
    recipient = delivery.recipient
    assert recipient is not None
    if not delivery.is_offline:
        return False
    delivery.server.announce(recipient.address, frame.OFFLINE, b"")
    account = delivery.server.accounts.get(recipient.address)
    if account is not None:
        for session in account.receivers()[:1]:
            await xep_0160_offline.deliver(delivery.server, session)
    return False


Stage = Callable[[Delivery], Awaitable[bool]]

BEFORE_COMMIT: tuple[Stage, ...] = (
    to_host,
    xep_0163_answers.to_own_nodes,
    check_sender_blocks,
    check_domain,
    find_recipient,
    check_recipient_blocks,
    choose_targets,
    write_out,
    archiving.decide,
)
AFTER_COMMIT: tuple[Stage, ...] = (deliver, send_carbons, catch_up_offline, xep_0357_push.notify)
