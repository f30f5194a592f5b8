# SPDX-License-Identifier: Apache-2.0
"""One POP3 connection: its state, the order of events, time-outs and the limit of errors (RFC 1939 §3).

Invariants:
- One command at a time, answered in order; pipelined ones wait (RFC 2449 §6.6).
- A session that ends without QUIT changes nothing (RFC 1939 §6).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from armgs_server import log, measures
from armgs_server.directory import Principal
from armgs_server.directory.exchange import Exchange, Success
from armgs_server.errors import DomainError, Temporary
from armgs_server.net.stream import Stream
from armgs_server.pop3 import login
from armgs_server.pop3.commands import COMMANDS
from armgs_server.pop3.maildrop import Maildrop
from armgs_server.pop3.protocol import BadLine, Command, Event, Pop3Protocol, Response
from armgs_server.pop3.responses import SYS_PERM, SYS_TEMP, Pop3Error, err, ok
from armgs_server.service import Core

if TYPE_CHECKING:
    from armgs_server.pop3.service import Pop3Service

# Pipelined commands handled before other connections have their turn.
EVENTS_IN_A_ROW = 50

_log = log.get("pop3")
_operations = measures.operations("pop3")


class Session:
    """The state of one connection. Commands read and change it."""

    def __init__(self, service: Pop3Service, stream: Stream) -> None:
        self.core: Core = service.core
        self.settings = service.core.config.pop3
        self.stream = stream
        self.protocol = Pop3Protocol(self.settings.line_length)
        self.principal: Principal | None = None
        self.maildrop: Maildrop | None = None  # in the TRANSACTION state
        self.username = ""  # of the last USER
        self.exchange: Exchange | None = None
        self.proven: Success | None = None  # waits for the client's empty line
        self.is_ended = False
        self._errors = 0
        self._is_waiting = True  # for the client's next bytes
        self._login_deadline = asyncio.get_running_loop().time() + self.core.config.security.login_timeout

    async def run(self) -> None:
        """From the greeting to the end of the connection."""
        self.write(ok(f"{self.core.config.server.hostname} POP3 ready"))
        try:
            while not self.is_ended:
                await self.stream.drain()
                self._is_waiting = True
                data = await self.stream.read(self._patience())
                self._is_waiting = False
                if not data:
                    break
                self.protocol.receive_data(data)
                await self._handle_all()
        except TimeoutError:  # RFC 1939 §3: no UPDATE state, and nothing said
            _log.debug("silent for too long", connection=self.stream.id)
        finally:
            if self.maildrop is not None:
                await self.maildrop.close()
            self.stream.close()

    def write(self, data: bytes) -> None:
        self.stream.write(data)

    def end(self, error: Pop3Error) -> None:
        """Ends the connection; who waits for a command is told why, not who is in the middle of a message."""
        if self._is_waiting and not self.is_ended:
            self.write(err(error.text, error.code))
        self.is_ended = True
        self.stream.close()

    def stop(self) -> None:
        """The server stops; what was marked stays."""
        self.end(Pop3Error("the server is shutting down", SYS_TEMP))

    def kick(self) -> None:
        """See service.Session."""
        self.end(Pop3Error("the account was disabled, or its password changed", SYS_PERM))

    def lose(self) -> None:
        """The maildrop is another session's now."""
        self.end(Pop3Error("the maildrop was locked for too long", SYS_TEMP))

    def open_maildrop(self) -> Maildrop:
        """For commands that are allowed in the TRANSACTION state only."""
        assert self.maildrop is not None
        return self.maildrop

    # Private.

    def _patience(self) -> float:
        if self.maildrop is None:
            return max(self._login_deadline - asyncio.get_running_loop().time(), 0.01)
        return self.settings.idle_timeout

    async def _handle_all(self) -> None:
        for count, event in enumerate(self.protocol.events(), 1):
            await self._handle(event)
            if self.is_ended:
                return
            if count % EVENTS_IN_A_ROW == 0:
                await self.stream.drain()
                await asyncio.sleep(0)  # the other connections' turn

    async def _handle(self, event: Event) -> None:
        try:
            match event:
                case Command(keyword, argument):
                    await self._command(keyword, argument)
                case Response(data):
                    await login.handle_response(self, data)
                case BadLine(text):
                    raise Pop3Error(text)
        except Pop3Error as error:
            self._fail(error)
        except DomainError as error:
            _log.debug("refused", error=error.text, connection=self.stream.id)
            self._fail(Pop3Error(error.text, SYS_TEMP if isinstance(error, Temporary) else SYS_PERM))

    async def _command(self, keyword: str, argument: str) -> None:
        spec = COMMANDS.get(keyword)
        if spec is None:
            raise Pop3Error("no such command")
        if not (spec.before_login if self.maildrop is None else spec.after_login):
            raise Pop3Error("not now")
        if keyword != "PASS":  # RFC 1939 §7: PASS comes right behind USER
            self.username = ""
        begin = measures.clock()
        try:
            await spec.handle(self, argument)
        finally:
            _operations.done(keyword, begin)

    def _fail(self, error: Pop3Error) -> None:
        login.cancel(self)
        self.write(err(error.text, error.code))
        self._errors += 1
        if self._errors >= self.settings.errors:
            _log.info("too many errors", connection=self.stream.id, peer=self.stream.peer)
            self.is_ended = True
