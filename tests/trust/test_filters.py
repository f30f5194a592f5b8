# SPDX-License-Identifier: Apache-2.0
"""Filters that are down, slow, or talk nonsense: mail goes through, marked, and soon without asking them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armgs_server.config import Config
from armgs_server.config.trust import TrustSettings
from armgs_server.trust.filters import Filters
from tests.trust.filter_servers import free_port
from tests.trust.test_arrival import kept, message, send, trusting_nobody
from tests.trust.test_rspamd import arrival

SENDER = "bob@other.example"
CLEAN = b"stream: OK\0"


@asynccontextmanager
async def server(answer: bytes | None) -> AsyncIterator[tuple[str, list[int]]]:
    """Takes what comes, then answers, or is silent; its address, and how often it was asked."""
    asked: list[int] = []
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await reader.read(1024)
        if answer is None:
            await over.wait()
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked
    finally:
        over.set()
        listening.close()
        await listening.wait_closed()


def filters(path: Path, **trust: Any) -> Filters:
    return Filters(Config(path, trust=TrustSettings(**trust)))


async def test_filter_that_is_down_marks_the_message(tmp_path: Path) -> None:
    settings = {
        "rspamd": f"127.0.0.1:{free_port()}",
        "clamav": f"unix:{tmp_path}/nobody",
        "milters": (f"127.0.0.1:{free_port()}",),
    }
    async with trusting_nobody(tmp_path, {}, check=False, **settings) as world:
        assert (await send(world, SENDER, message(SENDER))).startswith("250")
        [text] = await kept(world)
        assert f"\r\nX-Not-Checked: clamav, rspamd, milter {settings['milters'][0]}\r\n" in text


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\0", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"\0\0\0\0", b"x" * 9999]
)
async def test_nonsense_is_no_opinion(tmp_path: Path, answer: bytes) -> None:
    async with server(answer) as (address, _):
        asking = filters(tmp_path, clamav=address, rspamd=address, milters=(address,))
        opinions, missing = await asking.ask_all(arrival(message(SENDER)))
    assert opinions == []
    assert missing == ["clamav", "rspamd", f"milter {address}"]


async def test_silent_filter_is_left_alone_after_some_failures(tmp_path: Path) -> None:
    async with server(None) as (address, asked):
        asking = filters(tmp_path, clamav=address, filter_timeout=0.1, filter_failures=2, filter_pause=3600.0)
        for _ in range(5):
            assert await asking.ask_all(arrival(message(SENDER))) == ([], ["clamav"])
    assert len(asked) == 2


async def test_nobody_turns_a_filter_off_by_what_it_cannot_read(tmp_path: Path) -> None:
    async with server(b"stream: Can't allocate memory ERROR\0") as (address, asked):
        asking = filters(tmp_path, clamav=address, filter_failures=1, filter_pause=3600.0)
        for _ in range(3):
            assert await asking.ask_all(arrival(message(SENDER))) == ([], ["clamav"])
    assert len(asked) == 3


async def test_filter_that_is_back_is_asked_again(tmp_path: Path) -> None:
    port = free_port()
    asking = filters(tmp_path, clamav=f"127.0.0.1:{port}", filter_failures=1, filter_pause=0.1)
    assert (await asking.ask_all(arrival(message(SENDER))))[1] == ["clamav"]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(CLEAN)
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", port)
    async with asyncio.timeout(20):
        while (await asking.ask_all(arrival(message(SENDER))))[1]:
            await asyncio.sleep(0.05)
    listening.close()
    await listening.wait_closed()


async def test_large_message_is_not_shown(tmp_path: Path) -> None:
    async with server(CLEAN) as (address, asked):
        asking = filters(tmp_path, clamav=address, filter_size=65536)
        assert await asking.ask_all(arrival(message(SENDER) + b"x" * 70_000)) == ([], [])
    assert asked == []
