# SPDX-License-Identifier: Apache-2.0
"""Where people have sessions, as the table `session` says: remembered for a while, as every message asks.

Whoever writes rows, or changes a block list (which is read along), says so on the bus with the commit
(`storage.sessions.tell`), and every process reads of that person anew. A lost hint costs `[xmpp]
whereabouts_kept` at most: a message goes to a process that keeps it for who has left, or waits for who has
come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from armgs_server.storage import sessions
from armgs_server.storage.sessions import SessionRow
from armgs_server.xmpp.xeps.xep_0191_blocking import DOCUMENT

if TYPE_CHECKING:
    from armgs_server.config import Config
    from armgs_server.storage import Store
    from armgs_server.storage.bus import RemoteBus


class _Known:
    """What was read of one person; `rows` is None while it is being read."""

    __slots__ = ("rows", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.rows: Sequence[SessionRow] | None = None


class Whereabouts:
    """What this process remembers of the table; nothing while the bus may have lost hints."""

    def __init__(self, config: Config, store: Store, bus: RemoteBus) -> None:
        self._settings = config.xmpp
        self._store = store
        self._bus = bus
        self._known: dict[str, _Known] = {}
        bus.on_gap(self._known.clear)

    def start(self) -> Callable[[], None]:
        """Hears of changes until the function it returns is called."""
        return self._bus.subscribe(sessions.TOPIC, self._forget)

    async def of(self, address: str) -> Sequence[SessionRow]:
        """The sessions of a person in all processes, their presence without its words."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(address)
        if known is not None and known.rows is not None and known.until > now:
            return known.rows
        known = self._remember(address, now)
        rows = await self._store.read(lambda tx: sessions.of(tx, [address], DOCUMENT))
        found = tuple(row if row.presence is None else replace(row, presence=b"") for row in rows)
        known.rows = found  # where it has changed meanwhile nobody finds it any more
        return found

    def _remember(self, address: str, now: float) -> _Known:
        known = _Known(now + self._settings.whereabouts_kept)
        self._known.pop(address, None)
        while len(self._known) >= self._settings.whereabouts:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[address] = known
        return known

    def _forget(self, data: bytes) -> None:
        for address in data.decode().split("\n"):
            self._known.pop(address, None)
