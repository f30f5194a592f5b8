# SPDX-License-Identifier: Apache-2.0
"""XMPP over WebSocket: RFC 7395. Each message is one element; `<open/>` and `<close/>` stand for the root.

What must always hold: a ping is answered while the stream is read, so whoever does not read is not kept
alive; the Close frame is the last thing written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from armgs_server import log
from armgs_server.net import websocket as frames
from armgs_server.net.http import Request, Response
from armgs_server.net.http.origin import is_welcome
from armgs_server.net.stream import Stream
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.framing import ElementReader, close_frame, declared, open_frame
from armgs_server.xmpp.protocol import Event, StreamEnd, StreamHeader
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.transport import OverStream, Transport

PATH = "/xmpp-websocket"
SUBPROTOCOL = "xmpp"  # RFC 7395 §3.1
_CLOSING_TIMEOUT = 5.0  # seconds that a client has for its Close frame
# Seconds for which the bytes of a broken connection are taken: a reset would lose our Close frame.
_LINGER = 0.5
# What breaks a message, and how the stream says so; other faults leave no stream to say it in.
_CONDITIONS = {frames.TOO_BIG: "policy-violation", frames.INVALID_DATA: "bad-format"}


class WebSocketTransport(OverStream):
    """See the head of this file, and `transport.Transport`."""

    __slots__ = (
        "_code",
        "_elements",
        "_frames",
        "_is_answered",
        "_is_broken",
        "_is_closing",
        "_see_other_uri",
        "_trace",
    )

    def __init__(self, stream: Stream, max_stanza_size: int, *, see_other_uri: str, is_traced: bool) -> None:
        super().__init__(stream)
        self._see_other_uri = see_other_uri
        self._trace = log.Trace("websocket", stream.id) if is_traced else None
        self._frames = frames.FrameParser(max_stanza_size)
        self._elements = ElementReader(max_stanza_size)
        self._code = frames.NORMAL
        self._is_closing = False
        self._is_answered = False  # the client has said Close
        self._is_broken = False  # nothing of what it says is understood any more

    def channel_binding(self, kind: str) -> bytes | None:
        """None: a page cannot see the channel that its browser has made."""
        return None

    def conceal(self, on: bool) -> None:
        if self._trace is not None:
            self._trace.concealed = on

    async def receive(self, timeout: float) -> list[Event]:
        """Maybe nothing: a ping is a sign of life too."""
        data = await self._stream.read(timeout)
        if not data:
            return [StreamEnd(is_tag=False)]
        self._frames.receive_data(data)
        events: list[Event] = []
        for frame in self._frames.events():
            event = self._take(frame)
            if event is not None:
                events.append(event)
        return events

    def _take(self, frame: frames.Event) -> Event | None:
        match frame:
            case frames.Message(data, is_text=True):
                if self._trace is not None:
                    self._trace.received(data)
                event = self._elements.read(data)
                if isinstance(event, StreamHeader) and self._see_other_uri:
                    self.write(close_frame(self._see_other_uri))  # RFC 7395 §3.6.1
                    return StreamEnd(is_tag=False)
                return event
            case frames.Message():
                self._code = frames.UNSUPPORTED_DATA  # RFC 7395 §3.2: text only
                return Fault("unsupported-encoding", "a binary message")
            case frames.Ping(data):
                self._stream.write(frames.serialise_frame(frames.PONG, data))  # RFC 6455 §5.5.2
            case frames.Close(code):
                self._is_answered = True
                self._code = code  # RFC 6455 §5.5.1: answered with the same
                return StreamEnd(is_tag=False)
            case frames.Fault(code, text):
                self._is_broken = True
                self._code = code
                condition = _CONDITIONS.get(code)
                return StreamEnd(is_tag=False) if condition is None else Fault(condition, text)
        return None

    def rest(self) -> None:
        self._elements.rest()

    def restart(self, max_stanza_size: int) -> None:
        self._frames.max_message_size = max_stanza_size
        self._elements = ElementReader(max_stanza_size)

    def allow(self, max_stanza_size: int) -> None:
        self.restart(max_stanza_size)

    async def start_tls(self) -> None:
        """RFC 7395 §3.9: never offered, so never asked for."""
        raise ConnectionError("TLS is the WebSocket connection's")

    def open(self, *, from_: str, stream_id: str, to: str, lang: str) -> None:
        self.write(open_frame(from_=from_, stream_id=stream_id, to=to, lang=lang))

    def write(self, data: bytes, /) -> None:
        if self._is_closing:
            return
        if self._trace is not None:
            self._trace.sent(data)
        self._stream.write(frames.serialise_frame(frames.TEXT, declared(data)))

    async def drain(self) -> None:
        await self._stream.drain()

    def end(self, error: bytes = b"") -> None:
        if error:
            self.write(error)
        self.write(close_frame())

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._stream.write(frames.serialise_close(self._code))

    def abort(self) -> None:
        self._is_closing = True
        self._stream.abort()

    async def finish(self) -> None:
        """RFC 6455 §7.1.1: the connection goes when both have said Close, or the client takes too long."""
        self.close()
        limit = _LINGER if self._is_broken else _CLOSING_TIMEOUT
        try:
            async with asyncio.timeout(limit):
                while not self._is_answered and (data := await self._stream.read(limit)):
                    self._frames.receive_data(data)
                    for frame in self._frames.events():
                        self._is_answered |= isinstance(frame, frames.Close)
        except TimeoutError:
            self._stream.abort()


class WebSocketRoute:
    """The path of the opening handshake."""

    def __init__(self, server: Server, serve: Callable[[Transport], Coroutine[Any, Any, None]]) -> None:
        self._server = server
        self._serve = serve

    async def answer(self, request: Request) -> Response:
        """RFC 7395 §3.1, RFC 6455 §4.2.2: pages of other sites are let in by a setting only."""
        if not is_welcome(request, self._server.config.xmpp.web_origins):
            return Response(403, [("Content-Type", "text/plain")], b"This site may not connect here\n")
        return frames.accept(request, (SUBPROTOCOL,), self._run)

    async def _run(self, stream: Stream) -> None:
        settings = self._server.config.xmpp
        is_traced = "xmpp" in self._server.config.log.trace
        transport = WebSocketTransport(
            stream,
            settings.stanza_size_before_login,
            see_other_uri=settings.see_other_uri,
            is_traced=is_traced,
        )
        await self._serve(transport)
        await transport.finish()
