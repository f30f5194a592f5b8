# SPDX-License-Identifier: Apache-2.0
"""The bus between the workers of one host: a hub, and a pair of Unix sockets with each worker.

The supervisor runs the hub and hands each worker one end of a socket pair. A worker tells the hub which
topics it hears; a message goes to every other worker that hears its topic, and to the worker's own
subscribers at once without passing through the hub. The hub tells a worker which of its topics others hear
too, so that what nobody else would hear need not be sent.
Frames: one byte of kind, two of topic length, four of data length (big-endian), topic, data.
A worker that is too slow to take its messages is cut off rather than let the hub grow. A worker without
its hub is no longer told of anything, so it ends (`on_lost`), and the supervisor starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from typing import cast

from armgs_server.storage.bus import RemoteBus

SUBSCRIBE, UNSUBSCRIBE, PUBLISH = b"+", b"-", b"!"
_HEAD = struct.Struct(">cHI")
# Unsent bytes for one worker before it is cut off: seconds of the heaviest traffic.
HIGH_WATER = 64 * 1024 * 1024
# One message: a stanza at its largest with room to spare.
DATA_LIMIT = 16 * 1024 * 1024

_log = logging.getLogger(__name__)


def frame(kind: bytes, topic: str, data: bytes = b"") -> bytes:
    """One frame as bytes."""
    name = topic.encode()
    return _HEAD.pack(kind, len(name), len(data)) + name + data


class Frames:
    """Cuts a byte stream into `(kind, topic, data)`; ValueError on a frame that cannot be."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[tuple[bytes, str, bytes]]:
        """The frames completed by `received`."""
        buffer = self._buffer
        buffer += received
        found = []
        at = 0
        while len(buffer) - at >= _HEAD.size:
            kind, topic_length, data_length = _HEAD.unpack_from(buffer, at)
            if kind not in (SUBSCRIBE, UNSUBSCRIBE, PUBLISH) or data_length > DATA_LIMIT:
                raise ValueError("not a frame of the bus")
            start = at + _HEAD.size
            middle, end = start + topic_length, start + topic_length + data_length
            if len(buffer) < end:
                break
            found.append((kind, buffer[start:middle].decode(), bytes(buffer[middle:end])))
            at = end
        del buffer[:at]
        return found


class _Peer(asyncio.Protocol):
    """A worker's connection, as the hub sees it."""

    transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._frames = Frames()
        self._topics: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._frames.feed(data)
        except ValueError as error:
            _log.error("bus worker cut off error=%s", error)
            self.transport.abort()
            return
        for kind, topic, payload in frames:
            if kind == PUBLISH:
                self._hub.forward(self, topic, payload)
            elif kind == SUBSCRIBE:
                self._topics.add(topic)
                self._hub.join(self, topic)
            else:
                self._topics.discard(topic)
                self._hub.leave(self, topic)

    def connection_lost(self, error: Exception | None) -> None:
        for topic in self._topics:
            self._hub.leave(self, topic)


class Hub:
    """The supervisor's end."""

    def __init__(self) -> None:
        self.topics: dict[str, set[_Peer]] = {}

    async def add(self) -> socket.socket:
        """A new worker: the socket to hand it."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: _Peer(self), sock=ours)
        return theirs

    def forward(self, origin: _Peer, topic: str, data: bytes) -> None:
        """Sends to every worker that hears the topic, but not back."""
        peers = self.topics.get(topic)
        if not peers:
            return
        packed = frame(PUBLISH, topic, data)
        for peer in tuple(peers):
            if peer is origin:
                continue
            peer.transport.write(packed)
            if peer.transport.get_write_buffer_size() > HIGH_WATER:
                _log.error("bus worker cut off error=too slow")
                peer.transport.abort()

    def join(self, peer: _Peer, topic: str) -> None:
        """One more subscription; whoever hears the topic together with another is told."""
        peers = self.topics.setdefault(topic, set())
        peers.add(peer)
        if len(peers) == 2:
            for each in peers:
                each.transport.write(frame(SUBSCRIBE, topic))
        elif len(peers) > 2:
            peer.transport.write(frame(SUBSCRIBE, topic))

    def leave(self, peer: _Peer, topic: str) -> None:
        """Ends one subscription; who is left alone with the topic is told."""
        peers = self.topics.get(topic)
        if peers is None or peer not in peers:
            return
        peers.remove(peer)
        if len(peers) == 1:
            next(iter(peers)).transport.write(frame(UNSUBSCRIBE, topic))
        elif not peers:
            del self.topics[topic]


class SocketBus(RemoteBus):
    """A worker's end."""

    def __init__(self, sock: socket.socket, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._sock = sock
        self._on_lost = on_lost
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._unsent: list[bytes] = []
        self._shared: set[str] = set()  # topics heard here and elsewhere, as the hub says

    async def start(self) -> None:
        """See RemoteBus.start."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._sock)
        self._task = asyncio.get_running_loop().create_task(self._read(reader), name="bus")

    async def stop(self) -> None:
        """See RemoteBus.stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._close()

    def is_linked(self) -> bool:
        """See RemoteBus.is_linked."""
        return self._writer is not None

    def is_heard_elsewhere(self, topic: str) -> bool:
        """See RemoteBus.is_heard_elsewhere: known of the topics that are heard here."""
        return topic in self._shared or not self.hears(topic)

    def _join(self, topic: str) -> None:
        self._write(frame(SUBSCRIBE, topic))

    def _leave(self, topic: str) -> None:
        self._shared.discard(topic)
        self._write(frame(UNSUBSCRIBE, topic))

    def _send(self, topic: str, data: bytes) -> None:
        self._write(frame(PUBLISH, topic, data))

    def _write(self, packed: bytes) -> None:
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(packed)

    def _flush(self) -> None:
        """One system call for all that one turn of the loop has to say."""
        unsent, self._unsent = self._unsent, []
        if self._writer is not None and unsent:
            self._writer.write(b"".join(unsent))

    def _close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = Frames()
        try:
            while received := await reader.read(256 * 1024):
                for kind, topic, data in frames.feed(received):
                    if kind == PUBLISH:
                        self.deliver(topic, data)
                    elif kind == UNSUBSCRIBE:
                        self._shared.discard(topic)
                    elif self.hears(topic):
                        self._shared.add(topic)
        except (OSError, ValueError) as error:
            _log.warning("bus lost error=%s", error)
        self._close()
        self._on_lost()
