# SPDX-License-Identifier: Apache-2.0
"""What carries a client's stream: TCP (RFC 6120 §3), WebSocket (RFC 7395), BOSH (XEP-0206).

Negotiation, sessions and routing see stanzas and nonzas; how a stream is opened, how its elements are put
into bytes and how it ends is the transport's. What must always hold: `write` gets one whole element, which
leans on `jabber:client` as default namespace and on the prefix `stream` and on nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol as Interface

from armgs_server.net.stream import Stream
from armgs_server.xmpp.protocol import Event, Protocol
from armgs_server.xmpp.stanza import stream_header

END = b"</stream:stream>"


class Transport(Interface):
    """One client's stream, with the way its bytes go."""

    @property
    def id(self) -> str: ...

    @property
    def peer(self) -> str: ...

    @property
    def is_tls(self) -> bool: ...

    @property
    def is_slow(self) -> bool:
        """Whether the client takes less than is written: only then `buffered` can be much."""

    @property
    def buffered(self) -> int:
        """Bytes written that the client has not taken yet."""

    def name_account(self, address: str) -> None:
        """Who has logged in, for whoever asks who is connected."""

    def channel_binding(self, kind: str) -> bytes | None: ...

    def conceal(self, on: bool) -> None:
        """While secrets are exchanged the trace shows `***` only."""

    async def receive(self, timeout: float) -> list[Event]:
        """What has come next; TimeoutError. After the end of the connection a `StreamEnd`."""

    def rest(self) -> None:
        """The stream is quiet: what can be made again is dropped."""

    def restart(self, max_stanza_size: int) -> None:
        """RFC 6120 §4.3.3: what comes next begins a new stream."""

    def allow(self, max_stanza_size: int) -> None:
        """From here on stanzas may be this large, in the same stream."""

    async def start_tls(self) -> None:
        """Server side of STARTTLS, after the go-ahead was written."""

    def open(self, *, from_: str, stream_id: str, to: str, lang: str) -> None:
        """RFC 6120 §4.7: our half of the stream begins."""

    def write(self, data: bytes, /) -> None:
        """Sends one element."""

    def drain(self) -> Awaitable[None]:
        """Waits while the client is slow. TimeoutError: it takes nothing; ConnectionError: it is gone."""

    def end(self, error: bytes = b"") -> None:
        """RFC 6120 §4.4: our half of the stream ends, with a stream error if there is one."""

    def close(self) -> None:
        """Sends what was written, then closes."""

    def abort(self) -> None:
        """Closes at once; what was not sent is lost."""


class OverStream:
    """What the transports over one connection share."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def id(self) -> str:
        return self._stream.id

    @property
    def peer(self) -> str:
        return self._stream.peer

    @property
    def is_tls(self) -> bool:
        return self._stream.is_tls

    @property
    def is_slow(self) -> bool:
        return self._stream.is_slow

    @property
    def buffered(self) -> int:
        return self._stream.buffered

    def name_account(self, address: str) -> None:
        self._stream.account = address


class TcpTransport(OverStream):
    """RFC 6120 §3: one XML document over one connection."""

    __slots__ = ("_protocol", "drain", "write")

    def __init__(self, stream: Stream, max_stanza_size: int) -> None:
        super().__init__(stream)
        self._protocol = Protocol(max_stanza_size=max_stanza_size)
        self.write: Callable[[bytes], None] = stream.write
        self.drain: Callable[[], Awaitable[None]] = stream.drain

    def channel_binding(self, kind: str) -> bytes | None:
        return self._stream.channel_binding(kind)

    def conceal(self, on: bool) -> None:
        self._stream.conceal(on)

    async def receive(self, timeout: float) -> list[Event]:
        data = await self._stream.read(timeout)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        return self._protocol.events()

    def rest(self) -> None:
        self._protocol.rest()

    def restart(self, max_stanza_size: int) -> None:
        self._protocol.max_stanza_size = max_stanza_size
        self._protocol.restart()

    def allow(self, max_stanza_size: int) -> None:
        self._protocol.max_stanza_size = max_stanza_size

    async def start_tls(self) -> None:
        await self._stream.start_tls()

    def open(self, *, from_: str, stream_id: str, to: str, lang: str) -> None:
        self._stream.write(stream_header(from_=from_, stream_id=stream_id, to=to, lang=lang))

    def end(self, error: bytes = b"") -> None:
        self._stream.write(error + END)

    def close(self) -> None:
        self._stream.close()

    def abort(self) -> None:
        self._stream.abort()
