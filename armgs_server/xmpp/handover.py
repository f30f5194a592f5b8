# SPDX-License-Identifier: Apache-2.0
"""XEP-0198 §5 across processes and restarts: a session is parked in the store by one and taken by another.

A client resumes wherever its new connection lands: that process asks the one that has the session to park
it, and takes it. A process that stops parks all sessions that can be resumed and leaves them to others that
live; where none does, whoever starts next takes them. What must always hold: a session is in the memory of
one process or in the store, never in two places; stanzas for it are kept wherever it is (see `transit`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.directory import Principal
from armgs_server.errors import DomainError
from armgs_server.storage import clock, parked, sessions
from armgs_server.storage.parked import ParkedSession
from armgs_server.storage.sessions import SessionPlace
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import frame, lifecycle, snapshot
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.server import LOG
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.snapshot import Snapshot
from armgs_server.xmpp.transit import Arrival
from armgs_server.xmpp.xeps import xep_0160_offline, xep_0191_blocking
from armgs_server.xmpp.xeps.xep_0198_sm import Departed, Management

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

PARK_TIMEOUT = 5.0  # seconds another process has to let a session go, its last stanza handled
_ROUNDS = 3  # in which a session may pass on to a third process while it is being fetched
_NUMBER = re.compile(r"[0-9a-f]{1,15}|[0-7][0-9a-f]{15}")  # what fits into 63 bits
PAGE = 200  # sessions in one transaction

Key = tuple[int, int]  # owner and number


class Handover:
    """Parks and takes sessions for this process."""

    def __init__(self, server: Server) -> None:
        self._server = server
        if server.processes is not None:
            server.processes.answerers["park"] = self._on_park
            server.processes.on_beat = self.take_orphans

    # A client resumes

    async def fetch(self, principal: Principal, previous: str) -> Session | None:
        """The session of that XEP-0198 id from wherever it is, if it is the person's; it waits here then."""
        server, processes, number = self._server, self._server.processes, _number(previous)
        if processes is None or number is None:
            return None
        for _ in range(_ROUNDS):
            place = await processes.place(principal.id, number)
            if place is None:
                await self.take([(principal.id, number)])
                break
            blocked = await xep_0191_blocking.load(server, principal.id)
            pending = server.transit.arrival(number)
            if pending is not None:
                await _wait(pending)
            else:
                jid = parse(place.address).with_resource(place.resource)
                arrival = self.expect(principal, blocked, jid, number)
                try:
                    if place.is_alive and place.process != processes.name:
                        question = f"{processes.name} {principal.id} {previous}".encode()
                        await processes.ask(place.process, "park", question, PARK_TIMEOUT)
                    await self.take([(principal.id, number)])
                finally:
                    self.settle(arrival)
            if previous in server.resumable:
                break
        return server.resumable.get(previous)

    async def handled(self, principal: Principal, previous: str) -> int | None:
        """How much the session had handled that cannot be resumed any more, where that is known."""
        number = _number(previous)
        if number is None:
            return None
        return await self._server.store.read(lambda tx: parked.recall(tx, principal.id, number))

    async def _on_park(self, data: bytes) -> bytes:
        """Another process has the client of a session; empty where it is not here."""
        heir, owner, previous = data.decode().split(" ", 2)
        pending = self._server.transit.arrival(_number(previous) or 0)
        if pending is not None:
            await _wait(pending)
        session = self._server.resumable.get(previous)
        if session is None or session.account.owner != int(owner):
            return b""
        lifecycle.close(session, "conflict")
        session.stream = None
        # What the old stream is just handling must be counted before the count is written down.
        async with session.handling:
            return b"parked" if await self.park([session], heir) else b""

    # Letting go

    async def park(self, leaving: Sequence[Session], heir: str) -> list[Key]:
        """Leaves sessions to another process, or with '' to whoever comes first; those that are parked."""
        server = self._server
        rows: list[ParkedSession] = []
        freed: list[tuple[Session, Management]] = []
        for session in leaving:
            management = session.sm
            if session.is_ended or management is None or not management.is_resumable:
                continue
            heard = {**session.account.heard, server.process: server.last_number}
            expires = lifecycle.expires(server, session)
            row = snapshot.take(session, management, heir=heir, expires=expires, heard=heard)
            if management.is_resumable:  # what was held back may have been too much
                self._depart(session, management, heir)
                rows.append(row)
                freed.append((session, management))

        async def work(tx: Tx) -> None:
            await parked.park(tx, rows)
            sessions.tell(tx, {session.account.bare for session, _ in freed})

        try:
            await server.store.write(work)
        except DomainError as error:
            LOG.warning("sessions cannot be parked", sessions=len(rows), error=error.text)
            for session, management in freed:
                self._return(session, management)
            return []
        return [(row.owner, row.number) for row in rows]

    def _depart(self, session: Session, management: Management, heir: str) -> None:
        """From here on what is for the session goes after it."""
        server = self._server
        lifecycle.stop_expiry(session)
        session.stream = None
        session.is_ended = True
        session.sm = Departed(lambda data: self._forward(session, heir, data))
        del server.resumable[management.id]
        if heir:
            server.transit.depart(session.jid, heir)
        server.forget(session)

    def _forward(self, session: Session, heir: str, data: bytes) -> None:
        processes, is_kept = self._server.processes, xep_0160_offline.is_kept(data)
        if heir and processes is not None:
            kind, argument = (frame.MESSAGE, "keep") if is_kept else (frame.STANZA, "")
            processes.post(heir, kind, session.jid.full, data, argument=argument)
        elif is_kept:
            self._server.spawn(xep_0160_offline.keep(self._server, session, [data]))

    def _return(self, session: Session, management: Management) -> None:
        """It could not be parked, so it stays."""
        server = self._server
        account = server.account_for(session.account.principal)
        session.is_ended = False
        session.account = account
        session.sm = management
        account.sessions[session.jid.resource] = session
        server.resumable[management.id] = session
        lifecycle.wait_for_client(server, session, server.config.xmpp.resume_time)

    # Taking

    def expect(self, principal: Principal, blocked: frozenset[str], jid: JID, number: int) -> Arrival:
        """From here on frames for the session are kept; `settle` ends that."""
        account = self._server.account_for(principal)
        account.blocked = blocked if account.blocked is None else account.blocked
        return self._server.transit.expect(jid, number)

    def settle(self, arrival: Arrival) -> None:
        """What came for a session that did not goes after it, or is handled as if nobody had expected it."""
        server = self._server
        is_here = arrival.done.is_set()
        server.transit.settle(arrival)
        if not is_here:
            for kept in arrival.frames:
                if not kept.is_handled and server.processes is not None:
                    server.processes.handle(kept.frame)
        account = server.accounts.get(arrival.jid.bare)
        if account is not None:
            server.forget_account(account)

    async def take(self, keys: Sequence[Key]) -> list[tuple[int, SessionPlace]]:
        """Goes on with those that are still parked; number and place of those that another process has."""
        name = self._server.processes.name if self._server.processes is not None else ""

        async def work(tx: Tx) -> tuple[list[tuple[Snapshot, bool]], list[tuple[int, SessionPlace]]]:
            taken, elsewhere = [], []
            for owner, number in keys:
                found = await parked.take(tx, owner, number)
                if found is not None:
                    session = snapshot.read(found)
                    is_current = not name or await sessions.adopt(tx, session.row(name))
                    taken.append((session, is_current))
                elif (place := await sessions.place(tx, owner, number)) is not None:
                    elsewhere.append((number, place))
            return taken, elsewhere

        taken, elsewhere = await self._server.store.write(work)
        for session, is_current in taken:
            principal = await self._server.directory.by_id(session.parked.owner)
            if principal is not None and not principal.disabled:
                blocked = await xep_0191_blocking.load(self._server, principal.id)
                self._install(session, principal, blocked, is_current=is_current)
        return elsewhere

    async def take_orphans(self) -> None:
        """Goes on with all that nobody else will take."""
        server = self._server
        name = server.processes.name if server.processes is not None else ""
        while not server.is_stopping:
            found = await server.store.read(lambda tx: parked.orphans(tx, name, PAGE))
            # Those that are being fetched just now are taken by whoever fetches them.
            keys = [key for key in found if server.transit.arrival(key[1]) is None]
            if not keys:
                return
            await self.take(keys)

    def _install(
        self, taken: Snapshot, principal: Principal, blocked: frozenset[str], *, is_current: bool
    ) -> None:
        server = self._server
        account = server.account_for(principal)
        account.blocked = blocked if account.blocked is None else account.blocked
        session = taken.restore(account, lifecycle.management(server))
        management, resource = session.sm, session.jid.resource
        assert management is not None
        if not is_current or resource in account.sessions:
            server.spawn(self._bury(session, taken))
            return
        account.sessions[resource] = session
        server.resumable[management.id] = session
        server.transit.arrive(session.jid)
        arrival = server.transit.arrival(session.number)
        if arrival is not None:
            server.transit.settle(arrival)
            self._catch_up(session, arrival, taken)
        remaining = (taken.parked.expires - clock.now()) / clock.SECOND
        lifecycle.wait_for_client(server, session, max(remaining, 0.0))
        if session.takes_messages:
            server.spawn(xep_0160_offline.deliver(server, session))

    def _catch_up(self, session: Session, arrival: Arrival, taken: Snapshot) -> None:
        """Handles what came meanwhile for this session alone: the person's others have got it."""
        account = session.account
        everybody, account.sessions = account.sessions, {session.jid.resource: session}
        try:
            for each in arrival.unseen(taken.heard):
                self._server.heard[each.kind](each)
        finally:
            account.sessions = everybody

    async def _bury(self, session: Session, taken: Snapshot) -> None:
        """A newer session has its resource: what was not acknowledged is for whoever takes messages now."""
        server = self._server
        session.is_ended = True
        await xep_0160_offline.keep(server, session, taken.queue())
        server.announce(session.account.bare, frame.OFFLINE, b"")
        for receiver in session.account.receivers()[:1]:
            await xep_0160_offline.deliver(server, receiver)
        server.forget_account(session.account)


def _number(previous: str) -> int | None:
    """The session's number, with which its XEP-0198 id begins."""
    number = previous.partition(".")[0]
    return int(number, 16) if _NUMBER.fullmatch(number) else None


async def _wait(arrival: Arrival) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PARK_TIMEOUT):
            await arrival.done.wait()
