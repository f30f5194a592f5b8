# SPDX-License-Identifier: Apache-2.0
"""What a client asks for together with its log-in: to go on with a session, or a new one (XEP-0388 §2.6.1).

What must always hold: nothing is written to the stream before the success is. A new session has no stream
until then; what comes for it is kept if it has stream management, and it was not available to anybody yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.directory import Principal
from armgs_server.errors import DomainError
from armgs_server.formats.xmltree import quote
from armgs_server.storage import archive, offline
from armgs_server.storage.archive import ArchivedMessage
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import lifecycle
from armgs_server.xmpp.numbers import whole
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import STANZAS, element, from_domain_error
from armgs_server.xmpp.stream_errors import StreamError
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0198_sm as sm
from armgs_server.xmpp.xeps import xep_0313_mam as mam
from armgs_server.xmpp.xeps import xep_0352_csi as csi
from armgs_server.xmpp.xeps import xep_0359_stanza_ids
from armgs_server.xmpp.xeps import xep_0386_bind2 as bind2
from armgs_server.xmpp.xeps.xep_0388_sasl2 import Resumption

_ID = f"<stanza-id xmlns='{xep_0359_stanza_ids.NAMESPACE}'".encode()
_LARGEST_H = (1 << 32) - 1
_Ends = tuple[ArchivedMessage, ArchivedMessage] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`inner` belongs into the success; the session is None where none was asked for, or could be made."""

    inner: bytes
    session: Session | None = None
    is_resumed: bool = False


async def perform(
    server: Server,
    principal: Principal,
    stream: Transport,
    lang: str,
    resumption: Resumption | None,
    binding: bind2.Request | None,
    device: str,
) -> Outcome:
    """XEP-0386 §3.2: resumption comes first; where it succeeds the rest is ignored."""
    inner = b""
    if resumption is not None:
        session = await resume(server, principal, resumption.previous, resumption.h, stream)
        if session is not None and session.sm is not None:
            return Outcome(sm.resumed(session.sm), session, is_resumed=True)
        inner = sm.failed("item-not-found", await lifecycle.handled(server, principal, resumption.previous))
    if binding is None:
        return Outcome(inner)
    try:
        session = await _bind(server, principal, binding, device, lang)
    except DomainError as error:
        # XEP-0386 has no word for it: the client is logged in, and may try to bind as RFC 6120 §7 says.
        condition = from_domain_error(error).condition
        refused = element("failed", {"xmlns": bind2.NAMESPACE}, element(condition, {"xmlns": STANZAS}))
        return Outcome(inner + refused)
    try:
        ends = await _begin(server, principal)
    except BaseException:
        await lifecycle.end(server, session)
        raise
    enabled = b""
    if binding.resumable is not None:
        counters = lifecycle.manage(server, session, is_resumable=binding.resumable)
        enabled = sm.enabled(counters, server.config.xmpp.resume_time)
    return Outcome(inner + bind2.bound(mam.metadata(ends) + enabled), session)


async def resume(
    server: Server, principal: Principal, previous: str, h: str, stream: Transport
) -> Session | None:
    """XEP-0198 §5: the person's session, with what its client has got acknowledged."""
    session = None if server.is_stopping else await lifecycle.resume(server, principal, previous, stream)
    if session is None or session.sm is None:
        if server.is_stopping:
            raise StreamError("system-shutdown")  # it is there for the client at another process
        return None
    try:
        acknowledge(session, h)
    except StreamError:
        await lifecycle.leave(server, session, stream, is_final=False)
        raise
    return session


def acknowledge(session: Session, h: str) -> None:
    """XEP-0198 §4: the `h` of `<a/>` or `<resume/>`."""
    handled = whole(h, _LARGEST_H)
    if session.sm is None or handled is None:
        raise StreamError("bad-format")
    try:
        session.sm.acknowledge(handled)
    except sm.TooHighCount as error:
        raise StreamError("undefined-condition", extra=sm.too_high(error)) from error


async def _bind(
    server: Server, principal: Principal, binding: bind2.Request, device: str, lang: str
) -> Session:
    resource = bind2.resource(binding.tag, device)
    session = await lifecycle.bind(server, principal, resource, None, lang)
    session.wants_carbons = binding.wants_carbons
    session.holding = csi.Holding() if binding.is_inactive else None
    if device:
        for other in list(session.account.sessions.values()):
            if other.device == device and other is not session:  # §3.2: earlier ones of the same client
                lifecycle.close(other, "conflict")
                lifecycle.give_up(server, other)
    return session


async def _begin(server: Server, principal: Principal) -> _Ends:
    """XEP-0386 §3.2: the ends of the archive; what waits and is archived is not sent a second time."""
    owner = principal.id
    # Who has asked for no archive (XEP-0441) has it nowhere else: it has no id of one then.
    by = f"by='{quote(principal.address)}'".encode()

    async def look(tx: Tx) -> tuple[_Ends, list[int]]:
        waiting = await offline.waiting(tx, owner) if await offline.count(tx, owner) else []
        done = [message.id for message in waiting if by in message.stanza and _ID in message.stanza]
        return await archive.bounds(tx, owner), done

    ends, done = await server.store.read(look)
    if done:
        await server.store.write(lambda tx: offline.remove(tx, owner, done))
    return ends
