# SPDX-License-Identifier: Apache-2.0
"""The other processes that serve the same people: what sessions they have, and asking them something.

Each process writes its sessions into the store (storage.sessions) and keeps itself there by a beat. What
must always hold: a row is written before others are told, and removed before they are told of the end; a
process whose row was swept while it slept writes its sessions anew, and ends those whose resource another
process has by then. Where one process serves alone there is no such object, and nothing is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from armgs_server.errors import DomainError
from armgs_server.storage import clock, sessions
from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.sessions import SessionPlace, SessionRow
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import frame as frames
from armgs_server.xmpp.frame import Frame
from armgs_server.xmpp.jid import JID, parse
from armgs_server.xmpp.lifelines import Lifelines
from armgs_server.xmpp.server import LOG
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.unacknowledged import Unacknowledged
from armgs_server.xmpp.whereabouts import Whereabouts
from armgs_server.xmpp.xeps.xep_0191_blocking import DOCUMENT

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

GONE_TOPIC = "xmpp-gone"
ASK_TIMEOUT = 2.0  # seconds another process has for an answer
_FOR_SESSIONS = frozenset({frames.STANZA, frames.MESSAGE, frames.IQ})

Answerer = Callable[[bytes], Awaitable[bytes]]


class Processes:
    """This process among the others. `on_gone` gets sessions of a process that died."""

    def __init__(self, server: Server, bus: RemoteBus) -> None:
        self.name = server.process
        self.answerers: dict[str, Answerer] = {}  # by what is asked
        self.on_gone: Callable[[list[SessionRow]], Coroutine[Any, Any, None]]
        self.on_back: Callable[[Session], Awaitable[None]]  # others may think that it has gone
        self.on_taken: Callable[[Session], None]  # a session whose resource another process has
        self.on_lost: Callable[[list[SessionRow]], Awaitable[None]]  # sessions that did not end in order
        self.on_beat: Callable[[], Coroutine[Any, Any, None]]
        self._server = server
        self._bus = bus
        self._store = server.store
        self._whereabouts = Whereabouts(server.config, server.store, bus)
        self._lifelines = Lifelines(server.config.data_dir, self.name)
        self._lifetime = int(server.config.xmpp.process_timeout * clock.SECOND)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unacknowledged = Unacknowledged(clock.now())
        self._beating: asyncio.Task[None] | None = None
        self._unsubscribe: list[Callable[[], None]] = []

    async def start(self) -> None:
        """From here on sessions may be written."""
        for topic in (f"xmpp-process:{self.name}", GONE_TOPIC):
            self._unsubscribe.append(self._bus.subscribe(topic, self.on_frame))
        self._unsubscribe.append(self._whereabouts.start())
        self._lifelines.hold()
        await self._store.write(lambda tx: sessions.beat(tx, self.name, self._lifetime))
        await self._sweep()  # this process may take the place of one that died
        self._beating = asyncio.get_running_loop().create_task(self._beat(), name="xmpp-process")

    async def withdraw(self) -> None:
        """Takes the process and all its sessions out of the store at once: it is being stopped."""
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        try:
            await self._store.write(lambda tx: sessions.forget(tx, self.name))
            self._lifelines.release()
        except DomainError as error:
            LOG.warning("process stays in the store until its time is over", error=error.text)

    async def stop(self) -> None:
        """All sessions have ended."""
        if self._tasks:
            await asyncio.gather(*self._tasks)
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def is_linked(self) -> bool:
        """Whether the others can be reached now."""
        return self._bus.is_linked()

    def on_gap(self, callback: Callable[[], None]) -> None:
        """See RemoteBus.on_gap."""
        self._bus.on_gap(callback)

    # Rows

    def row(self, session: Session) -> SessionRow:
        owner, bare, resource = session.account.owner, session.account.bare, session.jid.resource
        return SessionRow(
            owner, bare, resource, session.number, self.name, session.priority, session.presence, b""
        )

    async def claim(self, session: Session, limit: int) -> None:
        """Writes a new session down; an older one of the same resource elsewhere has ended on return."""
        row = self.row(session)

        async def work(tx: Tx) -> tuple[str, SessionRow | None]:
            others = await sessions.of(tx, [row.address], DOCUMENT)
            if len(others) >= limit and all(other.resource != row.resource for other in others):
                raise StanzaError("resource-constraint", "too many sessions")  # RFC 6120 §7.6.2.1
            held = await sessions.held(tx, row.owner, row.resource, self._lifetime)
            return await sessions.claim(tx, row), held

        former, held = await self._store.write(work)
        if former not in ("", self.name):
            answer = await self.ask(former, "end", session.jid.full.encode())
            if answer is None and held is not None:
                await self.on_lost([held])

    async def place(self, owner: int, number: int) -> SessionPlace | None:
        """Where the session with that number is now."""
        return await self._store.read(lambda tx: sessions.place(tx, owner, number))

    async def others(self) -> list[str]:
        """The other processes that live."""
        return await self._store.read(lambda tx: sessions.others(tx, self.name))

    async def update(self, session: Session) -> None:
        """The session's presence has changed."""
        row = self.row(session)
        await self._store.write(lambda tx: sessions.update(tx, row))

    async def remove(self, ended: Collection[Session]) -> None:
        """The sessions have ended, or end now."""
        rows = [self.row(session) for session in ended]
        await self._store.write(lambda tx: sessions.remove(tx, rows))

    async def sessions_of(self, addresses: Collection[str]) -> list[SessionRow]:
        """What those people have in other processes, or have here in a moment."""
        if not addresses:
            return []
        wanted = sorted(addresses)
        rows = await self._store.read(lambda tx: sessions.of(tx, wanted, DOCUMENT))
        return [found for row in rows if (found := self._elsewhere(row)) is not None]

    async def whereabouts(self, address: str) -> list[SessionRow]:
        """What `sessions_of` tells of one person, as this process knows it; presence without its words."""
        rows = await self._whereabouts.of(address)
        return [found for row in rows if (found := self._elsewhere(row)) is not None]

    def _elsewhere(self, row: SessionRow) -> SessionRow | None:
        """The row where the session is not here; one that is on its way is where it goes to."""
        transit, full = self._server.transit, f"{row.address}/{row.resource}"
        if row.process != self.name or transit.is_expected(full):
            return row
        heir = transit.heir(full)
        return replace(row, process=heir) if heir and self._server.session(parse(full)) is None else None

    async def holder(self, to: JID) -> SessionRow | None:
        """The session with that full JID in another process."""
        rows = await self.sessions_of([to.bare])
        return next((row for row in rows if row.resource == to.resource), None)

    async def available(self, addresses: Collection[str]) -> list[SessionRow]:
        """Those that sent initial presence."""
        return [row for row in await self.sessions_of(addresses) if row.presence is not None]

    async def receivers(self, address: str) -> frozenset[str]:
        """The processes in which somebody takes messages to the bare JID."""
        return frozenset(row.process for row in await self.available([address]) if row.priority >= 0)

    # Frames

    def post(
        self, process: str, kind: str, to: str, data: bytes, *, origin: str = "", argument: str = ""
    ) -> None:
        """One frame to one process."""
        frame = Frame(self.name, kind, to, origin, argument, data, self._server.next_number())
        if process != self.name:
            self._bus.publish_elsewhere(f"xmpp-process:{process}", frame.encode())
        else:
            self.handle(frame)

    def announce_gone(self, jid: JID) -> None:
        """Tells every process of a session that ended together with its own."""
        frame = Frame(self.name, frames.GONE, jid.full, "", "", b"", self._server.next_number())
        self._bus.publish_elsewhere(GONE_TOPIC, frame.encode())

    def on_frame(self, message: bytes) -> None:
        """Something another process says to this one, or to all."""
        frame = frames.decode(message)
        if frame.process != self.name:
            self.handle(frame)

    def handle(self, frame: Frame) -> None:
        """A frame for this process; what is for a session that has left since the choice goes after it."""
        server = self._server
        account = server.accounts.get(frame.to.partition("/")[0])
        has_receivers = account is not None and bool(account.receivers())
        if server.transit.keep(frame, is_broadcast=False, has_receivers=has_receivers):
            return
        is_here = has_receivers if "/" not in frame.to else server.session(parse(frame.to)) is not None
        heir = "" if is_here or frame.kind not in _FOR_SESSIONS else server.transit.heir(frame.to)
        if heir:
            self.post(heir, frame.kind, frame.to, frame.data, origin=frame.origin, argument=frame.argument)
        else:
            server.heard[frame.kind](frame)

    async def ask(self, process: str, what: str, data: bytes, timeout: float = ASK_TIMEOUT) -> bytes | None:
        """Another process's answer; None where there is none in time, or no such process."""
        if not self._bus.is_heard_elsewhere(f"xmpp-process:{process}"):
            return None
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self.post(process, frames.ASK, "", data, argument=f"{number} {what}")
        try:
            async with asyncio.timeout(timeout):
                return await self._waiting[number]
        except TimeoutError:
            return None
        finally:
            del self._waiting[number]

    def on_answer(self, frame: Frame) -> None:
        waiting = self._waiting.get(int(frame.argument))
        if waiting is not None and not waiting.done():
            waiting.set_result(frame.data)

    def on_ask(self, frame: Frame) -> None:
        number, _, what = frame.argument.partition(" ")
        self.spawn(self._answer(frame.process, number, self.answerers[what], frame.data))

    async def _answer(self, process: str, number: str, answerer: Answerer, data: bytes) -> None:
        self.post(process, frames.ANSWER, "", await answerer(data), argument=number)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs what a frame asks for; a failure is logged, as nobody waits for it."""

        async def run() -> None:
            try:
                await work
            except DomainError as error:
                LOG.warning("a frame of another process was not handled", error=error.text)

        task = asyncio.get_running_loop().create_task(run(), name="xmpp-frame")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Life and death

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lifetime / clock.SECOND / 3)
            try:
                was_there = await self._store.write(lambda tx: sessions.beat(tx, self.name, self._lifetime))
                if not was_there:
                    self.spawn(self._come_back())  # however long it takes, the next beat must not wait
                await self._note_unacknowledged()
                await self._sweep()
                self.spawn(self.on_beat())
            except DomainError as error:
                LOG.warning("process cannot be kept in the store", error=error.text)

    async def _sweep(self) -> None:
        dead = self._lifelines.dead()
        gone = await self._store.write(lambda tx: sessions.sweep(tx, self._lifetime, dead))
        self._lifelines.bury(dead)
        if gone:
            LOG.warning("a process is gone", sessions=len(gone))
            self.spawn(self.on_gone(gone))

    async def _note_unacknowledged(self) -> None:
        accounts = self._server.accounts.values()
        here = [session for account in accounts for session in account.sessions.values()]
        notes = self._unacknowledged.look(here, clock.now())
        if notes:
            await self._store.write(lambda tx: sessions.note_unacknowledged(tx, self.name, notes))

    async def _come_back(self) -> None:
        """This process slept so long that it was taken for dead: its sessions are written anew."""
        LOG.warning("process was taken for dead")
        for account in list(self._server.accounts.values()):
            for session in list(account.sessions.values()):
                row = self.row(session)
                if await self._store.write(partial(sessions.restore, row=row)):
                    await self.on_back(session)
                else:
                    self.on_taken(session)
