# SPDX-License-Identifier: Apache-2.0
"""Where an IQ goes: RFC 6120 §10.3 and §10.5, RFC 6121 §8.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armgs_server.errors import DomainError
from armgs_server.xmpp import frame, outward, roster, roster_iq, xeps
from armgs_server.xmpp.iq import At, Routes
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import Stanza, StanzaError, error_reply, from_domain_error, result
from armgs_server.xmpp.xeps import xep_0012_last, xep_0115_clients, xep_0163_events, xep_0357_push
from armgs_server.xmpp.xeps.xep_0030_disco import ITEMS
from armgs_server.xmpp.xeps.xep_0163_disco import no_items
from armgs_server.xmpp.xeps.xep_0191_blocking import BLOCKED_ERROR, is_blocked, read

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

_ROUTES = Routes((*roster_iq.ROUTES, *xeps.ROUTES))
_TYPES = frozenset({"get", "set", "result", "error"})


async def route(server: Server, session: Session, stanza: Stanza) -> None:
    """One `<iq/>` of a client; a failure is answered where it asks for something."""
    try:
        await _route(server, session, stanza)
    except DomainError as error:
        if stanza.type not in ("result", "error"):
            session.send(error_reply(stanza, from_domain_error(error)))


async def _route(server: Server, session: Session, stanza: Stanza) -> None:
    if stanza.type not in _TYPES or not stanza.id:
        raise StanzaError("bad-request", "an IQ has an id and one of four types")  # RFC 6120 §8.2.3
    to = parse(stanza.to) if stanza.to else session.jid.to_bare()
    account = session.account
    if account.blocked and is_blocked(account.blocked, to):
        raise StanzaError("not-acceptable", type="cancel", extra=BLOCKED_ERROR)
    if not to.resource and to.bare == account.bare:
        await _answer(server, session, stanza, to, "account")
    elif server.is_local(to.domain):
        if not to.local:
            await _answer(server, session, stanza, to, "server")
        elif to.resource:
            await _forward(server, session, stanza, to)
        elif await server.person(to) is None:
            answer_for_nobody(session, stanza)
        else:
            await _answer(server, session, stanza, to, "contact")
    else:
        host = server.host_of(to.domain)
        if host is not None:
            await host.handle(stanza, session.jid)
        else:
            outward.check(server, session.jid, to)
            server.publish(to, stanza.forward(session.jid.full, to.full))


def answer_for_nobody(session: Session, stanza: Stanza) -> None:
    """RFC 6121 §8.5.1: there is no such account. It is answered as an account that shows nothing would be."""
    if stanza.type == "get" and stanza.has("query", ITEMS):
        session.send(result(stanza, no_items(stanza.payload().get("node") or "")))  # XEP-0030 §8
    elif stanza.type == "set" and stanza.has("query", roster.NAMESPACE) and not session.is_outside:
        raise StanzaError("forbidden")  # RFC 6121 §2.1.5
    elif stanza.type == "get" and stanza.has("query", xep_0012_last.NAMESPACE) and not session.is_outside:
        raise StanzaError("forbidden")  # XEP-0012 §4
    else:
        raise StanzaError("service-unavailable")


async def _answer(server: Server, session: Session, stanza: Stanza, to: JID, at: At) -> None:
    if stanza.type == "result" and at == "account":
        new = xep_0115_clients.receive(server, session, stanza)
        if new:
            await xep_0163_events.send_last(server, session, new)
    elif stanza.type == "result" and session.is_outside and server.abroad is not None:
        person = await server.person(to)
        if person is not None:
            await server.abroad.events.receive(person, session.jid, stanza)
    elif stanza.type == "error" and at == "server":
        await xep_0357_push.receive(server, session.jid, stanza)
    elif stanza.type in ("get", "set"):
        await _ROUTES.answer(server, session, stanza, to, at)


async def _forward(server: Server, session: Session, stanza: Stanza, to: JID) -> None:
    """RFC 6121 §8.5.3.1, §8.5.3.2.3: to the very resource, or to nobody."""
    data = stanza.forward(session.jid.full, to.full)
    receiver, processes = server.session(to), server.processes
    if receiver is not None:
        if receiver.account.blocks(session.jid):
            raise StanzaError("service-unavailable")  # XEP-0191 §3.3
        receiver.send(data)
        return
    holder = await processes.holder(to) if processes is not None else None
    if processes is None or holder is None or is_blocked(read(holder.blocked), session.jid):
        raise StanzaError("service-unavailable")
    processes.post(holder.process, frame.IQ, to.full, data, origin=session.jid.full)
