# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of writes: everything acknowledged is there, whole, and nothing half-written is."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from tests.dav.client import Client
from tests.world import IVANOV, PASSWORD, World

FILES = f"/dav/files/{IVANOV}"
WRITERS = 4


def content(name: str, version: int) -> bytes:
    """Small bodies lie in the database, large ones in files: both kinds are written."""
    size = 200_000 if version % 2 else 300
    return hashlib.sha256(f"{name} {version}".encode()).digest() * (size // 32)


async def write_until_killed(client: Client, name: str, acknowledged: dict[str, int]) -> None:
    version = 0
    while True:
        try:
            answer = await client.request("PUT", f"{FILES}/{name}", content(name, version))
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        assert answer.status in (201, 204)
        acknowledged[name] = version
        version += 1


async def test_what_was_acknowledged_survives(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        acknowledged: dict[str, int] = {}
        clients = [Client(world.ports["http"], IVANOV, PASSWORD) for _ in range(WRITERS)]
        writers = [
            asyncio.create_task(write_until_killed(client, f"file-{number}", acknowledged))
            for number, client in enumerate(clients)
        ]
        while len(acknowledged) < WRITERS or sum(acknowledged.values()) < 40:
            await asyncio.sleep(0.01)
        await world.kill()
        await asyncio.wait_for(asyncio.gather(*writers), 20)
        for client in clients:
            await client.close()
        await world.start()
        reader = Client(world.ports["http"], IVANOV, PASSWORD)
        for name, version in acknowledged.items():
            answer = await reader.request("GET", f"{FILES}/{name}")
            # The one after it may have been stored without the answer getting out.
            assert answer.body in (content(name, version), content(name, version + 1))
        listed = await reader.request("PROPFIND", f"{FILES}/", headers={"Depth": "1"})
        there = {href.rpartition("/")[2] for href in listed.hrefs if not href.endswith("/")}
        assert there == set(acknowledged)
        await reader.close()
