# SPDX-License-Identifier: Apache-2.0
"""One HTTP connection: requests in order, one handler at a time, time-outs and back-pressure.

A task runs while there are requests to answer and none while the connection is idle.
"""

import asyncio
from collections import deque
from typing import cast

from armgs_server import log
from armgs_server.config import Config
from armgs_server.errors import Invalid
from armgs_server.net.deadlines import NEVER, Deadlines
from armgs_server.net.http import answer
from armgs_server.net.http.body import Body
from armgs_server.net.http.message import Handler, Request, Response
from armgs_server.net.http.parser import Refused, RequestParser
from armgs_server.net.http.writer import ResponseWriter

_log = log.get("http")
_SLICE = 64 * 1024  # parsed at once, so that read-ahead stays bounded


class HttpShell:
    """What the connections of one listener share."""

    def __init__(self, config: Config, deadlines: Deadlines, handler: Handler, *, is_tls: bool) -> None:
        self.settings = config.http
        self.limits = config.limits
        self.deadlines = deadlines
        self.handler = handler
        self.is_tls = is_tls
        self.is_traced = "http" in config.log.trace
        self.clock = answer.Clock()
        self.connections: set[HttpConnection] = set()
        self.finishing = False

    def finish(self) -> None:
        """Idle connections are closed now, the others after the answer they are at."""
        self.finishing = True
        for connection in list(self.connections):
            connection.finish()

    def abort(self) -> None:
        """Ends all connections at once."""
        for connection in list(self.connections):
            connection.abort()


