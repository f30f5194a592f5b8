# SPDX-License-Identifier: Apache-2.0
"""Sends one answer after the other: whole bodies at once, streamed ones at the peer's pace."""

from collections.abc import AsyncIterator

from armgs_server.net.http.answer import Clock, has_body, serialise_head
from armgs_server.net.http.message import Response
from armgs_server.net.outlet import Outlet

_JOINED = 64 * 1024  # up to this size header and body go out as one piece of bytes


class ResponseWriter:
    """Puts answers on the outlet of a connection."""

    __slots__ = ("_clock", "_outlet")

    def __init__(self, clock: Clock, outlet: Outlet) -> None:
        self._clock = clock
        self._outlet = outlet

    def write(self, data: bytes) -> None:
        if self._outlet.transport is not None:
            self._outlet.transport.write(data)

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
        if self._outlet.is_paused:
            await self._outlet.drain()

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
            self._outlet.abort()  # the header is out: the client must not take the rest for whole
            raise
        finally:
            aclose = getattr(body, "aclose", None)
            if aclose is not None:
                await aclose()
        if close and not chunked and length is None:
            self._outlet.close()

    async def _send_parts(self, body: AsyncIterator[bytes], length: int | None, chunked: bool) -> None:
        sent = 0
        async for part in body:
            if not part:
                continue
            sent += len(part)
            if length is not None and sent > length:
                raise RuntimeError("a body longer than its announced length")
            self.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if self._outlet.is_paused or self._outlet.is_lost:
                await self._outlet.drain()
        if length is not None and sent != length:
            raise RuntimeError("a body shorter than its announced length")
        if chunked:
            self.write(b"0\r\n\r\n")
