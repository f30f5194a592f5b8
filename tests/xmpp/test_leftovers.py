# SPDX-License-Identifier: Apache-2.0
"""Who has logged out leaves nothing behind that only the collector would find: parsers are large."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator

import pytest

from armgs_server.net.stream import Stream
from armgs_server.xmpp.account import Account
from armgs_server.xmpp.c2s import ClientStream
from armgs_server.xmpp.protocol import Protocol
from armgs_server.xmpp.session import Session
from tests.world import IVANOV, World
from tests.xmpp.client import Client

KINDS = (Stream, ClientStream, Protocol, Session, Account)


There = Callable[[], list[str]]


@pytest.fixture
def there() -> Iterator[There]:
    """The names of what has come since the test began, while nothing collects cycles."""
    gc.collect()
    earlier = [
        each for each in gc.get_objects() if isinstance(each, KINDS)
    ]  # a failed test's frames hold some
    known = {id(each) for each in earlier}
    gc.disable()

    def found() -> list[str]:
        objects = (each for each in gc.get_objects() if isinstance(each, KINDS))
        return [type(each).__name__ for each in objects if id(each) not in known]

    yield found
    gc.enable()


async def test_a_session_that_ended(world: World, there: There) -> None:
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


async def test_a_connection_that_was_cut_before_it_said_anything_sensible(world: World, there: There) -> None:
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
