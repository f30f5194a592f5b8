# SPDX-License-Identifier: Apache-2.0
"""How sessions begin and end: binding (RFC 6120 §7), resumption (XEP-0198 §5), conflict, expiry, shutdown.

A session ends exactly once, by `end`: it becomes unavailable for everybody who saw it, and messages its
client never acknowledged go to the offline store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.errors import DomainError
from armgs_server.storage import clock, parked
from armgs_server.xmpp import frame, presence
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.server import LOG, Server
from armgs_server.xmpp.session import Session, random_resource
from armgs_server.xmpp.stanza import StanzaError, stream_error
from armgs_server.xmpp.transport import Transport
from armgs_server.xmpp.xeps import xep_0160_offline, xep_0191_blocking, xep_0357_push
from armgs_server.xmpp.xeps.xep_0198_sm import Management

if TYPE_CHECKING:
    from armgs_server.xmpp.processes import Processes

ENDED_FOR = clock.DAY  # so long it is known how much a session had handled that was not resumed


async def bind(
    server: Server, principal: Principal, resource: str, stream: Transport | None, lang: str
) -> Session:
    """A new session; an older one of the same resource is ended (RFC 6120 §7.7.2.2)."""
    if server.is_stopping:
        raise StanzaError("service-unavailable", "the server is being stopped")
    known = await server.directory.by_id(principal.id)
    if known is None or known.disabled:  # since it has logged in
        raise StanzaError("not-allowed", "the account is disabled")
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
    counters = management(server, is_resumable=is_resumable)
    counters.id = f"{session.number:x}.{counters.id}"  # another process finds the session by its number
    session.sm = counters
    if counters.is_resumable:
        server.resumable[counters.id] = session
    return counters


def management(server: Server, *, is_resumable: bool = True) -> Management:
    """Counters with the limits of the configuration."""
    settings = server.config.xmpp
    counters = Management(
        is_resumable=is_resumable and settings.resume_time > 0,
        limit=settings.unacknowledged,
        size_limit=settings.unacknowledged_size,
    )
    counters.on_overflow, counters.deadlines = server.give_up, server.deadlines
    return counters


async def resume(server: Server, principal: Principal, previous: str, stream: Transport) -> Session | None:
    """XEP-0198 §5: the session goes on over a new stream; the old stream, if it still stands, is closed."""
    session = server.resumable.get(previous)
    if session is None and server.handover is not None:
        session = await server.handover.fetch(principal, previous)
    if session is None or session.account.owner != principal.id:
        return None
    close(session, "conflict")
    session.stream = None
    # What the old stream is just handling must be counted before the count is told.
    async with session.handling:
        if session.is_ended or _is_late(session):
            return None
        stop_expiry(session)
        session.release()
        session.stream = stream
        return session


async def handled(server: Server, principal: Principal, previous: str) -> int | None:
    """XEP-0198 §5: the number of stanzas handled, where it is known of a session that is over."""
    return await server.handover.handled(principal, previous) if server.handover is not None else None


async def leave(server: Server, session: Session, stream: Transport, *, is_final: bool) -> None:
    """The stream is gone; the session waits for its client if it may, else it ends."""
    if session.stream is not stream:
        return  # resumed over another stream, or ended already
    session.stream = None
    if is_final or session.sm is None or not session.sm.is_resumable:
        await _end_logged(server, session)
        return
    session.sm.stop()
    wait_for_client(server, session, server.config.xmpp.resume_time)
    if session.sm.queue and not server.is_stopping:
        server.spawn(xep_0357_push.asleep(server, session))


def wait_for_client(server: Server, session: Session, seconds: float) -> None:
    """XEP-0198 §5: the session without a stream ends unless it is resumed in time."""
    stop_expiry(session)
    session.expiry = asyncio.get_running_loop().call_later(seconds, _expire, server, session)


def expires(server: Server, session: Session) -> int:
    """Until when the session can be resumed, were its stream gone now."""
    seconds = server.config.xmpp.resume_time
    if session.expiry is not None:
        seconds = session.expiry.when() - asyncio.get_running_loop().time()
    return clock.now() + int(seconds * clock.SECOND)


def _expire(server: Server, session: Session) -> None:
    """Its client, should it come yet, is told how much was handled."""
    owner, number, counters = session.account.owner, session.number, session.sm
    if counters is not None:
        until = clock.now() + ENDED_FOR
        count = counters.handled
        server.spawn(server.store.write(lambda tx: parked.remember(tx, owner, number, count, until)))
    give_up(server, session)


async def end(server: Server, session: Session) -> None:
    """RFC 6121 §4.5.2, XEP-0198 §5."""
    if session.is_ended:
        return
    session.is_ended = True
    session.stream = None
    stop_expiry(session)
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
            await server.processes.remove([session])
        if unacknowledged and not others and not await _has_receivers_elsewhere(server, session):
            await xep_0160_offline.keep(server, session, unacknowledged)
            await _catch_up(server, session)
    finally:
        try:
            await presence.unavailable(server, session)
        finally:
            server.forget(session)


async def _catch_up(server: Server, ended: Session) -> None:
    """Who came while the messages were being kept has looked for them too early."""
    server.announce(ended.account.bare, frame.OFFLINE, b"")
    for receiver in ended.account.receivers():
        if receiver is not ended and not server.is_stopping:
            await xep_0160_offline.deliver(server, receiver)
            return


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
    """Says goodbye to every client. Sessions that can be resumed are left to others, the rest ends."""
    server.is_stopping = True
    everybody = [session for account in server.accounts.values() for session in account.sessions.values()]
    ending = [session for session in everybody if session.sm is None or not session.sm.is_resumable]
    if server.processes is not None:
        await _remove_all(server.processes, ending)
    for session in ending:
        close(session, "system-shutdown")
        await _end_logged(server, session)
    if server.succession is not None:
        await server.succession.leave()
    server.departures.flush()
    while server.tasks:
        await asyncio.gather(*server.tasks)
    server.deadlines.close()
    if server.processes is not None:
        await server.processes.withdraw()


async def _remove_all(processes: Processes, ending: list[Session]) -> None:
    """One transaction for all of them."""
    try:
        await processes.remove(ending)
    except DomainError as error:
        LOG.warning("sessions stay in the store until their process is gone", error=error.text)


def kick(server: Server, principal_id: int) -> None:
    """The person was disabled, deleted, or has a new password: all sessions end now."""
    for account in list(server.accounts.values()):
        if account.owner == principal_id:
            for session in list(account.sessions.values()):
                if not session.is_spared:
                    close(session, "not-authorized")
                    give_up(server, session)


async def end_sessions(server: Server, jid: JID, condition: str) -> None:
    """Ends one session, or all of a bare JID, in whichever process; the client is told the condition."""
    account = server.accounts.get(jid.bare)
    for session in list(account.sessions.values()) if account is not None else ():
        if jid.resource in ("", session.jid.resource):
            close(session, condition)
            await end(server, session)
    if server.processes is not None:
        for row in await server.processes.sessions_of([jid.bare]):
            if jid.resource in ("", row.resource):
                question = f"{row.address}/{row.resource}\n{condition}"
                await server.processes.ask(row.process, "end", question.encode())


def kick_device(server: Server, principal_id: int, device: str) -> None:
    """The person has shut one device out: its sessions end now."""
    for account in list(server.accounts.values()):
        if account.owner == principal_id:
            for session in list(account.sessions.values()):
                if session.device == device:
                    close(session, "not-authorized")
                    give_up(server, session)


async def _end_logged(server: Server, session: Session) -> None:
    try:
        await end(server, session)
    except DomainError as error:
        LOG.warning("session ended without being stored", jid=session.jid.full, error=error.text)


def _is_late(session: Session) -> bool:
    return session.expiry is not None and session.expiry.when() <= asyncio.get_running_loop().time()


def stop_expiry(session: Session) -> None:
    """Its client is there, or it is over."""
    if session.expiry is not None:
        session.expiry.cancel()
        session.expiry = None
