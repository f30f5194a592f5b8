# SPDX-License-Identifier: Apache-2.0
"""Somebody else's server (aiosmtpd) that keeps what it gets, or answers as the test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Sink:
    """Handler of aiosmtpd. `answers`: what RCPT gets for an address; `text_answer`: what the text gets."""

    port: int = 0
    mail_answer: str = "250 OK"
    text_answer: str = "250 2.6.0 Taken"
    answers: dict[str, str] = field(default_factory=dict)
    messages: list[Envelope] = field(default_factory=list)
    tls: list[bool] = field(default_factory=list)
    most_at_once: int = 0
    connections: int = 0
    hold: asyncio.Event | None = None
    _at_once: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        """Until there is a message."""
        async with asyncio.timeout(30):
            await self._arrived.wait()

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail_answer.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.mail_answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        if self.hold is not None:
            await self.hold.wait()
        self._at_once -= 1
        if self.text_answer.startswith("250"):
            self.messages.append(envelope)
            self.tls.append(session.ssl is not None)
            self._arrived.set()
        return self.text_answer


@asynccontextmanager
async def running_sink(
    sink: Sink, *, tls: ssl.SSLContext | None = None, utf8: bool = True
) -> AsyncIterator[Sink]:
    """Serves it on a free port of loopback."""
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        sink.connections += 1
        return SMTP(sink, hostname="sink.example", enable_SMTPUTF8=utf8, tls_context=tls, loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()
