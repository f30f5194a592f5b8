# SPDX-License-Identifier: Apache-2.0
"""What the HTTP connections of one listener share, and the way to end them all."""

from typing import Protocol

from armgs_server.config import Config
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.http.answer import Clock
from armgs_server.net.http.message import Handler


class Connection(Protocol):
    def finish(self) -> None: ...

    def abort(self) -> None: ...


class HttpShell:
    """Settings, handler and clock of one listener."""

    def __init__(self, config: Config, deadlines: Deadlines, handler: Handler, *, is_tls: bool) -> None:
        self.settings = config.http
        self.limits = config.limits
        self.deadlines = deadlines
        self.handler = handler
        self.is_tls = is_tls
        self.is_traced = "http" in config.log.trace
        self.clock = Clock()
        self.connections: set[Connection] = set()
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
