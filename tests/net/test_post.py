# SPDX-License-Identifier: Apache-2.0
"""POST to what somebody has named: the outcome alone, and never into networks that are not allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from armgs_server.config import LimitSettings
from armgs_server.errors import Denied, Invalid, Temporary
from armgs_server.net.post import Posted, post
from tests.web import Web, running_web

LIMITS = LimitSettings()
HERE = ("127.0.0.0/8",)


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    async with running_web() as web:
        yield web


async def send(url: str, timeout: float = 20.0, networks: tuple[str, ...] = HERE) -> Posted:
    return await post(url, b"body", {"TTL": "5"}, LIMITS, timeout, networks)


async def test_the_outcome(web: Web) -> None:
    web.put("/a?b=c", b"hello", status="201 Created")
    assert await send(web.url("/a?b=c")) == Posted(201, 0)
    head = web.asked[0]
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\n") and b"\r\nContent-Length: 4\r\n" in head
    assert b"\r\nTTL: 5\r\n" in head
    web.put("/busy", b"", status="429 Too Many Requests", extra="Retry-After: 120\r\n")
    assert await send(web.url("/busy")) == Posted(429, 120)
    web.put("/date", b"", status="503 Busy", extra="Retry-After: Wed, 20 Dec 2023 10:03:31 GMT\r\n")
    assert await send(web.url("/date")) == Posted(503, 0)
    web.put("/moved", b"", status="307 Temporary Redirect", extra="Location: /a\r\n")
    assert (await send(web.url("/moved"))).status == 307
    assert (await send(web.url("/none"))).status == 404


async def test_where_it_may_not_go(web: Web) -> None:
    with pytest.raises(Denied):
        await send(web.url("/a"), networks=())
    with pytest.raises(Denied):
        await send(f"http://localhost:{web.port}/a", networks=("10.0.0.0/8",))
    for url in ("ftp://example.org/", "http://user:secret@example.org/", "http://", "file:///etc/passwd"):
        with pytest.raises(Invalid):
            await send(url)
    assert web.asked == []


async def test_answers_that_are_none(web: Web) -> None:
    web.pages["/nothing"] = b""
    web.pages["/noise"] = b"\x00\xff nonsense\r\n\r\n"
    web.pages["/endless"] = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"
    for path in web.pages:
        with pytest.raises(Temporary):
            await send(web.url(path))


async def test_silence_ends() -> None:
    taken: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Temporary, match="too slow"):
        await send(f"http://127.0.0.1:{port}/", timeout=0.2)
    for writer in taken:
        writer.close()
    server.close()
    await server.wait_closed()
    with pytest.raises(Temporary):
        await send(f"http://127.0.0.1:{port}/")
