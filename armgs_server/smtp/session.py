# SPDX-License-Identifier: Apache-2.0
"""One SMTP connection: its state, the order of events, time-outs and the limit of errors.

Invariants:
- Events are handled one after the other; a pipelined command sees the state its predecessors left.
- A positive reply to a message's text is given only after the store has it.
- Whatever fails below, the client gets a reply of its protocol; only a broken connection gets none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from armgs_server import log, measures, trace_id
from armgs_server.directory.exchange import Exchange, Success
from armgs_server.directory.model import Principal
from armgs_server.errors import (
    Denied,
    DomainError,
    Invalid,
    NotFound,
    OverQuota,
    Temporary,
    TooLarge,
)
from armgs_server.net.hosts import is_within
from armgs_server.net.stream import Stream
from armgs_server.service import Core
from armgs_server.smtp import commands, login, replies, text
from armgs_server.smtp.delivery import Delivery
from armgs_server.smtp.policy import Role
from armgs_server.smtp.protocol import (
    BadLine,
    Command,
    EndOfText,
    Event,
    Fault,
    Mode,
    Response,
    SmtpProtocol,
    Text,
)
from armgs_server.smtp.replies import Reply, reply
from armgs_server.smtp.transaction import Transaction

_log = log.get("smtp")
_operations = measures.operations("smtp")

# Pipelined commands handled before other connections have their turn.
EVENTS_IN_A_ROW = 50

FAULT_REPLIES: Mapping[Fault, Reply] = {
    Fault.TOO_LONG: replies.LINE_TOO_LONG_500,
    Fault.NOT_CRLF: replies.NOT_CRLF_500,
    Fault.NOT_UTF8: replies.NOT_UTF8_500,
}

# Domain errors as replies; the first class that fits counts.
ERROR_REPLIES: tuple[tuple[type[DomainError], Reply], ...] = (
    (OverQuota, replies.MAILBOX_FULL_452),
    (Temporary, replies.STORE_FAILED_451),
    (TooLarge, replies.TOO_LARGE_552),
    (Invalid, replies.SYNTAX_501),
    (NotFound, replies.NO_SUCH_USER_550),
    (Denied, replies.NOT_YOUR_ADDRESS_550),
    (DomainError, replies.FAILED_451),
)


class Session:
    """The state of one connection. Commands read and change it."""

    def __init__(self, delivery: Delivery, role: Role, stream: Stream) -> None:
        self.core: Core = delivery.core
        self.delivery = delivery
        self.role = role
        self.stream = stream
        self.peer = stream.peer  # the client's address, as a trusted proxy may have told it
        self.protocol = SmtpProtocol(self.core.config.smtp.line_length)
        self.helo = ""
        self.is_extended = False  # EHLO, not HELO
        self.principal: Principal | None = None
        self.exchange: Exchange | None = None
        self.proven: Success | None = None  # waits for the client's empty line (RFC 4954 §4)
        self.transaction: Transaction | None = None
        self.text_refusal: Reply | None = None  # a chunk that is read only to be refused
        self.is_last_chunk = True
        self.errors = 0
        self.is_closing = False
        self._is_waiting = False  # for the client's next bytes
        self._is_stopping = False
        self._deadline = 0.0

    async def run(self) -> None:
        """From the greeting to the end of the connection."""
        hostname = self.core.config.server.hostname
        is_known = self.stream.is_local or is_within(self.peer, self.core.config.smtp.lmtp_hosts)
        if self.role.is_lmtp and not is_known:
            self.send(replies.LMTP_ONLY_550)
            self.is_closing = True
        else:
            self.send(reply(220, "", f"{hostname} {'LMTP' if self.role.is_lmtp else 'ESMTP'} ready"))
        try:
            while not self.is_closing:
                if self._is_stopping and self._is_idle:
                    self.send(replies.SHUTTING_DOWN_421)
                    break
                self._flush()
                await self.stream.drain()
                data = await self._read()
                if not data:
                    break
                self.protocol.receive_data(data)
                await self._handle_all()
        except TimeoutError:
            self.send(replies.TIMEOUT_421)
        finally:
            self.reset()
            self._flush()
            self.stream.close()

    def send(self, answer: Reply) -> None:
        """Queues a reply."""
        self.protocol.send_reply(answer)

    def fail(self, answer: Reply) -> None:
        """Queues a negative reply; too many of them end the connection."""
        self.send(answer)
        self.errors += 1
        if self.errors >= self.core.config.smtp.errors and not self.is_closing:
            _log.info("too many errors", connection=self.stream.id, peer=self.stream.peer)
            self.send(replies.TOO_MANY_ERRORS_421)
            self.is_closing = True

    def reset(self) -> None:
        """Forgets the mail transaction (RFC 5321 §4.1.1.5)."""
        if self.transaction is not None:
            self.transaction.abort()
            self.transaction = None

    async def start_tls(self) -> None:
        """After the 220: from here nothing the client said in clear text counts (RFC 3207 §4.2)."""
        self._flush()
        await self.stream.start_tls()
        self.reset()
        self.helo = ""
        self.is_extended = False
        self.principal = None
        self.protocol = SmtpProtocol(self.core.config.smtp.line_length)

    def kick(self) -> None:
        """See service.Session: nothing is said."""
        self.stream.close()

    def stop(self) -> None:
        """The server stops. Who waits for a command is told so; a message on its way is finished first."""
        self._is_stopping = True
        if self._is_waiting and self._is_idle:
            self.send(replies.SHUTTING_DOWN_421)
            self._flush()
            self.stream.close()

    @property
    def trace_protocol(self) -> str:
        """The word after "with" in Received: (RFC 3848, RFC 6531 §4.3)."""
        if not self.is_extended:
            return "SMTP"
        if self.role.is_lmtp:
            return "LMTP" + ("S" if self.stream.is_tls else "")
        name = "UTF8SMTP" if self.transaction is not None and self.transaction.needs_utf8 else "ESMTP"
        return name + ("S" if self.stream.is_tls else "") + ("A" if self.principal else "")

    # Private.

    @property
    def _is_idle(self) -> bool:
        return self.protocol.mode is Mode.COMMAND and self.transaction is None and self.exchange is None

    async def _read(self) -> bytes:
        self._is_waiting = True
        try:
            return await self.stream.read(self._patience())
        finally:
            self._is_waiting = False

    async def _handle_all(self) -> None:
        for count, event in enumerate(self.protocol.events(), 1):
            await self._handle(event)
            if self.is_closing:
                return
            if count % EVENTS_IN_A_ROW == 0:
                self._flush()
                await self.stream.drain()
                await asyncio.sleep(0)  # the other connections' turn

    async def _handle(self, event: Event) -> None:
        token = trace_id.enter(None if self.transaction is None else self.transaction.trace)
        try:
            await self._do(event)
        finally:
            trace_id.leave(token)

    async def _do(self, event: Event) -> None:
        try:
            match event:
                case Command(verb, argument):
                    await commands.handle(self, verb, argument)
                case Text(data):
                    await text.handle_text(self, data)
                case EndOfText():
                    begin = measures.clock()
                    await text.handle_end(self)
                    _operations.done("message", begin)
                    self._deadline = 0.0
                case Response(data):
                    await login.handle_response(self, data)
                case BadLine(fault):
                    login.cancel(self)
                    self.fail(FAULT_REPLIES[fault])
        except DomainError as error:
            self._fail_with(error)

    def reply_for(self, error: DomainError) -> Reply:
        """The reply that a domain error is."""
        if isinstance(error, Temporary):
            _log.warning("temporary failure", connection=self.stream.id, error=error, cause=error.__cause__)
        return next(answer for kind, answer in ERROR_REPLIES if isinstance(error, kind))

    def _fail_with(self, error: DomainError) -> None:
        answer = self.reply_for(error)
        self.reset()
        self.fail(answer)

    def _patience(self) -> float:
        """How long to wait for the next bytes; a whole message has a limit too (RFC 5321 §4.5.3.2)."""
        settings = self.core.config.smtp
        if self.protocol.mode not in (Mode.DATA, Mode.CHUNK):
            return settings.command_timeout
        now = asyncio.get_running_loop().time()
        if not self._deadline:
            self._deadline = now + settings.message_timeout
        if now >= self._deadline:
            raise TimeoutError("the message takes too long")
        return min(settings.data_timeout, self._deadline - now)

    def _flush(self) -> None:
        self.stream.writelines(self.protocol.data_to_send())
