# SPDX-License-Identifier: Apache-2.0
"""smtp/session.py over a socket: dialogues of RFC 5321, and what is in the store after them."""

from __future__ import annotations

import asyncio
import re

import pytest

from armgs_server.errors import Temporary
from armgs_server.smtp import session as session_module
from tests.smtp.client import Client, inbox
from tests.world import HOSTNAME, IVANOV, PETROVA, World

MESSAGE = b"From: x@y.example\r\nSubject: Hello\r\n\r\nfirst\r\n\r\nlast\r\n"


async def test_a_message_from_outside(world: World) -> None:
    async with Client(world) as client:
        assert client.greeting == f"220 {HOSTNAME} ESMTP ready"
        await client.expect("EHLO mail.other.example", "250-localhost greets you")
        await client.expect("MAIL FROM:<x@y.example>", "250 2.1.0 Sender OK")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 2.1.5 Recipient OK")
        assert (await client.send_text(MESSAGE)).startswith("250 2.0.0 Message taken, id ")
        await client.expect("QUIT", "221 2.0.0 Goodbye")
        assert await client.reply() == ""
    [message] = await inbox(world, PETROVA)
    head = re.fullmatch(
        rb"Return-Path: <x@y\.example>\r\n"
        rb"Received: from mail\.other\.example \(\[127\.0\.0\.1\]\)\r\n"
        rb"\tby localhost with ESMTP id [0-9a-f]+\r\n"
        rb"\tfor <petrova@digital\.example>;\r\n"
        rb"\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n",
        message.removesuffix(MESSAGE),
    )
    assert head is not None, message
    assert await inbox(world, IVANOV) == []


