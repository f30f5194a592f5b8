# SPDX-License-Identifier: Apache-2.0
"""SMTP smuggling with a bent client: no end of a message but <CRLF>.<CRLF>, over a socket, into the store."""

from __future__ import annotations

import pytest

from tests.smtp.client import Client, inbox
from tests.world import IVANOV, PETROVA, World

ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r.\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\n\n.\r\n",
    b"\r\n\x00.\r\n",
]


@pytest.mark.parametrize("end", ENDS)
async def test_one_message_stays_one(world: World, end: bytes) -> None:
    smuggled = f"MAIL FROM:<minister@x.example>\r\nRCPT TO:<{IVANOV}>\r\nDATA\r\nSubject: 2\r\n\r\n".encode()
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        await client.expect("DATA", "354 ")
        client.write(b"Subject: 1\r\n\r\nbody" + end + smuggled + b"\r\n.\r\n")
        assert (await client.reply()).startswith("250 2.0.0 Message taken")
        await client.expect("NOOP", "250 2.0.0 OK")
    assert await inbox(world, IVANOV) == []
    [message] = await inbox(world, PETROVA)
    assert b"minister@x.example" in message


async def test_what_is_kept_has_no_bare_line_feed(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
        await client.expect("DATA", "354 ")
        client.write(b"Subject: 1\n\nline\n.\nline\r\n.\r\n")
        assert (await client.reply()).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert message.endswith(b"Subject: 1\r\n\r\nline\r\n.\r\nline\r\n")
    assert message.count(b"\n") == message.count(b"\r\n")
