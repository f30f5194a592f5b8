# SPDX-License-Identifier: Apache-2.0
"""Two daemons of ours, one sending to the other: what both know of SMTP holds from end to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from armgs_server.storage import queue
from tests.smtp.client import Client, inbox, wait_for_mail
from tests.world import IVANOV, World

FRIEND = "friend@other.example"
BINARY = (
    b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\n.\r\xff"
)


@asynccontextmanager
async def two(tmp_path: Path, *, trusts: bool = True) -> AsyncIterator[tuple[World, World]]:
    async with World(tmp_path / "there") as there:
        await there.directory.create_department("Other", ["other.example"])
        await there.directory.create_person(FRIEND)
        smtp = {"relay_routes": [f"other.example=localhost:{there.ports['smtp']}"]}
        settings = {"smtp": smtp | ({"relay_ca": str(there.ca)} if trusts else {})}
        async with World(tmp_path / "here", settings=settings) as here:
            yield here, there


async def test_a_binary_message_arrives_byte_for_byte(tmp_path: Path) -> None:
    text = f"From: <{IVANOV}>\r\nDate: x\r\nMessage-ID: <1@x>\r\n".encode() + BINARY
    async with two(tmp_path) as (here, there):
        async with Client(here, "submission") as client:
            await client.ehlo()
            await client.login(IVANOV)
            await client.expect(f"MAIL FROM:<{IVANOV}> BODY=BINARYMIME", "250 ")
            await client.expect(f"RCPT TO:<{FRIEND}>", "250 ")
            client.write(f"BDAT {len(text)} LAST\r\n".encode() + text)
            assert (await client.reply()).startswith("250 ")
        [message] = await wait_for_mail(there, FRIEND)
    assert message.endswith(BINARY)


async def test_what_must_be_protected_goes_where_tls_is_proven(tmp_path: Path) -> None:
    async with two(tmp_path) as (here, there):
        await submit_protected(here)
        [message] = await wait_for_mail(there, FRIEND)
    assert b" with ESMTPS id " in message


async def test_and_nowhere_else(tmp_path: Path) -> None:
    async with two(tmp_path, trusts=False) as (here, there):
        await submit_protected(here)
        await wait_for_attempt(here)
        assert await inbox(there, FRIEND) == []


async def submit_protected(world: World) -> None:
    async with Client(world, "submissions", secure=True) as client:
        assert "REQUIRETLS" in await client.ehlo()
        await client.login(IVANOV)
        await client.expect(f"MAIL FROM:<{IVANOV}> REQUIRETLS", "250 ")
        await client.expect(f"RCPT TO:<{FRIEND}>", "250 ")
        assert (await client.send_text(b"Subject: secret\r\n\r\n")).startswith("250 ")


async def wait_for_attempt(world: World) -> None:
    async with asyncio.timeout(30):
        while True:
            [entry] = await world.store.read(queue.scan)
            if entry.attempts:
                assert "CERTIFICATE_VERIFY_FAILED" in entry.last_error
                return
            await asyncio.sleep(0.02)
