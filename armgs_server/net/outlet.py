# SPDX-License-Identifier: Apache-2.0
"""Flow control of a connection's writing half: who waits for a slow peer, and when it is given up."""

import asyncio
import ssl
from collections.abc import Callable

from armgs_server.config import LimitSettings
from armgs_server.net.deadlines import NEVER


class InputBeforeTls(ConnectionError):
    """The peer went on behind STARTTLS without waiting for the handshake."""


class Outlet:
    """Follows the transport's pauses. A peer that takes no byte for `write_timeout` is disconnected,
    whether somebody waits for it or not; `deadline` is when that is looked at."""

    __slots__ = ("_drained", "_limits", "_loop", "_stalled_at", "_watch", "deadline", "is_lost", "transport")

    def __init__(self, limits: LimitSettings, watch: Callable[[], None]) -> None:
        self.deadline = NEVER
        self.is_lost = False
        self.transport: asyncio.Transport | None = None
        self._limits = limits
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._drained: asyncio.Future[None] | None = None  # there while the transport wants no more
        self._stalled_at = 0

    def attach(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=self._limits.write_buffer)

    @property
    def unsent(self) -> int:
        """What the transport holds; a closing one of asyncio's cannot be asked."""
        transport = self.transport
        return 0 if transport is None or transport.is_closing() else transport.get_write_buffer_size()

    @property
    def is_paused(self) -> bool:
        return self._drained is not None

    async def drain(self) -> None:
        """Waits while the peer is slow. TimeoutError: it takes nothing; ConnectionError: it is gone."""
        if self._drained is not None:
            await asyncio.shield(self._drained)
        if self.is_lost:
            raise ConnectionResetError("the peer has closed the connection")

    def pause(self) -> None:
        """The transport's buffer is full."""
        if self._drained is None:
            self._drained = self._loop.create_future()
        self.start_clock()

    def resume(self) -> None:
        """The transport's buffer has room again."""
        self.deadline = NEVER
        self._release(None)

    def connection_lost(self) -> None:
        self.is_lost = True
        self.transport = None
        self.deadline = NEVER
        self._watch = _nothing  # else stream and outlet would hold each other
        self._release(None)

    def close(self) -> None:
        """Sends what was written, in the time a slow peer has for it, then closes."""
        if self.transport is not None:
            self.start_clock()
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def start_clock(self) -> None:
        """From now on the peer must take something within `write_timeout`."""
        self._stalled_at = self.unsent
        self.deadline = self._loop.time() + self._limits.write_timeout
        self._watch()

    def check_progress(self) -> None:
        """The deadline has come: goes on if bytes went out meanwhile, else gives the peer up."""
        if self.transport is None:
            return
        if self.unsent < self._stalled_at:
            self.start_clock()
            return
        self.deadline = NEVER
        self._release(TimeoutError("the peer takes nothing"))
        self.abort()

    def _release(self, error: Exception | None) -> None:
        drained, self._drained = self._drained, None
        if drained is None or drained.done():
            return
        if error is None:
            drained.set_result(None)
        else:
            drained.set_exception(error)
            drained.exception()  # seen: nobody has to be waiting


def _nothing() -> None:
    """There is no time to keep any more."""


def is_expected_end(error: BaseException) -> bool:
    """Whether this is how connections end by themselves, and no fault of ours."""
    return isinstance(error, ConnectionError | TimeoutError | ssl.SSLError)
