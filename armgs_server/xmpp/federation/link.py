# SPDX-License-Identifier: Apache-2.0
"""What goes from one of our domains to another server's: the queue, and the stream once there is one.

What must always hold: stanzas leave in the order in which they came (RFC 6120 §10.1); a stanza that was not
written goes back to its sender as an error, whyever; queue and unsent bytes are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from armgs_server import log, trace_id
from armgs_server.errors import DomainError, Invalid
from armgs_server.xmpp.federation.opening import TIMEOUT, Opening, Unreachable, close
from armgs_server.xmpp.federation.outgoing import serve
from armgs_server.xmpp.federation.wire import Wire, to_server

if TYPE_CHECKING:
    from armgs_server.xmpp.federation.abroad import Abroad

LOG = log.get("federation")
_LINGER = 1.0  # seconds that another server has to close a stream which we have closed


class Link:
    """One pair of domains in one process."""

    def __init__(self, abroad: Abroad, ours: str, theirs: str) -> None:
        self.ours = ours
        self.theirs = theirs
        self._abroad = abroad
        self._settings = abroad.config.federation
        self._queue: deque[bytes] = deque()
        self._queued = 0  # bytes
        self._wire: Wire | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed_at = float("-inf")
        self._failure = ""
        self._is_stopped = False
        self._sent_at = 0.0
        self._loop = asyncio.get_running_loop()

    def send(self, data: bytes) -> None:
        """One stanza of ours, ready but for the namespace."""
        if self._wire is not None:
            self._write(self._wire, data)
        elif self._loop.time() - self._failed_at < self._settings.retry:
            self._abroad.bounce(data, self._failure)
        elif (
            len(self._queue) >= self._settings.queue_stanzas
            or self._queued + len(data) > self._settings.queue_bytes
        ):
            self._abroad.bounce(data, "resource-constraint")
        else:
            self._queue.append(data)
            self._queued += len(data)
            if self._task is None:
                self._start()

    def adopt(self, wire: Wire) -> None:
        """XEP-0288: the other side has a stream to us which it wants us to use too."""
        if self._wire is None and self._task is None:
            self._use(wire)

    def uses(self, wire: Wire, within: float) -> bool:
        """Whether something was sent on that stream in the last so many seconds."""
        return self._wire is wire and self.silence() < within

    def release(self, wire: Wire) -> None:
        """That stream has ended."""
        if self._wire is wire:
            self._wire = None

    def is_idle(self) -> bool:
        """Nothing waits and nothing stands: the link can be forgotten."""
        is_resting = self._loop.time() - self._failed_at < self._settings.retry
        return self._wire is None and self._task is None and not self._queue and not is_resting

    async def stop(self) -> None:
        """The server stops: what was queued is returned, the stream is closed properly."""
        self._is_stopped = True
        wire, self._wire = self._wire, None
        if wire is not None:
            await close(wire)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if wire is not None:
            with contextlib.suppress(TimeoutError):  # the other side may go on talking for ever
                async with asyncio.timeout(_LINGER):
                    await wire.stream.wait_closed()
            wire.stream.abort()
        self._return(TIMEOUT)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._run(), name=f"s2s {self.theirs}", context=trace_id.apart())

    def _use(self, wire: Wire) -> None:
        self._wire = wire
        self._sent_at = self._loop.time()
        while self._queue:
            self._write(wire, self._queue.popleft())
        self._queued = 0

    def _write(self, wire: Wire, data: bytes) -> None:
        if wire.stream.closing or wire.stream.buffered > self._settings.queue_bytes:
            self._abroad.bounce(data, TIMEOUT)  # it does not take what it was sent
            return
        self._sent_at = self._loop.time()
        try:
            wire.write(to_server(data))
        except Invalid as error:
            LOG.warning("stanza not sent", to=self.theirs, error=error.text)

    async def _run(self) -> None:
        """Opens a stream, and serves it to its end."""
        opening = Opening(self._abroad, self.ours, self.theirs)
        try:
            wire = await self._open(opening)
            if wire is not None:
                await serve(self._abroad, self, wire, is_bidirectional=opening.is_bidirectional)
        finally:
            self._task = None
            if self._queue and not self._is_stopped:  # came while the stream was being closed
                self._start()

    async def _open(self, opening: Opening) -> Wire | None:
        try:
            async with asyncio.timeout(self._settings.connect_timeout):
                wire = await opening.for_stanzas()
        except Unreachable as error:
            self._fail(error.condition, error.text)
            return None
        except (TimeoutError, DomainError) as error:
            self._fail(TIMEOUT, str(error) or "no answer in time")
            return None
        LOG.info("stream to another server", ours=self.ours, theirs=self.theirs)
        wire.allow(self._abroad.config.xmpp.stanza_size)
        self._use(wire)
        return wire

    def silence(self) -> float:
        """For how long nothing has been sent."""
        return self._loop.time() - self._sent_at

    def _fail(self, condition: str, text: str) -> None:
        LOG.warning("no stream to another server", ours=self.ours, theirs=self.theirs, error=text)
        self._failed_at = self._loop.time()
        self._failure = condition
        self._return(condition)

    def _return(self, condition: str) -> None:
        waiting, self._queue = self._queue, deque()
        self._queued = 0
        for data in waiting:
            self._abroad.bounce(data, condition)
