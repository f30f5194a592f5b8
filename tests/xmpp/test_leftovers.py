# SPDX-License-Identifier: Apache-2.0
"""Who has logged out leaves nothing behind that only the collector would find: parsers are large."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from armgs_server.net.stream import Stream
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.c2s import ClientStream
from armgs_server.xmpp.protocol import Protocol
from armgs_server.xmpp.session import Session
from tests.world import IVANOV, World
from tests.xmpp.client import Client

KINDS = (Stream, ClientStream, Protocol, Session, Account)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def there() -> list[str]:
    return [type(each).__name__ for each in gc.get_objects() if isinstance(each, KINDS)]


@pytest.mark.usefixtures("no_collector")
async def test_a_session_that_ended(world: World) -> None:
    for _ in range(3):
        client = Client(world, IVANOV)
        await client.log_in()
        await client.go_online()
        await client.enable_sm()
        assert {"Stream", "ClientStream", "Protocol", "Session", "Account"} <= set(there())
        await client.close()
        await client.disconnect()
        async with asyncio.timeout(30):
            while there():
                await asyncio.sleep(0.1)
    assert there() == []


@pytest.mark.usefixtures("no_collector")
async def test_a_connection_that_was_cut_before_it_said_anything_sensible(world: World) -> None:
    for text in ("", "<stream:stream"):
        _, stream = await world.connect("xmpp")
        stream.write(text.encode())
        async with asyncio.timeout(30):
            while "ClientStream" not in there():
                await asyncio.sleep(0.1)
            stream.close()
            while there():
                await asyncio.sleep(0.1)
    assert there() == []
