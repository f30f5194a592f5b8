# SPDX-License-Identifier: Apache-2.0
"""Presence: RFC 6121 §4. Broadcast, directed presence, probes.

Presence of a session reaches subscribers (stored and computed) and the person's other sessions; when it
becomes unavailable, also whoever got directed presence from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.errors import DomainError
from armgs_server.formats.xmltree import quote
from armgs_server.xmpp import outward, roster
from armgs_server.xmpp.federation import presence as abroad
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import Stanza, StanzaError, error_reply, from_domain_error, head
from armgs_server.xmpp.subscription_states import TYPES
from armgs_server.xmpp.subscriptions import UNAVAILABLE, handle_subscription, show
from armgs_server.xmpp.xeps import (
    xep_0012_last,
    xep_0115_clients,
    xep_0133_announce,
    xep_0160_offline,
    xep_0163_events,
    xep_0398_avatars,
    xep_0402_unit_rooms,
)
from armgs_server.xmpp.xeps.xep_0191_blocking import BLOCKED_ERROR, is_blocked, load, read

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server


async def handle(server: Server, session: Session, stanza: Stanza) -> None:
    """One `<presence/>` of a client."""
    try:
        if not stanza.to:
            await _undirected(server, session, stanza)
            return
        to = parse(stanza.to)
        if stanza.type in TYPES and server.host_of(to.domain) is None:
            await handle_subscription(server, session, stanza, to.to_bare())
        elif stanza.type in ("", "unavailable"):
            await _directed(server, session, stanza, to)
        elif stanza.type == "probe":
            await _probe(server, session, to)
        else:
            await _forward(server, session, stanza, to)
    except DomainError as error:
        if stanza.type not in ("error", "unavailable"):
            session.send(error_reply(stanza, from_domain_error(error)))


async def _undirected(server: Server, session: Session, stanza: Stanza) -> None:
    if stanza.type == "unavailable":
        await unavailable(server, session, stanza.tail())
    elif stanza.type == "":
        await _available(server, session, stanza)
    else:
        raise StanzaError("bad-request", "this type of presence needs an addressee")


# RFC 6121 §4.2-§4.5


async def _available(server: Server, session: Session, stanza: Stanza) -> None:
    is_initial = session.presence is None
    took_messages = session.takes_messages
    session.priority = _priority(stanza)
    if is_initial or session.account.photo is None:
        await xep_0398_avatars.read_hash(server, session.account)
    extra, without = xep_0398_avatars.injected(session.account, stanza)
    session.presence = tail = stanza.tail(extra, without)
    if server.processes is not None:
        await server.processes.update(session)
    contacts = await roster.contacts(server, session.account)
    _broadcast(server, session, contacts.subscribers, tail)
    if is_initial:
        person = session.account.principal
        if any(person.units) and person.id not in server.offered:
            server.spawn(xep_0402_unit_rooms.offer(server, session.account))
        await _show_others(server, session)
        for request in contacts.pending:  # RFC 6121 §3.1.3: at each log-in until it is answered
            session.send(request)
    new = await xep_0115_clients.look_at(server, session, stanza)
    if new:
        await xep_0163_events.send_last(server, session, new)
    if session.takes_messages and not took_messages:
        await xep_0160_offline.deliver(server, session)
        await xep_0133_announce.greet(server, session)


def _priority(stanza: Stanza) -> int:
    text = stanza.text("priority").strip()
    try:
        priority = int(text) if text else 0
    except ValueError:
        priority = 128
    if not -128 <= priority <= 127:  # RFC 6121 §4.7.2.3
        raise StanzaError("bad-request", "priority is between -128 and 127")
    return priority


async def unavailable(server: Server, session: Session, tail: bytes = UNAVAILABLE) -> None:
    """RFC 6121 §4.5: the session leaves; also called when it ends without a word."""
    was_available = session.presence is not None
    session.presence = None
    session.priority = 0
    directed, session.directed = session.directed, frozenset()
    if was_available:
        if server.processes is not None and not session.is_ended:
            await server.processes.update(session)
        contacts = await roster.contacts(server, session.account)
        _broadcast(server, session, contacts.subscribers, tail)
        xep_0012_last.note(server, session)
        directed -= contacts.subscribers
    for address in directed:
        await _send_directed(server, session, parse(address), tail)


def _broadcast(server: Server, session: Session, subscribers: frozenset[str], tail: bytes) -> None:
    account, from_ = session.account, session.jid.full
    blocked = account.blocked
    start = head("presence", from_)
    for jid in subscribers:
        if jid == account.bare or not _may_be_there(server, jid):
            continue
        contact = parse(jid)
        if not (blocked and is_blocked(blocked, contact)):
            server.send_to_available(
                contact, b"%b to='%b'%b" % (start, quote(jid).encode(), tail), session.jid
            )
    own = head("presence", from_, account.bare) + tail
    server.send_to_available(session.jid, own)
    if session.presence is None:
        session.send(own)  # RFC 6121 §4.5.2: also to the resource that has just left


def _may_be_there(server: Server, bare: str) -> bool:
    """Most of a unit is not there when the first log in: of those of ours a process alone knows it."""
    return not server.is_alone or bare in server.accounts or not server.is_local(bare.rpartition("@")[2])


async def _show_others(server: Server, session: Session) -> None:
    """What RFC 6121 §4.3.2 has the server probe for: the presence of everybody the person watches."""
    account = session.account
    to = session.jid.full
    watched = (await roster.contacts(server, account)).watched
    blocked = account.blocked
    if blocked:  # XEP-0191 §3.3: nothing of theirs is delivered
        watched = frozenset(jid for jid in watched if not is_blocked(blocked, parse(jid)))
    for jid in watched:
        other = server.accounts.get(jid)
        if (
            other is not None
            and other is not account
            and not (other.blocked and is_blocked(other.blocked, session.jid))
        ):
            show(other, to, session)
    for own in account.available():
        if own is not session and own.presence is not None:
            session.send(head("presence", own.jid.full, to) + own.presence)
    abroad.probe(server, session.jid, watched)
    if server.processes is not None:
        for row in await server.processes.available(watched | {account.bare}):
            if row.presence is not None and not is_blocked(read(row.blocked), session.jid):
                session.send(head("presence", f"{row.address}/{row.resource}", to) + row.presence)
    await server.absent.show(session, watched)


async def _probe(server: Server, session: Session, to: JID) -> None:
    """RFC 6121 §4.3: a client may ask too; who may not see, or is blocked, gets no answer."""
    if session.account.blocked and is_blocked(session.account.blocked, to):
        raise StanzaError("not-acceptable", type="cancel", extra=BLOCKED_ERROR)  # XEP-0191 §3.3
    if not server.is_local(to.domain):
        if server.is_outside(to.domain):
            abroad.probe(server, session.jid, frozenset({to.bare}))
        return
    person = await server.person(to)
    if person is None or is_blocked(await load(server, person.id), session.jid):
        return
    if await roster.sees(server, person, session.account.bare):
        for full, presence in await server.presences(to.bare):
            session.send(head("presence", full, session.jid.full) + presence)
        await server.absent.show(session, [to.bare])


# RFC 6121 §4.6


async def _directed(server: Server, session: Session, stanza: Stanza, to: JID) -> None:
    if session.account.blocked and is_blocked(session.account.blocked, to):
        raise StanzaError("not-acceptable", type="cancel", extra=BLOCKED_ERROR)
    if stanza.type == "unavailable":
        session.directed -= {to.full}
    else:
        _note_directed(server, session, to)
        if session.account.photo is None:
            await xep_0398_avatars.read_hash(server, session.account)
        extra, without = xep_0398_avatars.injected(session.account, stanza)
        if extra:
            stanza = parse_stanza(stanza.forward(stanza.from_, stanza.to, extra=extra, without=without))
    await _forward(server, session, stanza, to)


def _note_directed(server: Server, session: Session, to: JID) -> None:
    """They hear when the session ends, so they are bounded; a room counts once, whatever the nick."""
    if to.full in session.directed:
        return
    known = session.directed
    if server.host_of(to.domain) is not None:
        start = f"{to.bare}/"
        known = frozenset(each for each in known if not each.startswith(start))
    limit = server.config.xmpp.rooms_entered
    if len(known) >= limit:
        raise StanzaError("resource-constraint", f"nobody is in more than {limit} rooms")
    session.directed = known | {to.full}


async def _forward(server: Server, session: Session, stanza: Stanza, to: JID) -> None:
    host = server.host_of(to.domain)
    if host is not None:
        await host.handle(stanza, session.jid)
    elif not server.is_local(to.domain):
        outward.check(server, session.jid, to)
        server.publish(to, stanza.forward(session.jid.full, to.full))
    else:
        _send_to(server, session.jid, to, stanza.forward(session.jid.full, to.full))


async def _send_directed(server: Server, session: Session, to: JID, tail: bytes) -> None:
    data = head("presence", session.jid.full, to.full) + tail
    host = server.host_of(to.domain)
    if host is None:
        _send_to(server, session.jid, to, data)
        return
    try:
        await host.handle(parse_stanza(data), session.jid)
    except DomainError:
        return  # RFC 6121 §4.5: nobody is left to be told


def _send_to(server: Server, origin: JID, to: JID, data: bytes) -> None:
    if not to.resource:
        server.send_to_available(to, data, origin)
        return
    receiver = server.session(to)
    if receiver is None:
        server.publish(to, data, origin.full)
    elif not receiver.account.blocks(origin):
        receiver.send(data)