class HttpConnection(asyncio.Protocol):
    """Parses, queues, answers. Implements BodySource for the body being read."""

    __slots__ = (
        "_closing",
        "_current",
        "_expecting",
        "_is_paused",
        "_loop",
        "_lost",
        "_parser",
        "_queue",
        "_read_deadline",
        "_rest",
        "_shell",
        "_task",
        "_transport",
        "_writer",
        "deadline",
        "peer",
        "slot",
    )

    def __init__(self, shell: HttpShell, peer: str) -> None:
        self.peer = peer
        self.deadline = NEVER
        self.slot = 0
        self._shell = shell
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._writer = ResponseWriter(shell.clock, shell.limits, self._watch)
        self._parser = RequestParser(shell.settings, peer, shell.is_tls, lambda: Body(self), self._on_request)
        self._queue: deque[tuple[Request | Refused, Body | None]] = deque()
        self._current: Body | None = None
        self._expecting = False
        self._rest: memoryview | None = None  # received, not parsed yet
        self._is_paused = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._read_deadline = NEVER
        self._lost: asyncio.Future[None] = self._loop.create_future()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writer.attach(self._transport)
        self._shell.connections.add(self)
        self._wait_until(self._shell.settings.header_timeout)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return  # lingering: what still comes is not looked at
        self._rest = memoryview(data)
        self._parse()

    def eof_received(self) -> bool:
        if self._parser.body is not None:
            self._parser.body.fail(ConnectionResetError("the client closed in the middle of the body"))
        if self._task is None:
            return False
        self._closing = True
        return not self._shell.is_tls  # answers to what was asked are still sent

    def connection_lost(self, error: Exception | None) -> None:
        self._shell.deadlines.forget(self)
        self._shell.connections.discard(self)
        self._transport = None
        self._closing = True
        self._rest = None
        self._queue.clear()
        self._writer.connection_lost()
        for body in (self._parser.body, self._current):
            if body is not None:
                body.fail(ConnectionResetError("the client has closed the connection"))
        if not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        self._writer.resume()

    # What the shell and the server call.

    def finish(self) -> None:
        """Closes when idle; else the answer being made is the last one."""
        if self._task is None:
            self._close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Returns when the connection is gone and its handler has ended."""
        await self._lost
        if self._task is not None:
            await asyncio.wait([self._task])

    # Time-outs.

    def deadline_passed(self) -> None:
        now = self._loop.time()
        if self._writer.deadline <= now:
            self._writer.check_progress()
        if self._read_deadline <= now:
            self._read_deadline = NEVER
            self._read_timed_out()
        self._watch()

    def _read_timed_out(self) -> None:
        if self._current is not None and self._current.is_awaited:
            self._current.fail(TimeoutError("the body did not come in time"))
        elif self._task is not None:
            return  # a handler is at work; what is read ahead can wait
        elif self._closing or self._parser.body is not None or not self._parser.in_header:
            self._close()  # lingering, discarding or idle
        else:
            self._refuse(Refused(408))

    def _wait_until(self, seconds: float) -> None:
        self._read_deadline = self._loop.time() + seconds
        self._watch()

    def _watch(self) -> None:
        deadline = min(self._read_deadline, self._writer.deadline)
        if deadline != NEVER and not self._lost.done():
            self._shell.deadlines.watch(self, deadline)

    # Reading.

    def _parse(self) -> None:
        was_in_header = self._parser.in_header
        while self._rest is not None and not self._closing and not self._is_full():
            piece, rest = self._rest[:_SLICE], self._rest[_SLICE:]
            self._rest = rest if len(rest) else None
            try:
                self._parser.feed(piece)
            except Refused as refused:
                self._refuse(refused)
                return
        self._update_reading()
        if self._parser.body is not None:
            self._wait_until(self._shell.settings.body_timeout)
        elif self._parser.in_header and not was_in_header:
            self._wait_until(self._shell.settings.header_timeout)

    def _is_full(self) -> bool:
        body = self._parser.body
        if body is not None and body.buffered > self._shell.limits.read_buffer:
            return True
        return len(self._queue) >= self._shell.settings.pipeline

    def _update_reading(self) -> None:
        should_pause = self._rest is not None or self._is_full()
        if self._transport is None or should_pause == self._is_paused:
            return
        self._is_paused = should_pause
        if should_pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _resume_parsing(self) -> None:
        if self._rest is not None:
            self._parse()
        elif self._is_paused:
            self._update_reading()

    def _on_request(self, request: Request, body: Body | None) -> None:
        self._queue.append((request, body))
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    def _refuse(self, refused: Refused) -> None:
        """Answers in turn; nothing that follows is read."""
        self._closing = True
        self._rest = None
        if self._parser.body is not None:
            self._parser.body.fail(Invalid(refused.text or "the body is malformed"))
        else:
            self._queue.append((refused, None))
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    # BodySource.

    def body_wanted(self) -> None:
        if self._expecting:
            self._expecting = False
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # RFC 9110 §10.1.1
        self._wait_until(self._shell.settings.body_timeout)

    def body_taken(self) -> None:
        self._expecting = False
        self._resume_parsing()

    # Answering.

    async def _run(self) -> None:
        try:
            while self._queue:
                request, body = self._queue.popleft()
                if isinstance(request, Refused):
                    await self._writer.send("GET", "1.1", answer.plain(request.status, request.text), True)
                    self._linger()
                    return
                if not await self._answer(request, body):
                    return
                if self._rest is not None or self._is_paused:
                    self._resume_parsing()
        except (ConnectionError, TimeoutError) as error:
            _log.debug("connection ended", peer=self.peer, error=error)
            self.abort_transport()
        finally:
            self._task = None
            self._current = None
        if self._closing or self._shell.finishing:
            self._close()
        elif not self._parser.in_header:
            self._wait_until(self._shell.settings.keep_alive)

    async def _answer(self, request: Request, body: Body | None) -> bool:
        """Answers one request; False when it was the last of this connection."""
        self._current = body
        self._expecting = body is not None and _expects_continue(request)
        self._read_deadline = NEVER
        response = await self._handle(request)
        # A client that was not told to go on may send the body or not: no telling where the next begins.
        unclear = self._expecting and body is not None and not body.is_complete and not body.buffered
        is_broken = body is not None and body.is_failed
        close = unclear or is_broken or self._closing or self._shell.finishing or not request.keep_alive
        if body is not None and not body.is_complete:
            body.discard()
        await self._writer.send(request.method, request.version, response, close)
        if close and body is not None and not body.is_complete:
            self._linger()
            return False
        if close and self._queue:
            self._queue.clear()
        if close:
            self._close()
            return False
        if body is not None and not body.is_complete:
            self._wait_until(self._shell.settings.body_timeout)
        return True

    async def _handle(self, request: Request) -> Response:
        if self._shell.is_traced:
            _trace_request(request)
        try:
            return await self._shell.handler(request)
        except ConnectionError:
            raise
        except Exception as error:
            response = answer.of_error(error)
            if response is None:
                _log.exception("request failed", method=request.method, path=request.path, peer=self.peer)
                response = answer.plain(500)
            return response

    def _linger(self) -> None:
        """Sends the end, then reads on for a while, so that the answer is not lost in a reset."""
        self._closing = True
        if self._transport is None:
            return
        if self._shell.is_tls or not self._transport.can_write_eof():
            self._close()
            return
        self._transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        self._wait_until(self._shell.settings.linger)

    def _close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._writer.start_clock()
            self._transport.close()

    def abort_transport(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _expects_continue(request: Request) -> bool:
    expectation = request.header("expect")
    return expectation is not None and expectation.lower() == "100-continue" and request.version == "1.1"


def _trace_request(request: Request) -> None:
    lines = [f"{request.method} {request.target}".encode("latin-1", "replace")]
    lines += [name + b": " + value for name, value in request.headers]
    log.Trace("http", request.peer).received(b"".join(line + b"\n" for line in lines))
