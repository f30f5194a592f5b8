# SPDX-License-Identifier: Apache-2.0
"""The reading half of an HTTP connection: from bytes to a bounded queue of requests."""

import asyncio
from collections import deque
from collections.abc import Callable

from armgs_server.config import HttpSettings
from armgs_server.errors import Invalid
from armgs_server.net.http.body import Body
from armgs_server.net.http.message import Request
from armgs_server.net.http.parser import Refused, RequestParser

_SLICE = 64 * 1024  # parsed at once, so that what is read ahead stays bounded


class Intake:
    """Parses while there is room; reads no more of the transport while there is none.

    Room ends with `pipeline` requests waiting, or with `read_buffer` bytes of a body nobody takes.
    """

    __slots__ = (
        "_is_paused",
        "_on_request",
        "_parser",
        "_read_buffer",
        "_rest",
        "_settings",
        "has_ended",
        "queue",
        "transport",
    )

    def __init__(
        self,
        settings: HttpSettings,
        read_buffer: int,
        make_parser: Callable[[Callable[[Request, Body | None], None]], RequestParser],
        on_request: Callable[[], None],
    ) -> None:
        self.transport: asyncio.Transport | None = None
        self.queue: deque[tuple[Request | Refused, Body | None]] = deque()
        self.has_ended = False  # nothing more will be read: end of input, or input nobody can understand
        self._settings = settings
        self._read_buffer = read_buffer
        self._on_request = on_request
        self._parser = make_parser(self._enqueue)
        self._rest: memoryview | None = None  # received, not parsed yet
        self._is_paused = False

    @property
    def body(self) -> Body | None:
        """The body being received."""
        return self._parser.body

    @property
    def in_header(self) -> bool:
        """Whether a request has begun whose header is not whole."""
        return self._parser.in_header

    @property
    def is_exhausted(self) -> bool:
        """Whether no request will follow."""
        return self.has_ended and not self.queue and self._rest is None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come behind the request that is being answered."""
        is_empty = not self.queue and self._rest is None and self.body is None
        return is_empty and not self.in_header and not self.has_ended

    def feed(self, data: bytes) -> None:
        """Bytes as they came, behind those that wait (a transport may deliver once more when paused)."""
        if self._rest is not None:
            self._rest = memoryview(bytes(self._rest) + data)
        elif len(data) <= _SLICE:
            self._parse(data)
            self._update_reading()
        else:
            self._rest = memoryview(data)
            self._parse_rest()

    def resume(self) -> None:
        """Something was taken: parses on, as far as there is room."""
        if self._rest is not None or self._is_paused:
            self._parse_rest()

    def _parse_rest(self) -> None:
        while self._rest is not None and not self._is_full():
            piece, rest = self._rest[:_SLICE], self._rest[_SLICE:]
            self._rest = rest if len(rest) else None
            self._parse(piece)
        self._update_reading()

    def _parse(self, data: "bytes | memoryview") -> None:
        try:
            self._parser.feed(data)
        except Refused as refused:
            self.refuse(refused)

    def refuse(self, refused: Refused) -> None:
        """Answers in turn; nothing that follows is understood."""
        self.has_ended = True
        self._rest = None
        if self._parser.body is not None:
            self._parser.body.fail(Invalid(refused.text or "the body is malformed"))
        else:
            self.queue.append((refused, None))
            self._on_request()

    def read_on(self) -> None:
        """Lingering: what comes is received, and not looked at."""
        self._rest = None
        if self._is_paused and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()

    def fail(self, error: Exception) -> None:
        """The connection is gone, or its input: who waits for the rest of the body is told."""
        self.has_ended = True
        if self._parser.body is not None:
            self._parser.body.fail(error)

    def clear(self) -> None:
        """Nothing waits any more."""
        self.transport = None
        self._rest = None
        self.queue.clear()

    def _enqueue(self, request: Request, body: Body | None) -> None:
        self.queue.append((request, body))
        self._on_request()

    def _is_full(self) -> bool:
        body = self._parser.body
        if body is not None and body.buffered > self._read_buffer:
            return True
        return len(self.queue) >= self._settings.pipeline

    def _update_reading(self) -> None:
        should_pause = self._rest is not None or self._is_full()
        if should_pause == self._is_paused or self.transport is None:
            return
        self._is_paused = should_pause
        if should_pause:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
