# SPDX-License-Identifier: Apache-2.0
"""Work that lies in the store until a process takes it: looked for when the bus tells of it, or time is over.

The bus may lose what it is told, and a killed process leaves work behind: so `look` says how long to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from armgs_server.storage.bus import Bus


class WaitingWork:
    """Calls `look` again and again; it returns the seconds until the next time at the latest."""

    def __init__(self, bus: Bus, topic: str, name: str, look: Callable[[], Awaitable[float]]) -> None:
        self._bus = bus
        self._topic = topic
        self._name = name
        self._look = look
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._unsubscribe = self._bus.subscribe(self._topic, lambda data: self._wake.set())
        self._runner = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Ends; what is not done stays in the store."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            delay = await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)
