# SPDX-License-Identifier: Apache-2.0
"""What the store has about people and every message asks for: remembered for a moment, by owner.

Whoever changes it publishes the owner's number on the topic after the commit, and every process reads it
anew. A hint that is lost costs at most `LIFETIME`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from armgs_server.storage import Store
from armgs_server.storage.tx import Tx

LIFETIME = 60.0  # seconds
_MAX_OWNERS = 50_000

T = TypeVar("T")


class Remembered(Generic[T]):
    """One kind of it."""

    __slots__ = ("_changes", "_known", "_load", "_store", "_topic", "close")

    def __init__(self, store: Store, topic: str, load: Callable[[Tx, int], Awaitable[T]]) -> None:
        self._store = store
        self._topic = topic
        self._load = load
        self._known: dict[int, tuple[float, T]] = {}
        self._changes = 0
        self.close = store.bus.subscribe(topic, self._forget)

    async def get(self, owner: int) -> T:
        """What the store has, or had a moment ago."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(owner)
        if known is not None and known[0] > now:
            return known[1]
        changes = self._changes
        value = await self._store.read(lambda tx: self._load(tx, owner))
        if changes == self._changes:
            if len(self._known) >= _MAX_OWNERS:
                self._known.clear()
            self._known[owner] = (now + LIFETIME, value)
        return value

    def changed(self, tx: Tx, owner: int) -> None:
        """To be called by the work that changes it."""
        tx.publish(self._topic, b"%d" % owner)

    def _forget(self, data: bytes) -> None:
        self._changes += 1
        self._known.pop(int(data), None)
