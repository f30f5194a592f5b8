# SPDX-License-Identifier: Apache-2.0
"""smtp/outbound.py and smtp/client.py against aiosmtpd and against servers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.config import Config, SecuritySettings, ServerSettings, SmtpSettings
from armgs_server.smtp import outbound
from armgs_server.smtp.client import stuffed
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
async def scripted(
    *lines: bytes, read: int = 0, until_dot: bool = False
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says the first line, then one for each line it hears, then leaves.

    What follows BDAT is `read` octets; with `until_dot` what follows DATA is a text.
    """
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            ending = b"\r\n.\r\n" if until_dot and line.startswith(b"354") else b"\n"
            try:
                heard.append(await reader.readuntil(ending))
            except asyncio.IncompleteReadError:
                break
            if heard[-1].startswith(b"BDAT"):
                heard[-1] += await reader.readexactly(read)
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


OFFER = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
OK = b"250 OK\r\n"


async def test_a_binary_message_goes_as_it_is_where_it_may() -> None:
    binary = Message("a@b.example", b"Subject: x\r\n\r\n\x00\n.\r\n", is_8bit=True, is_binary=True)
    offer = OFFER + b"250-CHUNKING\r\n250 BINARYMIME\r\n"
    async with scripted(b"220 sink\r\n", offer, OK, OK, b"250 2.0.0 Taken\r\n", read=len(binary.text)) as (
        port,
        heard,
    ):
        answers = await send(port, "x@x.example", message=binary)
    assert answers["x@x.example"].is_delivered
    assert heard[1:3] == [b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n", b"RCPT TO:<x@x.example>\r\n"]
    assert heard[3] == b"BDAT 19 LAST\r\n" + binary.text


async def test_what_a_server_cannot_take_is_converted() -> None:
    head = b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    binary = Message("a@b.example", head + b"\x00\xff", is_8bit=True, is_binary=True)
    async with running_sink(Sink()) as sink:
        await send(sink.port, "x@x.example", message=binary)
    [envelope] = sink.messages
    assert b"Content-Transfer-Encoding: base64\r\n\r\nAP8=\r\n" in envelope.content


def test_parameters_go_to_who_knows_them() -> None:
    message = Message(
        "a@b.example",
        b"text",
        needs_utf8=True,
        is_8bit=True,
        returned="HDRS",
        envelope_id="a+b",
        needs_tls=True,
        priority=3,
        deliver_by=(120, "RT"),
    )
    every = ("SIZE", "8BITMIME", "SMTPUTF8", "REQUIRETLS", "DSN", "MT-PRIORITY", "DELIVERBY")
    assert outbound.mail_options(dict.fromkeys(every, ""), message) == [
        "SIZE=4",
        "BODY=8BITMIME",
        "SMTPUTF8",
        "REQUIRETLS",
        "RET=HDRS",
        "ENVID=a+2Bb",
        "MT-PRIORITY=3",
        "BY=120;RT",
    ]
    # Without the extension that makes a promise, the message does not go.
    for missing, status in (("REQUIRETLS", "5.7.30"), ("SMTPUTF8", "5.6.7"), ("DELIVERBY", "5.4.7")):
        offered = dict.fromkeys((each for each in every if each != missing), "")
        answer = outbound.fitted(offered, message, "sink", is_tls=True)
        assert isinstance(answer, Answer) and answer.status == status
    small = outbound.fitted({**dict.fromkeys(every, ""), "SIZE": "3"}, message, "sink", is_tls=True)
    assert isinstance(small, Answer) and small.status == "5.3.4"


async def test_a_connection_serves_the_next_message_too() -> None:
    async with running_sink(Sink()) as sink:
        outbound_ = Outbound(Config(directory=Path(), smtp=SmtpSettings(relay_idle=60.0)))
        host = Host("sink.example", "127.0.0.1", sink.port)
        for number in range(3):
            target = [Target(f"x{number}@x.example")]
            await outbound_.send(host, MESSAGE, target, Protection(Mode.NONE))
        await outbound_.close()
    assert len(sink.messages) == 3
    assert sink.connections == 1


async def test_a_connection_that_has_died_meanwhile_costs_nothing() -> None:
    script = (b"220 sink\r\n", b"250 sink\r\n", OK, OK, b"354 Go\r\n", OK)
    outbound_ = Outbound(Config(directory=Path(), smtp=SmtpSettings(relay_idle=60.0)))
    target = [Target("x@x.example")]
    async with scripted(*script, until_dot=True) as (port, _):
        host = Host("sink.example", "127.0.0.1", port)
        assert (await outbound_.send(host, MESSAGE, target, Protection(Mode.NONE)))[
            "x@x.example"
        ].is_delivered
        answers = await outbound_.send(host, MESSAGE, target, Protection(Mode.NONE))
        assert answers["x@x.example"].is_delivered
    await outbound_.close()


async def test_a_smart_host_is_told_who_we_are() -> None:
    script = (b"220 sink\r\n", b"250 sink\r\n", b"235 OK\r\n", OK, b"550 5.1.1 No\r\n", OK, b"221 Bye\r\n")
    async with scripted(*script) as (port, heard):
        outbound_ = Outbound(
            Config(
                directory=Path(),
                security=SecuritySettings(allow_plaintext=True),
                smtp=SmtpSettings(relay_idle=0.0),
            )
        )
        host = Host("sink.example", "127.0.0.1", port, login="user:pass:word")
        await outbound_.send(host, MESSAGE, [Target("x@x.example")], Protection(Mode.NONE))
        await outbound_.close()
    assert heard[1] == b"AUTH PLAIN " + base64.b64encode(b"\0user\0pass:word") + b"\r\n"


async def test_a_password_is_not_sent_in_clear_text() -> None:
    async with running_sink(Sink()) as sink:
        outbound_ = Outbound(Config(directory=Path()))
        host = Host("sink.example", "127.0.0.1", sink.port, login="user:password")
        with pytest.raises(NoTls):
            await outbound_.send(host, MESSAGE, [Target("x@x.example")], Protection(Mode.MAY))
        await outbound_.close()


async def test_no_more_recipients_than_the_server_takes() -> None:
    offer = b"250-sink\r\n250 LIMITS RCPTMAX=2\r\n"
    no = b"550 5.1.1 No\r\n"
    script = (b"220 sink\r\n", offer, OK, no, no, OK, OK, no, OK, b"221 Bye\r\n")
    async with scripted(*script) as (port, heard):
        answers = await send(port, "x@x.example", "y@x.example", "z@x.example")
    assert [answer.status for answer in answers.values()] == ["5.1.1"] * 3
    assert [line.split()[0] for line in heard[1:8]] == [
        *(b"MAIL", b"RCPT", b"RCPT", b"RSET"),
        *(b"MAIL", b"RCPT", b"RSET"),
    ]


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".a\r\n.\r\n", b"..a\r\n..\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),  # nothing is smuggled past a server that takes bare LF
        (b"a\r.\rb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
    ],
)
def test_text_as_data_wants_it(text: bytes, wire: bytes) -> None:
    assert stuffed(text) == wire


@given(st.binary(max_size=200))
def test_no_text_ends_before_its_end(text: bytes) -> None:
    wire = stuffed(text)
    assert wire.endswith(b".\r\n")
    body = b"\r\n" + wire[:-3]
    assert not re.search(rb"(?:\r\n|\r|\n)\.(?:\r\n|\r|\n)", body)
    assert body.count(b"\n") == body.count(b"\r") == body.count(b"\r\n")
