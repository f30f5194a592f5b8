# SPDX-License-Identifier: Apache-2.0
"""A lost bus costs time, never data: while the link is down, change counters are polled instead.

Sessions know nothing of it: they get the same hint `changes:OWNER` that the bus would have brought, and
read what changed since the modseq they know.
"""

from __future__ import annotations

from armgs_server.storage.bus import RemoteBus
from armgs_server.storage.tx import Engine, Row, Tx

PREFIX = "changes:"
# Owners asked for in one query: a short read even inline.
BATCH = 200


class CatchUp:
    """Called once a second; does nothing while the link holds."""

    def __init__(self, engine: Engine, bus: RemoteBus) -> None:
        self._engine = engine
        self._bus = bus
        self._known: dict[tuple[int, int], int] = {}
        self._gap = False
        bus.on_gap(self._note_gap)

    def _note_gap(self) -> None:
        self._gap = True

    async def look(self) -> None:
        """Tells this process's subscribers of every collection that moved since the last look.

        The first look of an outage tells of all: nobody noted where they stood before it.
        """
        if self._bus.is_linked() and not self._gap:
            self._known.clear()
            return
        self._gap = False
        owners = [int(topic[len(PREFIX) :]) for topic in self._bus.topics() if topic.startswith(PREFIX)]
        for at in range(0, len(owners), BATCH):
            for owner, collection, modseq in await self._counters(owners[at : at + BATCH]):
                if self._known.get((owner, collection)) != modseq:
                    self._known[owner, collection] = modseq
                    self._bus.deliver(f"{PREFIX}{owner}", b"%d %d" % (collection, modseq))

    async def _counters(self, owners: list[int]) -> list[Row]:
        places = ", ".join("?" * len(owners))

        async def work(tx: Tx) -> list[Row]:
            return await tx.rows(
                f"SELECT owner, id, modseq FROM collection WHERE owner IN ({places})", *owners
            )

        return await self._engine.read(work)
