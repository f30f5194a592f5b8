# SPDX-License-Identifier: Apache-2.0
"""The daemon as a whole: start, stop, reload, redirects."""

import asyncio
from pathlib import Path

from tests.world import World


async def request(world: World, service: str, text: bytes, *, secure: bool = False) -> bytes:
    reader, writer = await world.connect(service, secure=secure)
    writer.write(text)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


GET = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def test_in_process_world_answers_on_both_http_ports(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        assert (await request(world, "http", GET)).startswith(b"HTTP/1.1 404 ")
        assert (await request(world, "https", GET, secure=True)).startswith(b"HTTP/1.1 404 ")


async def test_process_survives_kill_and_restart(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        assert (await request(world, "http", GET)).startswith(b"HTTP/1.1 404 ")
        await world.restart()
        assert (await request(world, "http", GET)).startswith(b"HTTP/1.1 404 ")
