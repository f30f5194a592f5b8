# SPDX-License-Identifier: Apache-2.0
"""Clients on a worker of one's choice: the kernel deals connections out, so one asks until it is right."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.world import World
from tests.xmpp.client import Client
from tests.xmpp.resuming import Counter

# A dead worker's sessions are gone after this many seconds.
SETTINGS: dict[str, dict[str, Any]] = {"server": {"workers": 2}, "xmpp": {"process_timeout": 2.0}}
ATTEMPTS = 100
ROLLING = 90.0  # seconds for all workers to be replaced


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker_of(world: World, client: Client) -> int:
    """The process that holds the other end of a client's connection."""
    mine = client.writer.get_extra_info("sockname")[1]
    port = world.ports["xmpp"]
    inode = next(
        fields[9]
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[2].endswith(f":{mine:04X}") and fields[1].endswith(f":{port:04X}")
    )
    for pid in children(world.pid):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(descriptor) == f"socket:[{inode}]":
                    return pid
            except FileNotFoundError:
                continue
    raise AssertionError("no worker has it")


class Workers:
    """Makes clients; all are disconnected with the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Workers:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def pids(self) -> tuple[int, int]:
        first, second = sorted(children(self.world.pid))
        return first, second

    async def connected(self, worker: int, jid: str, resource: str = "") -> Counter:
        """Connected to that worker, not logged in: binding is what others see."""
        for _ in range(ATTEMPTS):
            client = Counter(self.world, jid, resource)
            await client.connect()
            await client.open()  # the worker has accepted it, so /proc knows whose it is
            if worker_of(self.world, client) == worker:
                await self._stack.enter_async_context(client)
                return client
            await client.disconnect()
        raise AssertionError("all connections went to other workers")

    async def resumed(self, worker: int, former: Counter) -> Counter:
        """The other's session goes on over a connection to that worker."""
        client = await self.connected(worker, former.jid)
        await client.take_over(former)
        return client

    async def log_in(self, worker: int, jid: str, resource: str = "", *, online: bool = True) -> Counter:
        """A session on that worker."""
        client = await self.connected(worker, jid, resource)
        await bind(client)
        if online:
            await client.go_online()
        return client


async def bind(client: Client) -> None:
    """From `connected` to a session."""
    await client.authenticate()
    await client.open()
    await client.bind()


async def roll(world: World) -> None:
    """Replaces the workers one by one; returns when the new ones serve alone."""
    former = set(children(world.pid))
    os.kill(world.pid, signal.SIGUSR1)
    async with asyncio.timeout(ROLLING):
        while former & set(children(world.pid)):
            await asyncio.sleep(0.05)
