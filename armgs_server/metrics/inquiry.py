# SPDX-License-Identifier: Apache-2.0
"""Asking the serving processes of a host: each answers for itself, whoever asks puts it together.

On the bus: `inquire` carries a number and what is asked, `told:NUMBER` an answer of each worker. Within one
process nothing is sent. A worker that stands still is left out after a while, and its figures are missing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from armgs_server import log
from armgs_server.storage.bus import Bus

TOPIC = "inquire"

What = Literal["figures", "connections"]
# What a process tells of itself.
Teller = Callable[[What], Awaitable[Any]]
# What all of them told.
Asker = Callable[[What], Awaitable[list[Any]]]

_log = log.get("metrics")


def alone(teller: Teller) -> Asker:
    """Where one process is all there is."""

    async def ask(what: What) -> list[Any]:
        return [await teller(what)]

    return ask


class Answering:
    """A worker's side, from `start` to `stop`."""

    def __init__(self, bus: Bus, teller: Teller) -> None:
        self._bus = bus
        self._teller = teller
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Hears what is asked."""
        self._unsubscribe = self._bus.subscribe(TOPIC, self._on_question)

    def stop(self) -> None:
        """Answers no more."""
        self._unsubscribe()
        for task in self._tasks:
            task.cancel()

    def _on_question(self, data: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes) -> None:
        number, _, what = data.decode().partition(" ")
        told = await self._teller("figures" if what == "figures" else "connections")
        self._bus.publish(f"told:{number}", json.dumps(told, separators=(",", ":")).encode())


class Asking:
    """The supervisor's side. `expected` says how many workers there are."""

    def __init__(self, bus: Bus, expected: Callable[[], int], timeout: Callable[[], float]) -> None:
        self._bus = bus
        self._expected = expected
        self._timeout = timeout
        self._numbers = itertools.count(1)

    async def __call__(self, what: What) -> list[Any]:
        """What came in time."""
        number, told = next(self._numbers), list[Any]()
        complete = asyncio.Event()

        def take(data: bytes) -> None:
            told.append(json.loads(data))
            if len(told) >= self._expected():
                complete.set()

        unsubscribe = self._bus.subscribe(f"told:{number}", take)
        try:
            self._bus.publish(TOPIC, f"{number} {what}".encode())
            async with asyncio.timeout(self._timeout()):
                await complete.wait()
        except TimeoutError:
            _log.warning("workers do not tell", asked=what, told=len(told), expected=self._expected())
        finally:
            unsubscribe()
        return told