async def test_pipelined_commands_are_answered_in_order(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        client.write(
            f"MAIL FROM:<x@y.example>\r\nRCPT TO:<{PETROVA}>\r\nRCPT TO:<nobody@digital.example>\r\n"
            "DATA\r\n".encode()
        )
        assert [(await client.reply())[:9] for _ in range(4)] == [
            "250 2.1.0",
            "250 2.1.5",
            "550 5.1.1",
            "354 Start",
        ]
        client.write(b"Subject: 1\r\n\r\n.\r\nMAIL FROM:<>\r\n" + f"RCPT TO:<{IVANOV}>\r\nDATA\r\n".encode())
        assert [(await client.reply())[:9] for _ in range(4)] == [
            "250 2.0.0",
            "250 2.1.0",
            "250 2.1.5",
            "354 Start",
        ]
        client.write(b"Subject: 2\r\n\r\n.\r\nQUIT\r\n")
        assert [(await client.reply())[:9] for _ in range(2)] == ["250 2.0.0", "221 2.0.0"]
    assert len(await inbox(world, PETROVA)) == len(await inbox(world, IVANOV)) == 1


async def test_a_flood_of_commands_is_answered_while_others_have_their_turn(world: World) -> None:
    async with Client(world) as flooding, Client(world) as other:
        flooding.write(b"NOOP\r\n" * 20_000)
        for _ in range(20):
            await other.expect("NOOP", "250 ")
        for _ in range(20_000):
            assert await flooding.reply() == "250 2.0.0 OK"


async def test_commands_out_of_order(world: World) -> None:
    async with Client(world) as client:
        await client.expect("MAIL FROM:<a@b.example>", "503 5.5.1 Say EHLO first")
        await client.expect("HELO client.example", f"250 {HOSTNAME}")
        await client.expect(f"RCPT TO:<{PETROVA}>", "503 5.5.1 MAIL")
        await client.expect("DATA", "503 5.5.1 MAIL")
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect("MAIL FROM:<a@b.example>", "503 5.5.1 ")
        await client.expect("DATA", "554 5.5.1 No valid recipients")
        await client.expect("RSET", "250 2.0.0 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "503 5.5.1 MAIL")
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect("EHLO again.example", "250-")  # RFC 5321 §4.1.4: resets
        await client.expect("DATA", "503 5.5.1 MAIL")


async def test_polite_commands(world: World) -> None:
    async with Client(world) as client:
        await client.expect("NOOP anything", "250 2.0.0 OK")
        await client.expect(f"VRFY {PETROVA}", "252 2.0.0 ")
        await client.expect("VRFY nobody", "252 2.0.0 ")
        await client.expect("HELP", "214-2.0.0 ")
        await client.expect("EXPN staff", "502 5.5.1 ")
        await client.expect("XYZZY", "500 5.5.1 ")
        await client.expect("", "500 5.5.1 ")
        await client.expect("NOOP " + "x" * 5000, "500 5.5.6 ")
        client.write(b"NOOP\n")
        assert (await client.reply()).startswith("500 5.5.2 A command ends with CR LF")
        await client.expect("EHLO", "501 5.5.4 ")
        await client.expect("NOOP", "250 ")


async def test_bad_paths_and_parameters(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:a@b.example", "501 5.1.7 Bad sender: ")
        await client.expect("MAIL FROM:<a@b..example>", "501 5.1.7 ")
        await client.expect("MAIL FROM:<a@b.example> FOO=1", "555 5.5.4 ")
        await client.expect("MAIL FROM:<a@b.example> SIZE=x", "501 5.5.4 ")
        await client.expect("MAIL FROM:<a@b.example> BODY=9BIT", "501 5.5.4 ")
        await client.expect("MAIL FROM:<иван@b.example>", "553 5.6.7 ")
        await client.expect("MAIL FROM:<a@b.example> SMTPUTF8 BODY=8BITMIME SIZE=100", "250 ")
        await client.expect("RCPT TO:<>", "501 5.1.3 ")
        await client.expect("RCPT TO:<nobody@digital.example>", "550 5.1.1 ")
        await client.expect(f"RCPT TO:<{PETROVA}> FOO=1", "555 5.5.4 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")


async def test_sub_addresses_and_spellings(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect("RCPT TO:<Petrova+news@DIGITAL.example>", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        assert (await client.send_text(MESSAGE)).startswith("250 ")
    assert len(await inbox(world, PETROVA)) == 1  # one person, one copy


async def test_utf8_addresses(world: World) -> None:
    await world.directory.create_person("почта@digital.example", "Почта")
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<иван@пример.рф> SMTPUTF8", "250 ")
        await client.expect("RCPT TO:<ПОЧТА@digital.example>", "250 ")
        assert (await client.send_text(MESSAGE)).startswith("250 ")
    [message] = await inbox(world, "почта@digital.example")
    assert message.startswith("Return-Path: <иван@пример.рф>\r\n".encode())
    assert b" with UTF8SMTP id " in message


async def test_too_many_recipients_and_errors(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"smtp": {"recipients": 100, "errors": 3}}
    async with World(tmp_path_factory.mktemp("w"), settings=settings) as world, Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        for number in range(99):
            await client.expect(f"RCPT TO:<nobody{number}@digital.example>", "550 5.1.1 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        await client.expect(f"RCPT TO:<{IVANOV}>", "452 4.5.3 ")
        assert (await client.send_text(MESSAGE)).startswith("250 ")
        for _ in range(2):
            await client.expect("FOO", "500 ")
        await client.expect("FOO", "500 ")
        assert (await client.reply()).startswith("421 4.7.0 ")
        assert await client.reply() == ""


async def test_silent_and_slow_clients_are_timed_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"smtp": {"command_timeout": 1.0, "data_timeout": 1.0, "message_timeout": 1.0}}
    async with World(tmp_path_factory.mktemp("w"), settings=settings) as world:
        async with Client(world) as silent, Client(world) as slow:
            await slow.ehlo()
            await slow.expect("MAIL FROM:<a@b.example>", "250 ")
            await slow.expect(f"RCPT TO:<{PETROVA}>", "250 ")
            await slow.expect("DATA", "354 ")
            reply = asyncio.ensure_future(slow.reply())
            while not reply.done():  # one byte now and then does not help
                slow.write(b"x")
                await asyncio.wait([reply], timeout=0.1)
            assert reply.result().startswith("421 4.4.2 ")
            assert (await silent.reply()).startswith("421 4.4.2 ")
            assert await silent.reply() == ""
        assert await inbox(world, PETROVA) == []


async def test_what_the_store_does_not_take_is_not_acknowledged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Client(world) as client:
        await client.ehlo()

        async def full(work: object) -> None:
            raise Temporary("disk full")

        with monkeypatch.context() as broken:
            broken.setattr(type(world.store), "write", lambda self, work: full(work))
            reply = await client.mail("a@b.example", PETROVA)
        assert reply.startswith("451 4.3.0 ")
        assert await inbox(world, PETROVA) == []
        assert (await client.mail("a@b.example", PETROVA)).startswith("250 ")
    assert len(await inbox(world, PETROVA)) == 1


def test_every_domain_error_has_a_reply() -> None:
    kinds = [kind for kind, _ in session_module.ERROR_REPLIES]
    assert kinds[-1].__name__ == "DomainError"
    assert len(kinds) == len(set(kinds))
