# SPDX-License-Identifier: Apache-2.0
"""Sends one answer after the other: whole bodies at once, streamed ones at the peer's pace."""

import asyncio
from collections.abc import AsyncIterator, Callable

from armgs_server.config import LimitSettings
from armgs_server.net.deadlines import NEVER
from armgs_server.net.http.answer import Clock, has_body, serialise_head
from armgs_server.net.http.message import Response

_JOINED = 64 * 1024  # up to this size header and body go out as one piece of bytes


class ResponseWriter:
    """The writing half of a connection. `deadline` is when a stalled peer is given up."""

    __slots__ = (
        "_clock",
        "_drained",
        "_limits",
        "_loop",
        "_lost",
        "_stalled_at",
        "_transport",
        "_watch",
        "deadline",
    )

    def __init__(self, clock: Clock, limits: LimitSettings, watch: Callable[[], None]) -> None:
        self.deadline = NEVER
        self._clock = clock
        self._limits = limits
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._drained: asyncio.Future[None] | None = None
        self._stalled_at = 0
        self._lost = False

    def attach(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=self._limits.write_buffer)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def send(self, method: str, version: str, response: Response, *, close: bool) -> None:
        """One answer; ConnectionError when the peer has gone, TimeoutError when it takes nothing."""
        body = response.body
        if isinstance(body, bytes):
            length = len(body) if response.length is None else response.length  # HEAD may know it without
            head = serialise_head(self._clock, response, length, close, False)
            if not has_body(method, response.status):
                self.write(head)
            elif len(body) <= _JOINED:
                self.write(head + body)
            else:
                self.write(head)
                self.write(body)
        elif isinstance(body, AsyncIterator):
            await self._send_stream(method, version, response, body, close)
        else:
            head = serialise_head(self._clock, response, sum(map(len, body)), close, False)
            self.write(head if not has_body(method, response.status) else b"".join([head, *body]))
        if self._drained is not None:
            await self._drain()

    async def _send_stream(
        self, method: str, version: str, response: Response, body: AsyncIterator[bytes], close: bool
    ) -> None:
        length = response.length
        chunked = length is None and version == "1.1" and has_body(method, response.status)
        if length is None and not chunked:
            close = True  # HTTP/1.0: the end of the connection is the end of the body
        head = serialise_head(self._clock, response, length, close, chunked)
        try:
            self.write(head)
            if has_body(method, response.status):
                await self._send_parts(body, length, chunked)
        except Exception:
            self.abort()  # the header is out: the client must not take the rest for whole
            raise
        finally:
            aclose = getattr(body, "aclose", None)
            if aclose is not None:
                await aclose()
        if close and not chunked and length is None and self._transport is not None:
            self._transport.close()

    async def _send_parts(self, body: AsyncIterator[bytes], length: int | None, chunked: bool) -> None:
        sent = 0
        async for part in body:
            if not part:
                continue
            sent += len(part)
            if length is not None and sent > length:
                raise RuntimeError("a body longer than its announced length")
            self.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if self._drained is not None or self._lost:
                await self._drain()
        if length is not None and sent != length:
            raise RuntimeError("a body shorter than its announced length")
        if chunked:
            self.write(b"0\r\n\r\n")

    async def _drain(self) -> None:
        if self._drained is not None:
            await self._drained
        if self._lost:
            raise ConnectionResetError("the client has closed the connection")

    def pause(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()
        self.start_clock()

    def resume(self) -> None:
        self.deadline = NEVER
        self._release(None)

    def connection_lost(self) -> None:
        self._lost = True
        self._transport = None
        self.deadline = NEVER
        self._release(None)

    def start_clock(self) -> None:
        """From now on the peer must take something every `write_timeout` seconds."""
        if self._transport is not None:
            self._stalled_at = self._unsent()
            self.deadline = self._loop.time() + self._limits.write_timeout
            self._watch()

    def check_progress(self) -> None:
        """The deadline has come: goes on if bytes went out meanwhile, else gives the peer up."""
        if self._transport is None:
            return
        if self._unsent() < self._stalled_at:
            self.start_clock()
            return
        self.deadline = NEVER
        self._release(TimeoutError("the client takes nothing"))
        self.abort()

    def _unsent(self) -> int:
        """What the transport holds; a closing one of asyncio's cannot be asked."""
        transport = self._transport
        return 0 if transport is None or transport.is_closing() else transport.get_write_buffer_size()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _release(self, error: Exception | None) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            if error is None:
                drained.set_result(None)
            else:
                drained.set_exception(error)
                drained.exception()  # seen: nobody has to be waiting
