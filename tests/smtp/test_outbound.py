# SPDX-License-Identifier: Apache-2.0
"""smtp/outbound.py and smtp/client.py against aiosmtpd and against servers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armgs_server.config import Config, ServerSettings, SmtpSettings
from armgs_server.smtp.envelope import Answer, Message, Target
from armgs_server.smtp.outbound import NoTls, Outbound, Unreachable
from armgs_server.smtp.protection import Mode, Protection
from armgs_server.smtp.routing import Host
from tests.smtp.sink import Sink, running_sink

MESSAGE = Message("a@digital.example", b"Subject: x\r\n\r\n.\r\n\r\n..\r\nbody\r\n")


async def send(
    port: int,
    *recipients: str,
    mode: Mode = Mode.NONE,
    timeout: float = 5.0,
    message: Message = MESSAGE,
    **settings: Any,
) -> dict[str, Answer]:
    outbound = Outbound(
        Config(
            directory=Path(),
            server=ServerSettings(hostname="mx.digital.example"),
            smtp=SmtpSettings(relay_timeout=timeout, relay_idle=0.0, **settings),
        )
    )
    host = Host("sink.example", "127.0.0.1", port)
    try:
        return await outbound.send(host, message, [Target(each) for each in recipients], Protection(mode))
    finally:
        await outbound.close()


@asynccontextmanager
async def scripted(*lines: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says the first line, then one for each line it hears, then leaves."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            heard.append(await reader.readline())
            if not heard[-1]:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        await server.wait_closed()


async def test_each_recipient_has_its_answer() -> None:
    sink = Sink(answers={"no@x.example": "550 5.1.1 No", "later@x.example": "452 Later"})
    async with running_sink(sink):
        answers = await send(sink.port, "yes@x.example", "no@x.example", "later@x.example")
    assert answers["yes@x.example"] == Answer(250, "2.6.0", "2.6.0 Taken", "sink.example")
    assert answers["no@x.example"].diagnostic == "550 5.1.1 No"
    assert answers["no@x.example"].status == "5.1.1"
    assert answers["later@x.example"].status == "4.0.0"  # made from the code
    [envelope] = sink.messages
    assert envelope.content == MESSAGE.text  # dots and all


async def test_a_refused_sender_or_text_refuses_all() -> None:
    async with running_sink(Sink(mail_answer="553 5.1.8 Bad sender")) as sink:
        answers = await send(sink.port, "x@x.example", "y@x.example")
        assert {answer.status for answer in answers.values()} == {"5.1.8"}
        sink.mail_answer = "250 OK"
        sink.text_answer = "554 5.6.0 Bad text"
        answers = await send(sink.port, "x@x.example", "y@x.example")
        assert {answer.status for answer in answers.values()} == {"5.6.0"}
    assert sink.messages == []


async def test_an_old_server_gets_helo() -> None:
    script = (b"220 old\r\n", b"502 EHLO?\r\n", b"250 old\r\n", b"250 OK\r\n", b"550 No\r\n", b"221 Bye\r\n")
    async with scripted(*script) as (port, heard):
        answers = await send(port, "x@x.example")
    assert answers["x@x.example"].code == 550
    assert heard[:3] == [
        b"EHLO mx.digital.example\r\n",
        b"HELO mx.digital.example\r\n",
        b"MAIL FROM:<a@digital.example>\r\n",
    ]


@pytest.mark.parametrize(
    "script",
    [
        (b"554 No mail here\r\n",),
        (b"421 Busy\r\n",),
        (b"220 sink\r\n", b""),
        (b"what?\r\n",),
        (b"220 sink\r\n", b"250 sink\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 Go\r\n"),
    ],
)
async def test_a_server_that_cannot_be_talked_to(script: tuple[bytes, ...]) -> None:
    async with scripted(*script) as (port, _):
        with pytest.raises(Unreachable, match=r"sink\.example"):
            await send(port, "x@x.example", timeout=1.0)


async def test_where_tls_is_required_nothing_goes_without() -> None:
    async with running_sink(Sink()) as sink:
        with pytest.raises(NoTls):
            await send(sink.port, "x@x.example", mode=Mode.VERIFY)
        assert (await send(sink.port, "x@x.example", mode=Mode.MAY))["x@x.example"].is_delivered


def test_dsn_parameters_of_a_recipient() -> None:
    assert Target("x@x.example").options == []
    target = Target("x@x.example", ("SUCCESS", "DELAY"), ("rfc822", "a+b@x.example"))
    assert target.options == ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;a+2Bb@x.example"]
    assert Target("x@x.example", (), ("utf-8", "и@x.example")).options == []
