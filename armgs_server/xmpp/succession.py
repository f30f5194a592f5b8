# SPDX-License-Identifier: Apache-2.0
"""A process that stops leaves its sessions to others that live.

The clients are told `system-shutdown` and lose their streams, but not their sessions (XEP-0198 §5): nothing
of theirs is handled any more, so all counts stand still. Then the sessions are left to another process, page
by page: it begins to expect them, they are parked, it takes them. Where no process lives they stay parked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server.xmpp import lifecycle
from armgs_server.xmpp.handover import PAGE, PARK_TIMEOUT, Handover, Key
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.server import LOG
from armgs_server.xmpp.session import Session
from armgs_server.xmpp.transit import Arrival
from armgs_server.xmpp.xeps import xep_0191_blocking

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

_EXPECTED_FOR = 30.0  # seconds from being announced to being there
_LINGER = 0.5  # seconds in which others may still send here what they chose this process for before
_READY = b"ready"


class Succession:
    """Both sides of it: leaving sessions behind, and being the one they are left to."""

    def __init__(self, server: Server, handover: Handover) -> None:
        self._server = server
        self._handover = handover
        self._expected: dict[Key, Arrival] = {}
        if server.processes is not None:
            server.processes.answerers["expect"] = self._on_expect
            server.processes.answerers["take"] = self._on_take

    # Leaving

    async def leave(self) -> None:
        """Lets go of every session that can be resumed, also of those that were just coming here."""
        server = self._server
        heirs = await server.processes.others() if server.processes is not None else []
        await self._silence(list(server.resumable.values()))
        for prepare in server.before_parking:
            await prepare()
        stuck: set[Session] = set()
        while leaving := [each for each in server.resumable.values() if each not in stuck]:
            await self._silence(leaving)
            for start in range(0, len(leaving), PAGE):
                page = [session for session in leaving[start : start + PAGE] if not session.is_ended]
                heir = await self._find_heir(heirs, page)
                keys = await self._handover.park(page, heir)
                if heir and server.processes is not None:
                    await server.processes.ask(heir, "take", _lines(keys), PARK_TIMEOUT)
            stuck.update(leaving)  # those that could not be parked
            await server.transit.wait(PARK_TIMEOUT)
        if server.processes is not None:
            await asyncio.sleep(_LINGER)

    async def _silence(self, leaving: Sequence[Session]) -> None:
        """From here on nothing is handled for these clients."""
        for session in leaving:
            lifecycle.close(session, "system-shutdown")
            session.stream = None
        await self._finish(leaving)

    async def _finish(self, leaving: Sequence[Session]) -> None:
        """What clients have sent is handled to its end, so that it counts."""

        async def finish(session: Session) -> None:
            async with session.handling:
                return

        patience = self._server.config.limits.shutdown_timeout / 2
        running = [asyncio.ensure_future(finish(each)) for each in leaving if each.handling.locked()]
        if running:
            _, late = await asyncio.wait(running, timeout=patience)
            for task in late:
                task.cancel()
            if late:
                LOG.warning("stanzas were being handled when the process stopped", sessions=len(late))

    async def _find_heir(self, heirs: list[str], page: Sequence[Session]) -> str:
        """A process that is ready to take them; those that are not are asked no more."""
        processes = self._server.processes
        question = "\n".join(f"{each.account.owner} {each.number} {each.jid.full}" for each in page)
        while processes is not None and heirs:
            heir = heirs.pop(0)
            if await processes.ask(heir, "expect", question.encode(), PARK_TIMEOUT) == _READY:
                heirs.append(heir)  # they take turns
                return heir
        return ""

    # Being left something

    async def _on_expect(self, data: bytes) -> bytes:
        server = self._server
        if server.is_stopping:
            return b""
        for line in data.decode().splitlines():
            owner, number, full = line.split(" ", 2)
            principal = await server.directory.by_id(int(owner))
            if principal is None:
                continue
            blocked = await xep_0191_blocking.load(server, principal.id)
            if server.transit.arrival(int(number)) is not None:
                continue  # its client is here already, and it is being fetched
            key = (principal.id, int(number))
            self._expected[key] = self._handover.expect(principal, blocked, parse(full), int(number))
            asyncio.get_running_loop().call_later(_EXPECTED_FOR, self._settle, key)
        return _READY

    async def _on_take(self, data: bytes) -> bytes:
        keys, transit = _keys(data), self._server.transit
        for number, place in await self._handover.take(keys):
            arrival = transit.arrival(number)
            if arrival is not None:  # its client was faster: what still comes here for it goes after it
                transit.depart(arrival.jid, place.process)
        for key in keys:
            self._settle(key)
        return b"taken"

    def _settle(self, key: Key) -> None:
        arrival = self._expected.pop(key, None)
        if arrival is not None:
            self._handover.settle(arrival)


def _lines(keys: Sequence[Key]) -> bytes:
    return "\n".join(f"{owner} {number}" for owner, number in keys).encode()


def _keys(data: bytes) -> list[Key]:
    pairs = [line.split(" ") for line in data.decode().splitlines()]
    return [(int(owner), int(number)) for owner, number in pairs]
