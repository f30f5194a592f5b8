# SPDX-License-Identifier: Apache-2.0
"""Two hosts on one PostgreSQL and one NATS: hints cross; with NATS gone the counters are polled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from armgs_server.storage import Store, accounts, collections, items
from armgs_server.storage.bus_nats import NatsBus
from tests import nats

OWNER = 7


@pytest.fixture
def server(tmp_path: Path) -> Iterator[nats.Server]:
    server = nats.Server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def hosts(postgresql_url: str, server: nats.Server, tmp_path: Path) -> AsyncIterator[list[Store]]:
    async with AsyncExitStack() as stack:
        stores = []
        for name in ("a", "b"):
            bus = NatsBus(server.url)
            await bus.start()
            stack.push_async_callback(bus.stop)
            store = await Store.open(postgresql_url, tmp_path / name, bus=bus)
            stack.push_async_callback(store.close)
            store.watch()
            stores.append(store)
        yield stores


@pytest.mark.postgres
async def test_hints_cross_hosts_and_an_outage_loses_none(server: nats.Server, hosts: list[Store]) -> None:
    a, b = hosts
    await a.write(lambda tx: accounts.provision(tx, OWNER))
    inbox = await a.read(lambda tx: collections.by_role(tx, OWNER, "mail", "inbox"))
    assert inbox is not None and isinstance(b.bus, NatsBus)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    b.bus.subscribe(f"changes:{OWNER}", heard.put_nowait)
    await b.bus.settled()

    async def deliver() -> bytes:
        item = await a.write(lambda tx: items.add(tx, inbox, a.blobs.small(b"hello")))
        return b"%d %d" % (inbox.id, item.modseq)

    async def hears(hint: bytes) -> None:
        async with asyncio.timeout(20):
            while await heard.get() != hint:
                pass

    await hears(await deliver())
    server.stop()
    await hears(await deliver())
    await hears(await deliver())
    server.start()
    await hears(await deliver())
