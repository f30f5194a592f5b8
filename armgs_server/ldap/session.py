# SPDX-License-Identifier: Apache-2.0
"""One LDAP connection (RFC 4511): its state, the order of requests, time-outs, the limit of errors.

Invariants:
- Requests are answered in the order in which they came. While a search runs, what comes is read on as far as
  the next request, so that an Abandon (§4.11), an Unbind (§4.3) and the end of the connection end it.
- Nothing is ever changed: updates are refused without being read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from armgs_server import log
from armgs_server.directory import Principal
from armgs_server.directory.exchange import Exchange
from armgs_server.errors import DomainError, Temporary
from armgs_server.ldap import extended, results
from armgs_server.ldap.bind import handle_bind
from armgs_server.ldap.filters import FilterLimits
from armgs_server.ldap.messages import Abandon, BadRequest, Bind, Compare, Extended, Message, Search, Unbind
from armgs_server.ldap.protocol import Broken, Event, LdapProtocol
from armgs_server.ldap.results import LdapError
from armgs_server.ldap.root import CONTROLS
from armgs_server.ldap.search import handle_compare, handle_search
from armgs_server.net.stream import Stream
from armgs_server.service import Core

if TYPE_CHECKING:
    from armgs_server.ldap.service import LdapService

# Pipelined requests handled before other connections have their turn.
EVENTS_IN_A_ROW = 20

_log = log.get("ldap")


class Session:
    """The state of one connection. Handlers read and change it."""

    def __init__(self, service: LdapService, stream: Stream) -> None:
        self.core: Core = service.core
        self.settings = service.core.config.ldap
        self.directory = service.core.directory
        self.index = service.core.directory.index
        self.stream = stream
        limits = FilterLimits(self.settings.filter_depth, self.settings.filter_parts)
        self.protocol = LdapProtocol(self.settings.message_size, limits)
        self.principal: Principal | None = None
        self.exchange: tuple[str, Exchange] | None = None  # by its mechanism
        self.is_ended = False
        self._errors = 0
        self._searching: tuple[int, asyncio.Task[None]] | None = None

    async def run(self) -> None:
        """From the first request to the end of the connection; the client speaks first."""
        try:
            while not self.is_ended:
                await self.stream.drain()
                data = await self._read()
                if not data:
                    break
                self.protocol.receive_data(data)
                await self._handle_all()
        except TimeoutError:
            self.end(results.UNAVAILABLE, "silent for too long")
        finally:
            try:
                await self._abandon()
            finally:
                self.stream.close()

    def write(self, data: bytes) -> None:
        self.stream.write(data)

    def end(self, code: int, text: str) -> None:
        """Ends the connection with a notice of disconnection (RFC 4511 §4.4.1)."""
        if not self.is_ended:
            self.write(results.notice(code, text))
        self.is_ended = True
        self.stream.close()

    def stop(self) -> None:
        """The server stops."""
        self.end(results.UNAVAILABLE, "the server is shutting down")

    def kick(self) -> None:
        """See service.Session."""
        self.end(results.UNWILLING_TO_PERFORM, "the account was disabled, or its password changed")

    def enter(self, person: Principal) -> None:
        """Logged in."""
        self.principal = person
        self.stream.trace("=", f"authenticated {person.address}")

    def leave(self) -> None:
        """Nobody is logged in."""
        self.principal = None

    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms that may be used on this connection now."""
        stream = self.stream
        return self.directory.auth.mechanisms(stream.is_tls, stream.channel_binding, service="ldap")

    async def finish(self) -> None:
        """Waits for the search that runs."""
        if self._searching is not None:
            task = self._searching[1]
            await asyncio.wait([task])
            self._searching = None
            if not task.cancelled():
                task.result()  # what nobody expected ends the connection

    # Private.

    async def _read(self) -> bytes:
        """What the client sends next; who waits for an answer may be silent."""
        while True:
            security = self.core.config.security
            patience = self.settings.idle_timeout if self.principal is not None else security.login_timeout
            try:
                return await self.stream.read(patience)
            except TimeoutError:
                if self._searching is None or self._searching[1].done():
                    raise

    async def _abandon(self, message_id: int = 0) -> None:
        """Ends the search that runs: that of the message, or any."""
        if self._searching is not None and message_id in (0, self._searching[0]):
            self._searching[1].cancel()
            await self.finish()

    async def _handle_all(self) -> None:
        for count, event in enumerate(self.protocol.events(), 1):
            await self._handle(event)
            if self.is_ended:
                return
            if count % EVENTS_IN_A_ROW == 0:
                await self.stream.drain()
                await asyncio.sleep(0)  # the other connections' turn

    async def _handle(self, event: Event) -> None:
        if isinstance(event, Broken):
            await self._abandon()
            self.end(results.PROTOCOL_ERROR, event.text)
        elif isinstance(event, Message) and isinstance(event.request, Abandon):
            await self._abandon(event.request.message_id)
        elif isinstance(event, Message) and isinstance(event.request, Unbind):
            await self._abandon()
            self.is_ended = True
        else:
            await self.finish()
            if isinstance(event, Message) and isinstance(event.request, Search):
                task = asyncio.create_task(self._answer(event))
                task.add_done_callback(self._after_search)
                self._searching = event.id, task
                await asyncio.sleep(0)  # most searches are done after this
            else:
                await self._answer(event)

    def _after_search(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.end(results.OPERATIONS_ERROR, "an error of the server")

    async def _answer(self, event: Message | BadRequest) -> None:
        try:
            if isinstance(event, BadRequest):
                raise LdapError(event.code, event.text)
            _check_controls(event)
            await self._dispatch(event)
            self._errors = 0
        except LdapError as error:
            self._refuse(event, error)
        except DomainError as error:
            _log.debug("refused", error=error.text, connection=self.stream.id)
            code = results.BUSY if isinstance(error, Temporary) else results.UNWILLING_TO_PERFORM
            self._refuse(event, LdapError(code, error.text))
        except (ConnectionError, TimeoutError):  # the client is gone, or takes nothing
            self.is_ended = True
            self.stream.abort()

    async def _dispatch(self, message: Message) -> None:
        match message.request:
            case Bind() as request:
                await handle_bind(self, message, request)
            case Search() as request:
                await handle_search(self, message, request)
            case Compare() as request:
                await handle_compare(self, message, request)
            case Extended() as request:
                await extended.handle_extended(self, message, request)
            case _:
                raise LdapError(results.UNWILLING_TO_PERFORM, "the directory is read-only here")

    def _refuse(self, event: Message | BadRequest, error: LdapError) -> None:
        if not event.response:
            return
        self.write(results.result(event.id, event.response, error.code, error.text, error.matched))
        if error.code in (results.SIZE_LIMIT_EXCEEDED, results.TIME_LIMIT_EXCEEDED):
            return  # what was found has been told: a phone asks so at each letter that is typed
        self._errors += 1
        if self._errors >= self.settings.errors:
            _log.info("too many errors", connection=self.stream.id, peer=self.stream.peer)
            self.end(results.UNWILLING_TO_PERFORM, "too many errors")


def _check_controls(message: Message) -> None:
    """RFC 4511 §4.1.11: what is critical and unknown, or does not belong here, forbids the whole request."""
    for control in message.controls:
        is_known = control.type in CONTROLS and isinstance(message.request, Search | Compare)
        if control.criticality and not is_known:
            raise LdapError(results.UNAVAILABLE_CRITICAL_EXTENSION, control.type)
