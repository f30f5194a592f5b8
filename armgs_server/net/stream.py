# SPDX-License-Identifier: Apache-2.0
"""One connection of IMAP, SMTP or XMPP: reading and writing bytes with time-outs and back-pressure.

What must hold:
- one reader at a time; anyone may write. Writes are gathered and given to the transport once a loop
  turn, in order; nothing is written after `close`.
- input is bounded: above `read_buffer` unread bytes the transport reads no more.
- output is bounded in time: a peer that takes no byte for `write_timeout` loses its connection,
  whether somebody drains or not. Whoever pushes without draining looks at `buffered`.
- no byte received in clear text is ever taken for one received under TLS (RFC 3207 §4.2).
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

from armgs_server.config import LimitSettings
from armgs_server.log import Trace
from armgs_server.net import exporter
from armgs_server.net.deadlines import NEVER, Deadlines
from armgs_server.net.outlet import InputBeforeTls, Outlet
from armgs_server.net.tls import TlsContext

Security = Literal["none", "starttls", "direct"]


class Stream(asyncio.Protocol):
    """One connection. Made by the server for each accepted socket, given to `Listener.connect`."""

    __slots__ = (
        "_deadlines",
        "_end_point",
        "_eof",
        "_input",
        "_input_size",
        "_limits",
        "_loop",
        "_lost",
        "_outlet",
        "_output",
        "_output_size",
        "_read_deadline",
        "_reader",
        "_reading_paused",
        "_tls",
        "_trace",
        "account",
        "closing",
        "deadline",
        "id",
        "is_local",
        "is_tls",
        "peer",
        "slot",
    )

    def __init__(
        self,
        connection_id: str,
        peer: str,
        limits: LimitSettings,
        deadlines: Deadlines,
        tls: TlsContext | None,
        trace: Trace | None = None,
    ) -> None:
        self.id, self.peer, self.account = connection_id, peer, ""  # account: whoever has logged in
        self.is_local = False  # a Unix socket: who may connect, the file system has said
        self.is_tls = self.closing = self._reading_paused = self._eof = False
        self.deadline, self.slot = NEVER, 0
        self._limits, self._deadlines = limits, deadlines
        self._tls, self._trace = tls, trace
        self._loop = asyncio.get_running_loop()
        self._outlet = Outlet(limits, self._watch)
        self._end_point: bytes | None = None
        self._input: list[bytes] = []
        self._input_size = self._output_size = 0
        self._reader: asyncio.Future[None] | None = None
        self._read_deadline = NEVER
        self._output: list[bytes] = []
        self._lost: asyncio.Future[None] | None = None  # there while somebody waits for the end

    # What a session uses.

    async def read(self, timeout: float) -> bytes:
        """The next bytes as they came; b"" when the peer has ended; TimeoutError after `timeout`."""
        if not self._input and not self._eof:
            self._reader = self._loop.create_future()
            self._read_deadline = self._loop.time() + timeout
            self._watch()
            try:
                await self._reader
            finally:
                self._reader = None
                self._read_deadline = NEVER
        data = self._input[0] if len(self._input) == 1 else b"".join(self._input)
        self._input, self._input_size = [], 0
        if self._reading_paused and self._outlet.transport is not None:
            self._reading_paused = False
            self._outlet.transport.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        """Sends bytes, with all others written in this turn of the loop."""
        if not data or self.closing:
            return
        if not self._output:
            self._deadlines.turn.add(self)
        self._output.append(data)
        self._output_size += len(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Sends several pieces of bytes."""
        for part in parts:
            self.write(part)

    @property
    def is_slow(self) -> bool:
        """Whether more than `write_buffer` bytes wait for the peer."""
        return self._outlet.is_paused

    @property
    def buffered(self) -> int:
        """Bytes written that the system has not taken yet."""
        return self._output_size + self._outlet.unsent

    async def drain(self) -> None:
        """Waits while the peer is slow. TimeoutError: it takes nothing; ConnectionError: it is gone."""
        if self._output_size > self._limits.write_buffer:
            self.flush()
        if not self.closing and (self._outlet.is_lost or self._outlet.is_paused):
            await self._outlet.drain()

    async def start_tls(self, client: ssl.SSLContext | None = None, name: str = "") -> None:
        """STARTTLS, after the go-ahead: the server's side, or with a `client` context the other one.

        The session must have refused what its own parser still holds; here it is made sure that
        nothing else has come in clear text (RFC 3207 §4.2, RFC 9051 §11.1, RFC 6120 §5.4.3.3).
        """
        transport, context = self._outlet.transport, client or (self._tls.context if self._tls else None)
        if context is None or transport is None:
            raise ConnectionError("TLS is not available on this connection")
        self.flush()
        if self._input or self._eof:
            self.abort()
            raise InputBeforeTls("input behind STARTTLS before the handshake")
        self._outlet.transport = None  # nothing may pause or write while the handshake runs
        try:
            side = partial(self._loop.start_tls, transport, self, context, server_side=not client)
            secured = await side(server_hostname=name or None, ssl_handshake_timeout=self._limits.tls_timeout)
        except BaseException:
            transport.abort()
            self.connection_lost(None)  # asyncio does not tell of a handshake that failed
            raise
        if secured is None or self._outlet.is_lost:
            raise ConnectionResetError("the connection was lost during the TLS handshake")
        self._attach(secured)
        if self._output:
            self.flush()

    @property
    def can_start_tls(self) -> bool:
        """Whether STARTTLS may be offered now."""
        return self._tls is not None and not self.is_tls

    def channel_binding(self, kind: str) -> bytes | None:
        """Binding data for SASL: tls-server-end-point (RFC 5929 §4), tls-exporter (RFC 9266)."""
        if kind == "tls-exporter":
            return exporter.export(self.tls)
        return self._end_point if self.is_tls and kind == "tls-server-end-point" else None

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The connection's TLS, where it has one."""
        transport = self._outlet.transport
        return transport.get_extra_info("ssl_object") if transport is not None else None

    @property
    def tls_version(self) -> str:
        """TLSv1.2, TLSv1.3, or nothing."""
        return str(self.tls.version()) if self.tls is not None else ""

    def close(self) -> None:
        """Sends what was written, then closes."""
        if self.closing:
            return
        self.flush()
        self._outlet.close()
        self.closing = True

    def abort(self) -> None:
        """Closes at once; what was not sent is lost."""
        self.closing = True
        self._outlet.abort()

    async def wait_closed(self) -> None:
        """Returns when the connection is gone."""
        if not self._outlet.is_lost:
            self._lost = self._lost or self._loop.create_future()
            await asyncio.shield(self._lost)

    def conceal(self, on: bool) -> None:
        """While secrets are exchanged the trace shows `***` only."""
        if self._trace is not None:
            self._trace.concealed = on

    def trace(self, direction: str, data: bytes | str) -> None:
        """Adds to the trace: direction `=` for a state, `!` for an error."""
        if self._trace is not None:
            text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else data
            (self._trace.error if direction == "!" else self._trace.state)(text)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._attach(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        if self._trace is not None:
            self._trace.received(data)
        self._input.append(data)
        self._input_size += len(data)
        if self._input_size > self._limits.read_buffer and self._outlet.transport is not None:
            self._reading_paused = True
            self._outlet.transport.pause_reading()
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def eof_received(self) -> bool:
        self._eof = True
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        return not self.is_tls  # half-close: what is being answered is still sent; TLS has none

    def pause_writing(self) -> None:
        self._outlet.pause()

    def resume_writing(self) -> None:
        self._outlet.resume()

    def connection_lost(self, error: Exception | None) -> None:
        if self._outlet.is_lost:
            return
        self._deadlines.forget(self)
        self._output, self._output_size = [], 0
        if self._trace is not None:
            self._trace.state("closed")
        self._outlet.connection_lost()
        if self._lost is not None:
            self._lost.set_result(None)
        self.eof_received()

    def deadline_passed(self) -> None:
        now = self._loop.time()
        if self._read_deadline <= now:
            self._read_deadline = NEVER
            if self._reader is not None and not self._reader.done():
                self._reader.set_exception(TimeoutError("the client was silent for too long"))
        if self._outlet.deadline <= now:
            self._outlet.check_progress()
        self._watch()

    def _attach(self, transport: asyncio.Transport) -> None:
        self._outlet.attach(transport)
        if transport.get_extra_info("ssl_object") is not None:
            self.is_tls = True
            if self._end_point is None and self._tls is not None:
                self._end_point = self._tls.server_end_point
            if self._trace is not None:
                self._trace.state(self.tls_version)

    def flush(self) -> None:
        """Gives what was written to the system now."""
        output, transport = self._output, self._outlet.transport
        if not output or transport is None:
            return
        data = output[0] if len(output) == 1 else b"".join(output)
        self._output, self._output_size = [], 0
        if self._trace is not None:
            self._trace.sent(data)
        transport.write(data)

    def _watch(self) -> None:
        deadline = min(self._read_deadline, self._outlet.deadline)
        if deadline != NEVER and not self._outlet.is_lost:
            self._deadlines.watch(self, deadline)


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a service is reached: the standard port, how TLS begins, and who takes a connection."""

    name: str  # smtp submission submissions imap imaps xmpp xmpps
    port: int
    tls: Security
    connect: Callable[[Stream], Awaitable[None]]
    refusal: bytes = b""  # said to a client for whom there is no room; not under direct TLS
    alpn: str = ""  # its name in TLS handshakes (RFC 7301), by which the https port serves it too
