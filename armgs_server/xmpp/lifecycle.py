# SPDX-License-Identifier: Apache-2.0
"""How sessions begin and end: binding (RFC 6120 §7), resumption (XEP-0198 §5), conflict, expiry, shutdown.

A session ends exactly once, by `end`: it becomes unavailable for everybody who saw it, and messages its
client never acknowledged go to the offline store.
"""

from __future__ import annotations

import asyncio
import contextlib

from armgs_server.directory import Principal
from armgs_server.errors import DomainError
from armgs_server.xmpp import presence
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.server import LOG, Server
from armgs_server.xmpp.session import Session, random_resource
from armgs_server.xmpp.stanza import StanzaError, stream_error
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0160_offline, xep_0191_blocking
from armgs_server.xmpp.xeps.xep_0198_sm import Management, TooHighCount


async def bind(server: Server, principal: Principal, resource: str, stream: Transport, lang: str) -> Session:
    """A new session; an older one of the same resource is ended (RFC 6120 §7.7.2.2)."""
    jid = parse(principal.address).with_resource(resource or random_resource())
    blocked = await xep_0191_blocking.load(server, principal.id)
    # Again and again: another may have come while one was ending. One that is ending already is let be.
    while (old := server.session(jid)) is not None and not old.is_ended:
        close(old, "conflict")
        await end(server, old)
    account = server.accounts.get(principal.address)
    if account is not None and len(account.sessions) >= server.config.xmpp.sessions:
        raise StanzaError("resource-constraint", "too many sessions")  # RFC 6120 §7.6.2.1
    account = server.account_for(principal)
    account.blocked = blocked if account.blocked is None else account.blocked
    session = Session(account, jid, stream, lang)
    account.sessions[jid.resource] = session
    if server.processes is not None:
        try:
            await server.processes.claim(session, server.config.xmpp.sessions)
        except DomainError:
            session.is_ended = True
            server.forget(session)
            raise
    return session


def manage(server: Server, session: Session, *, is_resumable: bool) -> Management:
    """XEP-0198 §3: from here on stanzas are counted and kept."""
    settings = server.config.xmpp
    management = Management(
        is_resumable=is_resumable and settings.resume_time > 0,
        limit=settings.unacknowledged,
        on_overflow=lambda: give_up(server, session),
    )
    management.id = f"{session.number:x}.{management.id}"  # another process finds the session by its number
    session.sm = management
    if management.is_resumable:
        server.resumable[management.id] = session
    return management


async def resume(server: Server, principal: Principal, previous: str, stream: Transport) -> Session | None:
    """XEP-0198 §5: the session goes on over a new stream; the old stream, if it still stands, is closed."""
    session = server.resumable.get(previous)
    if session is None or session.account.owner != principal.id:
        return None
    close(session, "conflict")
    session.stream = None
    # What the old stream is just handling must be counted before the count is told.
    async with session.handling:
        if session.is_ended:
            return None
        _stop_expiry(session)
        session.release()
        session.stream = stream
        return session


async def abandon(server: Server, principal: Principal, previous: str, h: int) -> int | None:
    """XEP-0198 §5: the session of another process cannot go on here, so it ends there, as of stanza `h`.

    What its client has not acknowledged goes to the offline store. The number of stanzas handled, if known.
    """
    number = previous.partition(".")[0]
    if server.processes is None:
        return None
    for row in await server.processes.sessions_of([principal.address]):
        if f"{row.number:x}" == number:
            question = f"{principal.id} {h} {previous}".encode()
            answer = await server.processes.ask(row.process, "abandon", question)
            return int(answer) if answer else None
    return None


async def abandoned(server: Server, owner: int, previous: str, h: int) -> int | None:
    """The other side of `abandon`."""
    session = server.resumable.get(previous)
    if session is None or session.account.owner != owner:
        return None
    close(session, "conflict")
    session.stream = None
    async with session.handling:
        management = session.sm
        if session.is_ended or management is None:
            return None
        session.release()
        with contextlib.suppress(TooHighCount):  # then nothing is taken for acknowledged
            management.acknowledge(h)
        await end(server, session)
        return management.handled


async def leave(server: Server, session: Session, stream: Transport, *, is_final: bool) -> None:
    """The stream is gone; the session waits for its client if it may, else it ends."""
    if session.stream is not stream:
        return  # resumed over another stream, or ended already
    session.stream = None
    if is_final or session.sm is None or not session.sm.is_resumable or server.is_stopping:
        await _end_logged(server, session)
        return
    session.sm.stop()
    loop = asyncio.get_running_loop()
    session.expiry = loop.call_later(server.config.xmpp.resume_time, give_up, server, session)


async def end(server: Server, session: Session) -> None:
    """RFC 6121 §4.5.2, XEP-0198 §5."""
    if session.is_ended:
        return
    session.is_ended = True
    session.stream = None
    _stop_expiry(session)
    unacknowledged: list[bytes] = []
    if session.sm is not None:
        session.sm.stop()
        unacknowledged = list(session.sm.queue)
        server.resumable.pop(session.sm.id, None)
        session.sm = None
    session.holding = None
    others = [other for other in session.account.receivers() if other is not session]
    try:
        if server.processes is not None and not server.is_stopping:
            await server.processes.remove(session)
        if unacknowledged and not others and not await _has_receivers_elsewhere(server, session):
            await xep_0160_offline.keep(server, session, unacknowledged)
    finally:
        try:
            await presence.unavailable(server, session)
        finally:
            server.forget(session)


async def _has_receivers_elsewhere(server: Server, session: Session) -> bool:
    return server.processes is not None and bool(await server.processes.receivers(session.account.bare))


def give_up(server: Server, session: Session) -> None:
    """Ends a session from outside of any handler."""
    stream, session.stream = session.stream, None
    if stream is not None:
        stream.abort()
    task = asyncio.get_running_loop().create_task(_end_logged(server, session), name="xmpp-end")
    server.tasks.add(task)
    task.add_done_callback(server.tasks.discard)


def close(session: Session, condition: str) -> None:
    """Tells the client why, and closes its stream."""
    if session.stream is not None:
        session.stream.end(stream_error(condition))
        session.stream.close()


async def stop(server: Server) -> None:
    """Says goodbye to every client and ends every session."""
    server.is_stopping = True
    if server.processes is not None:
        await server.processes.withdraw()
    for account in list(server.accounts.values()):
        for session in list(account.sessions.values()):
            close(session, "system-shutdown")
            await _end_logged(server, session)
    if server.tasks:
        await asyncio.gather(*server.tasks)


def kick(server: Server, principal_id: int) -> None:
    """The person was disabled, deleted, or has a new password: all sessions end now."""
    for account in list(server.accounts.values()):
        if account.owner == principal_id:
            for session in list(account.sessions.values()):
                close(session, "not-authorized")
                give_up(server, session)


async def _end_logged(server: Server, session: Session) -> None:
    try:
        await end(server, session)
    except DomainError as error:
        LOG.warning("session ended without being stored", jid=session.jid.full, error=error.text)


def _stop_expiry(session: Session) -> None:
    if session.expiry is not None:
        session.expiry.cancel()
        session.expiry = None
