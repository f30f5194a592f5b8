# SPDX-License-Identifier: Apache-2.0
"""Time-outs of many connections on one timer.

A connection that waits says `watch(self, deadline)`; when it has got what it waited for it just sets
its `deadline` to infinity. Entries are not moved when a deadline moves on: they are looked at when
their old one has come, and put back where they belong then. So a read with a time-out costs an
assignment, and ten thousand idle connections cost one timer.
"""

import asyncio
import heapq
import math
from typing import Protocol

from armgs_server.net.turn import Turn

RESOLUTION = 0.05  # seconds: deadlines are met at most this much late
NEVER = math.inf


class Watched(Protocol):
    deadline: float  # loop time; NEVER while nothing is waited for
    slot: int  # where it stands in the wheel; 0 = nowhere

    def deadline_passed(self) -> None: ...


class Deadlines:
    """One for each loop; `close` ends its timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.turn = Turn(loop)  # what else the connections of a loop share
        self._slots: dict[int, set[Watched]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, watched: Watched, deadline: float) -> None:
        """Calls `deadline_passed` when the loop's time has reached the deadline."""
        watched.deadline = deadline
        slot = int(deadline / RESOLUTION) + 1
        if watched.slot:
            if watched.slot <= slot:
                return
            self._remove(watched)
        self._put(watched, slot)

    def watch_for(self, watched: Watched, seconds: float) -> None:
        """The same from now on."""
        self.watch(watched, self._loop.time() + seconds)

    def forget(self, watched: Watched) -> None:
        """The connection is gone."""
        watched.deadline = NEVER
        if watched.slot:
            self._remove(watched)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _remove(self, watched: Watched) -> None:
        slot = self._slots.get(watched.slot)
        if slot is not None:
            slot.discard(watched)
        watched.slot = 0

    def _put(self, watched: Watched, slot: int) -> None:
        watched.slot = slot
        members = self._slots.get(slot)
        if members is None:
            self._slots[slot] = {watched}
            heapq.heappush(self._order, slot)
            if self._order[0] == slot:
                self._arm()
        else:
            members.add(watched)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._order[0] * RESOLUTION, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._order and self._order[0] * RESOLUTION <= now:
            for watched in self._slots.pop(heapq.heappop(self._order)):
                watched.slot = 0
                if watched.deadline <= now:
                    watched.deadline = NEVER
                    watched.deadline_passed()
                elif watched.deadline != NEVER:
                    self._put(watched, int(watched.deadline / RESOLUTION) + 1)
        if self._order and self._timer is None:
            self._arm()
