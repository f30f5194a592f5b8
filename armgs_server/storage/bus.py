# SPDX-License-Identifier: Apache-2.0
"""The bus: who hears a topic's messages. A message is a hint or a stanza; losing one costs time, not truth.

This engine serves one process. Engines for several workers or hosts keep the same two methods.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

from armgs_server import measures

Callback: TypeAlias = Callable[[bytes], None]

_log = logging.getLogger(__name__)
_messages = measures.count("bus_messages")


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
        return partial(self._unsubscribe, topic, callback)

    def _unsubscribe(self, topic: str, callback: Callback) -> None:
        callbacks = self._topics.get(topic)
        if callbacks and callback in callbacks:
            callbacks.remove(callback)
            if not callbacks:
                del self._topics[topic]

    def hears(self, topic: str) -> bool:
        """Whether anybody here is subscribed to the topic."""
        return topic in self._topics

    def topics(self) -> list[str]:
        """Everything anybody here is subscribed to."""
        return list(self._topics)

    def publish(self, topic: str, data: bytes) -> None:
        """See Bus.publish. A subscriber that fails does not keep the others from hearing."""
        _messages.value += 1
        callbacks = self._topics.get(topic)
        if callbacks is None:
            return
        for callback in tuple(callbacks):
            try:
                callback(data)
            except Exception:
                _log.exception("bus subscriber failed topic=%s", topic)


class RemoteBus(LocalBus):
    """A LocalBus whose messages also reach other processes.

    Subscribers within the process hear each other at once, by no detour. While the link is down messages
    to and from others are lost; whoever listens to `on_gap` then looks at the store for what it missed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._gap_callbacks: list[Callable[[], None]] = []

    @abstractmethod
    async def start(self) -> None:
        """Connects, and stays connected until `stop`."""

    @abstractmethod
    async def stop(self) -> None:
        """Leaves the link; the process's own subscribers keep hearing each other."""

    @abstractmethod
    def is_linked(self) -> bool:
        """Whether messages reach other processes now."""

    @abstractmethod
    def _join(self, topic: str) -> None:
        """Somebody here is the first to hear the topic."""

    @abstractmethod
    def _leave(self, topic: str) -> None:
        """Nobody here hears the topic any more."""

    @abstractmethod
    def _send(self, topic: str, data: bytes) -> None:
        """Hands a message to the other processes that hear its topic."""

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Calls `callback` after each time in which messages of other processes may have been missed."""
        self._gap_callbacks.append(callback)

    def _gap(self) -> None:
        for callback in self._gap_callbacks:
            callback()

    def deliver(self, topic: str, data: bytes) -> None:
        """Hands a message to the subscribers of this process only."""
        super().publish(topic, data)

    def subscribe(self, topic: str, callback: Callback) -> Callable[[], None]:
        """See Bus.subscribe."""
        if not self.hears(topic):
            self._join(topic)
        return super().subscribe(topic, callback)

    def _unsubscribe(self, topic: str, callback: Callback) -> None:
        heard = self.hears(topic)
        super()._unsubscribe(topic, callback)
        if heard and not self.hears(topic):
            self._leave(topic)

    def is_heard_elsewhere(self, topic: str) -> bool:
        """Whether another process may hear the topic: True wherever the link does not tell."""
        return True

    def publish(self, topic: str, data: bytes) -> None:
        """See Bus.publish."""
        super().publish(topic, data)
        self._send(topic, data)

    def publish_elsewhere(self, topic: str, data: bytes) -> None:
        """Hands a message to the other processes, for whom what this one hears itself is no news."""
        self._send(topic, data)
