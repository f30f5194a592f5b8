# SPDX-License-Identifier: Apache-2.0
"""smtp/text.py: DATA and BDAT over a socket, of every size, wanted or not."""

from __future__ import annotations

import pytest

from tests.smtp.client import Client, inbox
from tests.world import IVANOV, PETROVA, World

MESSAGE = b"From: x@y.example\r\nSubject: Hello\r\n\r\nfirst\r\n\r\nlast\r\n"


async def test_chunks(world: World) -> None:
    async with Client(world) as client:
        assert {"CHUNKING", "BINARYMIME"} <= await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example> BODY=BINARYMIME", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        await client.expect("DATA", "503 5.6.1 ")
        client.write(b"BDAT 14\r\nSubject: x\r\n\r\n")
        assert await client.reply() == "250 2.0.0 Chunk received"
        await client.expect(f"RCPT TO:<{IVANOV}>", "503 5.5.1 ")
        client.write(b"BDAT 10 LAST\r\n\x00\xff\r.\n\r\n.\r\n")
        assert (await client.reply()).startswith("250 2.0.0 Message taken")
        await client.expect("NOOP", "250 ")
    [message] = await inbox(world, PETROVA)
    assert message.endswith(b"Subject: x\r\n\r\n\x00\xff\r.\n\r\n.\r\n")


async def test_chunks_nobody_wants_are_read_and_refused(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        client.write(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
        assert (await client.reply()).startswith("503 5.5.1 ")
        assert (await client.reply()).startswith("250 2.0.0 OK")  # the octets were not taken for commands
        client.write(b"BDAT x\r\nQUIT\r\n")
        assert (await client.reply()).startswith("501 5.5.4 ")
        assert await client.reply() == ""


async def test_too_large_a_message(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"smtp": {"message_size": 65536}}
    async with World(tmp_path_factory.mktemp("w"), settings=settings) as world, Client(world) as client:
        assert "SIZE 65536" in await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example> SIZE=65537", "552 5.3.4 ")
        await client.expect("MAIL FROM:<a@b.example> SIZE=65536", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        text = MESSAGE + b"x" * 60000 + b"\r\n" + b"y" * 6000 + b"\r\n"
        assert (await client.send_text(text)).startswith("552 5.3.4 ")
        assert (await client.mail("a@b.example", PETROVA)).startswith("250 ")  # the connection goes on
        assert len(await inbox(world, PETROVA)) == 1


async def test_large_messages_are_streamed_and_come_back_whole(world: World) -> None:
    text = b"Subject: large\r\n\r\n" + b"".join(b"%06d %s\r\n" % (n, b"z" * 70) for n in range(20000))
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("a@b.example", PETROVA, IVANOV, text=text)).startswith("250 ")
    assert (await inbox(world, PETROVA))[0].endswith(b"\r\n" + text)
    assert await inbox(world, IVANOV) == await inbox(world, PETROVA)
    count = await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM blob WHERE size > 1000000"))
    assert count == 1


async def test_a_header_without_end_is_refused(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        text = b"".join(b"X-%05d: %s\r\n" % (n, b"x" * 60) for n in range(5000))
        assert (await client.mail("a@b.example", PETROVA, text=text)).startswith("552 5.3.4 ")


async def test_a_client_that_leaves_within_its_message_has_sent_nothing(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        await client.expect("DATA", "354 ")
        client.write(MESSAGE)
    async with Client(world) as other:
        await other.ehlo()
    assert await inbox(world, PETROVA) == []


async def test_data_takes_no_argument_and_does_not_follow_chunks(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        await client.expect("DATA now", "501 5.5.4 ")
        client.write(b"BDAT 3\r\nabc")
        assert await client.reply() == "250 2.0.0 Chunk received"
        await client.expect("DATA", "503 5.5.1 ")
        client.write(b"BDAT 0 LAST\r\n")
        assert (await client.reply()).startswith("250 2.0.0 Message taken")
    [message] = await inbox(world, PETROVA)
    assert message.endswith(b"\r\nabc")
