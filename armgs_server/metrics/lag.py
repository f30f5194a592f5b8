# SPDX-License-Identifier: Apache-2.0
"""How late the event loop is: what it does for one is what all others wait for."""

from __future__ import annotations

import asyncio

from armgs_server import measures

INTERVAL = 0.5  # seconds between two looks

_loop_lag = measures.operations("loop")


class LagMeter:
    """From `start` to `stop`, on the loop."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._timing = _loop_lag.kinds.setdefault("lag", measures.Timing())

    def start(self) -> None:
        """Looks again and again."""
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + INTERVAL
        self._timer = loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._timing.add(max(0.0, loop.time() - due))
        self._wait(loop)
