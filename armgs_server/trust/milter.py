# SPDX-License-Identifier: Apache-2.0
"""Shows a complete message to a milter: every step of an SMTP conversation, one after the other.

Fields that it adds are written above the message; what else it would change stays as it is, since signed
mail must pass byte for byte. Who refuses one recipient refuses the message: it is one reply for all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from mmap import mmap

from armgs_server.errors import Invalid
from armgs_server.trust import milter_protocol as protocol
from armgs_server.trust import opinion
from armgs_server.trust.endpoint import Endpoint
from armgs_server.trust.fields import split_fields
from armgs_server.trust.milter_protocol import Answer, Answers, Options
from armgs_server.trust.model import Arrival, Refusal
from armgs_server.trust.opinion import Opinion

# Fields that one milter may add.
FIELDS = 100
# Recipients told of.
RECIPIENTS = 1000

_NOTHING_AGREED = Options(0, 0, 0)
_REFUSALS = {
    protocol.REJECT: Refusal(550, "5.7.1", "The message is refused"),
    protocol.DISCARD: Refusal(550, "5.7.1", "The message is refused"),
    protocol.TEMPORARY_FAILURE: Refusal(451, "4.7.1", "Try again later"),
}


@dataclass(frozen=True, slots=True)
class Milter:
    """See filters.Filter."""

    endpoint: Endpoint
    hostname: str

    async def ask(self, arrival: Arrival) -> Opinion:
        async with self.endpoint.connected() as (reader, writer):
            talk = _Talk(reader, writer)
            await talk.run(arrival, self.hostname)
            writer.write(protocol.packet(protocol.QUIT))
            await writer.drain()
        return Opinion(talk.is_junk, talk.refusal, talk.fields())


class _Over(Exception):
    """The milter has decided."""


@dataclass(slots=True)
class _Talk:
    """One conversation and what has come of it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    refusal: Refusal | None = None
    is_junk: bool = False
    _options: Options = _NOTHING_AGREED
    _answers: Answers = field(default_factory=Answers)
    _waiting: deque[Answer] = field(default_factory=deque)
    _added: list[tuple[str, str]] = field(default_factory=list)

    async def run(self, arrival: Arrival, hostname: str) -> None:
        """OSError, EOFError, Invalid."""
        self.writer.write(protocol.serialise_options())
        answer = await self._next()
        if answer.kind != protocol.OPTIONS:
            raise Invalid("the milter does not negotiate")
        self._options = protocol.parse_options(answer.data)
        try:
            await self._tell_envelope(arrival, hostname)
            await self._tell_header(arrival)
            await self._tell_body(arrival.text, arrival.header_size)
            await self._end(arrival)
        except _Over:
            return

    def fields(self) -> bytes:
        """What the milter has added."""
        return b"".join(opinion.field(name, value) for name, value in self._added)

    async def _tell_envelope(self, arrival: Arrival, hostname: str) -> None:
        steps = self._options.steps
        if not steps & protocol.NO_CONNECT:
            self._macros(protocol.CONNECT, [("j", hostname), ("{daemon_name}", hostname)])
            name = f"[{arrival.peer}]"  # RFC 5321 §4.1.3; no name is looked up for it
            await self._send(protocol.serialise_connect(name, arrival.peer), protocol.NO_REPLY_CONNECT)
        if not steps & protocol.NO_HELO:
            if arrival.is_tls:
                self._macros(protocol.HELO, [("{tls_version}", "TLS")])
            helo = protocol.packet(protocol.HELO, protocol.strings(arrival.helo))
            await self._send(helo, protocol.NO_REPLY_HELO)
        if not steps & protocol.NO_MAIL:
            self._macros(protocol.MAIL, [("i", arrival.id), ("{mail_addr}", arrival.sender)])
            mail = protocol.packet(protocol.MAIL, protocol.strings(f"<{arrival.sender}>"))
            await self._send(mail, protocol.NO_REPLY_MAIL)
        if not steps & protocol.NO_RECIPIENT:
            for recipient in arrival.recipients[:RECIPIENTS]:
                self._macros(protocol.RECIPIENT, [("{rcpt_addr}", recipient)])
                told = protocol.packet(protocol.RECIPIENT, protocol.strings(f"<{recipient}>"))
                await self._send(told, protocol.NO_REPLY_RECIPIENT)
        if not steps & protocol.NO_DATA and self._options.version >= 4:
            self._macros(protocol.DATA, [("i", arrival.id)])
            await self._send(protocol.packet(protocol.DATA), protocol.NO_REPLY_DATA)

    async def _tell_header(self, arrival: Arrival) -> None:
        steps = self._options.steps
        if not steps & protocol.NO_HEADERS:
            for each in split_fields(bytes(arrival.text[: arrival.header_size])):
                name, colon, value = each.raw.partition(b":")
                if not colon:
                    continue
                if not steps & protocol.LEADING_SPACE:
                    value = value.removeprefix(b" ")
                # Milters see line ends inside a field as LF, and none at its end.
                value = value.removesuffix(b"\r\n").replace(b"\r\n", b"\n").replace(b"\0", b"")
                data = name.rstrip().replace(b"\0", b"") + b"\0" + value + b"\0"
                await self._send(protocol.packet(protocol.HEADER, data), protocol.NO_REPLY_HEADER)
        if not steps & protocol.NO_END_OF_HEADER:
            await self._send(protocol.packet(protocol.END_OF_HEADER), protocol.NO_REPLY_END_OF_HEADER)

    async def _tell_body(self, text: bytes | mmap, start: int) -> None:
        if self._options.steps & protocol.NO_BODY:
            return
        for position in range(start, len(text), protocol.CHUNK):
            chunk = protocol.packet(protocol.BODY, text[position : position + protocol.CHUNK])
            if await self._send(chunk, protocol.NO_REPLY_BODY) == protocol.SKIP:
                return

    async def _end(self, arrival: Arrival) -> None:
        """Only now a milter may add fields; its last answer ends the message."""
        self._macros(protocol.END_OF_BODY, [("i", arrival.id)])
        self.writer.write(protocol.packet(protocol.END_OF_BODY))
        await self.writer.drain()
        while True:
            answer = await self._next()
            if answer.kind in (protocol.ADD_HEADER, protocol.INSERT_HEADER):
                name, value = protocol.parse_header(answer)
                if len(self._added) >= FIELDS or not opinion.is_field_name(name):
                    raise Invalid("the milter adds fields that are none, or too many")
                self._added.append((name, value))
            elif answer.kind == protocol.QUARANTINE:
                self.is_junk = True
            elif answer.kind not in (protocol.CHANGE_HEADER, protocol.PROGRESS):
                self._judge(answer)
                return

    async def _send(self, packet: bytes, no_reply: int) -> bytes:
        """One step; the kind of the milter's answer, where it gives one."""
        self.writer.write(packet)
        await self.writer.drain()
        if self._options.steps & no_reply:
            return protocol.CONTINUE
        answer = await self._next()
        while answer.kind == protocol.PROGRESS:
            answer = await self._next()
        self._judge(answer)
        return answer.kind

    def _judge(self, answer: Answer) -> None:
        """What is no CONTINUE ends the conversation."""
        if answer.kind in (protocol.CONTINUE, protocol.SKIP):
            return
        if answer.kind == protocol.REPLY_CODE:
            code, status, text = protocol.parse_reply_code(answer.data)
            self.refusal = Refusal(code, status, text or "The message is refused")
        elif answer.kind in _REFUSALS:
            self.refusal = _REFUSALS[answer.kind]
        elif answer.kind != protocol.ACCEPT:
            raise Invalid(f"the milter answers {answer.kind!r}")
        raise _Over

    async def _next(self) -> Answer:
        while not self._waiting:
            data = await self.reader.read(protocol.CHUNK)
            if not data:
                raise EOFError("the milter has hung up")
            self._answers.receive_data(data)
            self._waiting.extend(self._answers.events())
        return self._waiting.popleft()

    def _macros(self, command: bytes, macros: list[tuple[str, str]]) -> None:
        self.writer.write(protocol.serialise_macros(command, macros))
