# SPDX-License-Identifier: Apache-2.0
"""The bus: who hears a topic's messages. A message is a hint or a stanza; losing one costs time, not truth.

This engine serves one process. Engines for several workers or hosts keep the same two methods.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol, TypeAlias

Callback: TypeAlias = Callable[[bytes], None]

_log = logging.getLogger(__name__)


class Bus(Protocol):
    """Publish and subscribe by exact topic, on the loop's thread only."""

    def subscribe(self, topic: str, callback: Callback) -> Callable[[], None]:
        """Calls `callback` with each message until the returned function is called. It must not block."""

    def publish(self, topic: str, data: bytes) -> None:
        """Hands `data` to every subscriber of `topic`."""


class LocalBus:
    """The bus of one process: callbacks run at once, in the order of subscription."""

    def __init__(self) -> None:
        self._topics: dict[str, list[Callback]] = {}

    def subscribe(self, topic: str, callback: Callback) -> Callable[[], None]:
        """See Bus.subscribe."""
        self._topics.setdefault(topic, []).append(callback)

        def unsubscribe() -> None:
            callbacks = self._topics.get(topic)
            if callbacks and callback in callbacks:
                callbacks.remove(callback)
                if not callbacks:
                    del self._topics[topic]

        return unsubscribe

    def hears(self, topic: str) -> bool:
        """Whether anybody here is subscribed to the topic."""
        return topic in self._topics

    def topics(self) -> list[str]:
        """Everything anybody here is subscribed to."""
        return list(self._topics)

    def publish(self, topic: str, data: bytes) -> None:
        """See Bus.publish. A subscriber that fails does not keep the others from hearing."""
        callbacks = self._topics.get(topic)
        if callbacks is None:
            return
        for callback in tuple(callbacks):
            try:
                callback(data)
            except Exception:
                _log.exception("bus subscriber failed topic=%s", topic)
