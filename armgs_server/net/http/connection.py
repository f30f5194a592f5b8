# SPDX-License-Identifier: Apache-2.0
"""One HTTP connection: requests answered in order, one handler at a time, and the time-outs.

A task runs while there are requests to answer and none while the connection is idle.
"""

import asyncio
from typing import cast

from armgs_server import log, measures
from armgs_server.net.deadlines import NEVER
from armgs_server.net.http import answer
from armgs_server.net.http.body import Body, BodyTimeout, ClientGone
from armgs_server.net.http.intake import Intake
from armgs_server.net.http.message import Request, Response
from armgs_server.net.http.parser import Refused, RequestParser
from armgs_server.net.http.shell import HttpShell
from armgs_server.net.http.upgrade import Serve, hand_over
from armgs_server.net.http.writer import ResponseWriter
from armgs_server.net.outlet import Outlet
from armgs_server.trace_id import TraceId, Under

_log = log.get("http")
_dav, _http = measures.operations("dav"), measures.operations("http")
_failures = measures.count("http_failures")


class HttpConnection(asyncio.Protocol):
    """Implements BodySource for the body being read, and Watched for the time-outs."""

    __slots__ = (
        "_current",
        "_expecting",
        "_intake",
        "_is_ending",
        "_loop",
        "_lost",
        "_outlet",
        "_read_deadline",
        "_shell",
        "_task",
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
        self._outlet = Outlet(shell.limits, self._watch)
        self._writer = ResponseWriter(shell.clock, self._outlet)
        self._intake = Intake(
            shell.settings,
            shell.limits.read_buffer,
            lambda enqueue: RequestParser(shell.settings, peer, shell.is_tls, lambda: Body(self), enqueue),
            self._start_answering,
        )
        self._current: Body | None = None  # of the request being answered
        self._expecting = False  # the client waits for 100 Continue
        self._is_ending = False  # the last answer was given
        self._task: asyncio.Task[None] | None = None
        self._read_deadline = NEVER
        self._lost: asyncio.Future[None] = self._loop.create_future()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._intake.transport = cast(asyncio.Transport, transport)
        self._outlet.attach(self._intake.transport)
        self._shell.connections.add(self)
        self._wait_until(self._shell.settings.header_timeout)

    def data_received(self, data: bytes) -> None:
        if self._intake.has_ended:
            return  # lingering: what still comes is not looked at
        was_in_header = self._intake.in_header
        self._intake.feed(data)
        body = self._intake.body
        if body is not None:
            if body.discarded > self._shell.settings.discard_size:
                self._close()
            self._wait_until(self._shell.settings.body_timeout)
        elif self._intake.in_header and not was_in_header:
            self._wait_until(self._shell.settings.header_timeout)

    def eof_received(self) -> bool:
        self._intake.fail(ClientGone("the client closed in the middle of the body"))
        return self._task is not None and not self._shell.is_tls  # what was asked is still answered

    def connection_lost(self, error: Exception | None) -> None:
        self._shell.deadlines.forget(self)
        self._shell.connections.discard(self)
        self._is_ending = True
        gone = ClientGone("the client has closed the connection")
        self._intake.fail(gone)
        self._intake.clear()
        self._outlet.connection_lost()
        if self._current is not None:
            self._current.fail(gone)
        if not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        self._outlet.pause()

    def resume_writing(self) -> None:
        self._outlet.resume()

    # What the shell and the server call.

    def finish(self) -> None:
        """Closes when idle; else the answer being made is the last one."""
        if self._task is None:
            self._close()

    def abort(self) -> None:
        self._outlet.abort()
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
        if self._outlet.deadline <= now:
            self._outlet.check_progress()
        if self._read_deadline <= now:
            self._read_deadline = NEVER
            self._read_timed_out()
        self._watch()

    def _read_timed_out(self) -> None:
        if self._current is not None and self._current.is_awaited:
            self._current.fail(BodyTimeout("the body did not come in time"))
        elif self._task is not None:
            return  # a handler is at work; what is read ahead can wait
        elif self._intake.in_header and not self._intake.has_ended:
            self._intake.refuse(Refused(408))
        else:
            self._close()  # idle, discarding or lingering

    def _wait_until(self, seconds: float) -> None:
        self._read_deadline = self._loop.time() + seconds
        self._watch()

    def _watch(self) -> None:
        deadline = min(self._read_deadline, self._outlet.deadline)
        if deadline != NEVER and not self._lost.done():
            self._shell.deadlines.watch(self, deadline)

    # BodySource.

    def body_wanted(self) -> None:
        if self._expecting:
            self._expecting = False
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # RFC 9110 §10.1.1
        self._wait_until(self._shell.settings.body_timeout)

    def inform(self, head: bytes) -> None:
        self._writer.write(head)

    def body_taken(self) -> None:
        self._expecting = False
        self._intake.resume()

    # Answering.

    def _start_answering(self) -> None:
        if self._task is None and not self._is_ending:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._intake.queue and not self._is_ending:
                request, body = self._intake.queue.popleft()
                if isinstance(request, Refused):
                    response = answer.plain(request.status, request.text)
                    await self._writer.send("GET", "1.1", response, close=True)
                    self._linger()
                else:
                    trace = TraceId()
                    with Under(trace):
                        await self._answer(request, body, trace)
                    self._intake.resume()
        except (ConnectionError, TimeoutError) as error:
            _log.debug("connection ended", peer=self.peer, error=error)
            self._abort_transport()
        except Exception:
            _log.exception("answer failed", peer=self.peer)
            self._abort_transport()
        finally:
            self._task = None
            self._current = None
        if not self._is_ending:
            self._wait_for_next()

    def _wait_for_next(self) -> None:
        if self._intake.is_exhausted or self._shell.finishing:
            self._close()
        elif self._intake.in_header:
            self._wait_until(self._shell.settings.header_timeout)
        elif self._intake.body is None:
            self._wait_until(self._shell.settings.keep_alive)

    async def _answer(self, request: Request, body: Body | None, trace: TraceId) -> None:
        self._current = body
        self._expecting = body is not None and request.expects_continue
        self._read_deadline = NEVER
        response = await self._handle(request)
        if response.upgrade is not None:
            if self._intake.is_quiet:
                await self._upgrade(request, response, response.upgrade)
                return
            # RFC 6455 §4.1: a client sends nothing before it has seen the answer.
            self._intake.has_ended = True
            response = answer.plain(400, "input behind the request to upgrade")
        is_unread = body is not None and not body.is_complete
        must_end = is_unread and self._must_end_after(request, body)
        is_last = must_end or not request.keep_alive or self._shell.finishing or self._intake.is_exhausted
        if is_unread and body is not None:
            body.discard()
        response = answer.named(response, trace)
        await self._writer.send(request.method, request.version, response, close=is_last)
        if is_last and is_unread:
            self._linger()
        elif is_last:
            self._close()
        elif is_unread:
            self._wait_until(self._shell.settings.body_timeout)

    async def _upgrade(self, request: Request, response: Response, serve: Serve) -> None:
        """RFC 9110 §7.8: from here on the connection is another protocol's."""
        transport = self._intake.transport
        if transport is None:
            raise ClientGone("the client has closed the connection")
        self._writer.write(answer.serialise_head(self._shell.clock, response, None, False, False))
        self._shell.deadlines.forget(self)
        try:
            with Under(None):  # what another protocol does there has ids of its own
                await hand_over(self._shell, request.peer, transport, serve)
        finally:
            self.connection_lost(None)

    def _must_end_after(self, request: Request, body: Body | None) -> bool:
        """Whether what is left of the body cannot be skipped to find the next request."""
        if body is None or body.is_failed:
            return True
        if self._expecting and not body.buffered:
            return True  # a client that was not told to go on may send the body, or not: no telling
        return (request.content_length or 0) > self._shell.settings.discard_size

    async def _handle(self, request: Request) -> Response:
        begin = measures.clock()
        try:
            return await self._shell.handler(request)
        except ClientGone:
            raise
        except Exception as error:
            response = answer.of_error(error)
            if response is None:
                _log.exception("request failed", method=request.method, path=request.path, peer=self.peer)
                response = answer.plain(500)
                _failures.value += 1
            return response
        finally:
            (_dav if request.path.startswith("/dav/") else _http).done(request.method, begin)

    # Ending.

    def _linger(self) -> None:
        """Sends the end and reads on for a while: a reset would lose the answer (RFC 9112 §9.6)."""
        self._is_ending = True
        self._intake.has_ended = True
        transport = self._outlet.transport
        if transport is None:
            return
        if not self._shell.is_tls and transport.can_write_eof():
            transport.write_eof()
        self._intake.read_on()
        self._wait_until(self._shell.settings.linger)

    def _close(self) -> None:
        self._is_ending = True
        self._intake.has_ended = True
        self._outlet.close()

    def _abort_transport(self) -> None:
        self._is_ending = True
        self._outlet.abort()
