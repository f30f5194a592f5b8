# SPDX-License-Identifier: Apache-2.0
"""Work that lies in the store until a process takes it: looked for when the bus tells of it, or time is over.

The bus may lose what it is told, and a killed process leaves work behind: so rows are taken by lease, and
looked for again after a while. A row that cannot be done is no reason to leave the others alone: what goes
wrong is logged, and looked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from armgs_server.errors import DomainError
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.storage import Store

T = TypeVar("T")
# Takes up to so many rows (the last argument) that are due now, for a lease; both in microseconds.
Claim = Callable[[Tx, int, int, int], Awaitable[list[T]]]

LEASE: Final = 2 * clock.MINUTE  # what a killed process leaves waits so long
LONGEST_SLEEP: Final = 60.0  # seconds; other processes may add rows when the bus is not there
FAILED_WAIT: Final = 5.0

_log = logging.getLogger(__name__)


class WaitingWork:
    """Calls `look` again and again; it returns when more is due, or None."""

    def __init__(
        self,
        store: Store,
        topic: str,
        name: str,
        look: Callable[[], Awaitable[int | None]],
        *,
        failed_wait: float = FAILED_WAIT,
    ) -> None:
        self._store = store
        self._topic = topic
        self._name = name
        self._look = look
        self._failed_wait = failed_wait
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begins to look."""
        self._unsubscribe = self._store.bus.subscribe(self._topic, lambda data: self._wake.set())
        self._runner = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Ends; what is not done stays in the store."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    async def take(self, claim: Claim[T], limit: int, lease: int = LEASE) -> list[T]:
        """Some of the rows that are due."""
        return await self._store.write(lambda tx: claim(tx, clock.now(), lease, limit))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            delay = await self._look_once()
            # Not wait_for(): on Python 3.11 that loses a stop() which comes just after a wake.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()

    async def _look_once(self) -> float:
        """The seconds until the next time at the latest."""
        try:
            due = await self._look()
        except DomainError as error:
            _log.warning("work waits name=%s error=%s", self._name, error)
            return self._failed_wait
        except Exception:
            _log.exception("work waits name=%s", self._name)
            return self._failed_wait
        if due is None:
            return LONGEST_SLEEP
        return min(max((due - clock.now()) / clock.SECOND, 0.0), LONGEST_SLEEP)
