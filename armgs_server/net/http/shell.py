# SPDX-License-Identifier: Apache-2.0
"""What the HTTP connections of one listener share, and the way to end them all."""

from typing import Protocol

from armgs_server import log
from armgs_server.config import Config
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.http.answer import Clock
from armgs_server.net.http.forwarded import name_client
from armgs_server.net.http.message import Handler, Request, Response


class Connection(Protocol):
    def finish(self) -> None: ...

    def abort(self) -> None: ...


class HttpShell:
    """Settings, handler and clock of one listener."""

    def __init__(self, config: Config, deadlines: Deadlines, handler: Handler, *, is_tls: bool) -> None:
        self.settings = config.http
        self.limits = config.limits
        self.deadlines = deadlines
        self._config = config
        self._handler = handler
        self.is_tls = is_tls
        self.clock = Clock()
        self.connections: set[Connection] = set()
        self.finishing = False

    @property
    def handler(self) -> Handler:
        """Who answers now: the listener's handler, with what the settings of the moment put before it."""
        if self.settings.forwarding_hosts or "http" in self._config.log.trace:
            return self._prepare
        return self._handler

    async def _prepare(self, request: Request) -> Response:
        name_client(request, self.settings)
        if "http" in self._config.log.trace:
            return await _traced(self._handler, request)
        return await self._handler(request)

    def finish(self) -> None:
        """Idle connections are closed now, the others after the answer they are at."""
        self.finishing = True
        for connection in list(self.connections):
            connection.finish()

    def abort(self) -> None:
        """Ends all connections at once."""
        for connection in list(self.connections):
            connection.abort()


async def _traced(handler: Handler, request: Request) -> Response:
    """Answers, and shows the request's header and the answer's status; bodies are bulk."""
    trace = log.Trace("http", request.peer)
    lines = [f"{request.method} {request.target}".encode("latin-1", "replace")]
    lines += [name + b": " + value for name, value in request.headers]
    trace.received(b"".join(line + b"\n" for line in lines))
    try:
        response = await handler(request)
    except Exception as error:
        trace.error(repr(error))
        raise
    trace.sent(str(response.status).encode())
    return response
