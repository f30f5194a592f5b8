# SPDX-License-Identifier: Apache-2.0
"""One ManageSieve connection (RFC 5804): its state, the order of events, time-outs, the limit of errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from armgs_server import __version__, log, measures
from armgs_server.directory import Principal
from armgs_server.directory.exchange import Exchange
from armgs_server.errors import DomainError, Temporary
from armgs_server.managesieve import login
from armgs_server.managesieve.commands import COMMANDS, ERRORS
from armgs_server.managesieve.protocol import Bad, Command, Event, ManageSieveProtocol, Response
from armgs_server.managesieve.responses import TRY_LATER, No, bye, line, no, ok
from armgs_server.net.stream import Stream
from armgs_server.rules.sieve.catalogue import CAPABILITIES, NOTIFY_METHODS
from armgs_server.service import Core

if TYPE_CHECKING:
    from armgs_server.managesieve.service import ManageSieveService

# Pipelined commands handled before other connections have their turn.
EVENTS_IN_A_ROW = 50

_log = log.get("managesieve")
_operations = measures.operations("sieve")


class Session:
    """The state of one connection. Commands read and change it."""

    def __init__(self, service: ManageSieveService, stream: Stream) -> None:
        self.core: Core = service.core
        self.settings = service.core.config.sieve
        self.stream = stream
        self.protocol = ManageSieveProtocol(self.settings.line_length, self.settings.script_size)
        self.principal: Principal | None = None
        self.exchange: Exchange | None = None
        self.is_ended = False
        self._errors = 0
        self._login_deadline = 0.0
        self.leave()

    async def run(self) -> None:
        """From the greeting to the end of the connection."""
        self.write(self.capabilities() + ok(f"{self.core.config.server.hostname} ManageSieve ready"))
        try:
            while not self.is_ended:
                await self.stream.drain()
                data = await self.stream.read(self._patience())
                if not data:
                    break
                self.protocol.receive_data(data)
                await self._handle_all()
        except TimeoutError:
            self.bye("silent for too long", TRY_LATER)
        finally:
            self.stream.close()

    def write(self, data: bytes) -> None:
        self.stream.write(data)

    def bye(self, text: str, code: str = "") -> None:
        """Ends the connection (RFC 5804 §1.2)."""
        if not self.is_ended:
            self.write(bye(text, code))
        self.is_ended = True
        self.stream.close()

    def stop(self) -> None:
        """The server stops."""
        self.bye("the server is shutting down", TRY_LATER)

    def kick(self) -> None:
        """See service.Session."""
        self.bye("the account was disabled, or its password changed")

    def enter(self, person: Principal) -> None:
        """Logged in."""
        self.principal = person
        self.stream.account = person.address
        self.stream.trace("=", f"authenticated {person.address}")

    def leave(self) -> None:
        """Nobody is logged in, for a while."""
        self.principal = None
        self._login_deadline = asyncio.get_running_loop().time() + self.core.config.security.login_timeout

    @property
    def owner(self) -> int:
        """For commands that are allowed after log-in only."""
        assert self.principal is not None
        return self.principal.id

    def text(self, argument: bytes | int) -> str:
        """A string argument as text."""
        if isinstance(argument, int):
            raise No("a string is expected")
        try:
            return argument.decode("utf-8")
        except UnicodeDecodeError:
            raise No("strings are UTF-8") from None

    def capabilities(self) -> bytes:
        """RFC 5804 §1.7, as they are now."""
        lines = [
            line("IMPLEMENTATION", f"armgs_server {__version__}"),
            line("SIEVE", " ".join(sorted(CAPABILITIES))),
            line("NOTIFY", " ".join(NOTIFY_METHODS)),
            line("MAXREDIRECTS", str(self.settings.redirects)),
            line("VERSION", "1.0"),
            line("UNAUTHENTICATE"),
        ]
        if self.principal is None:
            lines.append(line("SASL", " ".join(login.mechanisms(self))))
            if self.stream.can_start_tls:
                lines.append(line("STARTTLS"))
        else:
            lines.append(line("SASL", ""))
            lines.append(line("OWNER", self.principal.address))
        return b"".join(lines)

    # Private.

    def _patience(self) -> float:
        if self.principal is None:
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
                case Command(name, arguments):
                    await self._command(name, arguments)
                case Response(data):
                    await login.handle_response(self, data)
                case Bad(text, code, is_fatal):
                    if is_fatal:
                        self.bye(text, code)
                        return
                    raise No(text, code)
        except No as error:
            self._fail(error)
        except DomainError as error:
            _log.debug("refused", error=error.text, connection=self.stream.id)
            self._fail(_refusal(error))

    async def _command(self, name: str, arguments: tuple[bytes | int, ...]) -> None:
        spec = COMMANDS.get(name)
        if spec is None:
            raise No("no such command")
        if not (spec.before_login if self.principal is None else spec.after_login):
            raise No("not now")
        if not spec.least <= len(arguments) <= spec.most:
            raise No(f"{name} has {spec.least} to {spec.most} arguments")
        begin = measures.clock()
        try:
            await spec.handle(self, arguments)
        finally:
            _operations.done(name, begin)

    def _fail(self, error: No) -> None:
        login.cancel(self)
        self.write(no(error.text, error.code))
        self._errors += 1
        if self._errors >= self.settings.errors:
            _log.info("too many errors", connection=self.stream.id, peer=self.stream.peer)
            self.bye("too many errors")


def _refusal(error: DomainError) -> No:
    for kind, text, code in ERRORS:
        if isinstance(error, kind):
            return No(text, code)
    return No(error.text, TRY_LATER if isinstance(error, Temporary) else "")
