# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the XMPP tests: a daemon, and clients that are ended with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.world import World
from tests.xmpp.client import Client

LogIn = Callable[..., Awaitable[Client]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


@pytest.fixture
async def log_in(world: World) -> AsyncIterator[LogIn]:
    """`await log_in(jid, resource)`: a bound session; with `online=True` an available one."""
    clients: list[Client] = []

    async def make(jid: str, resource: str = "", *, online: bool = True, lang: str = "") -> Client:
        client = Client(world, jid, resource)
        clients.append(client)
        await client.log_in(lang=lang)
        if online:
            await client.go_online()
        return client

    yield make
    for client in clients:
        await client.disconnect()
