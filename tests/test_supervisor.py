# SPDX-License-Identifier: Apache-2.0
"""Two workers: they hear each other, a killed one is replaced, a rolling restart refuses nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests import dav_requests
from tests.chat_client import ChatClient
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import chat
from tests.xmpp.workers import Workers

WAIT = 20.0


SETTINGS = {"server": {"workers": 2}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, process=True, settings=SETTINGS) as world:
        yield world


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker_of(world: World, client: IMAPClient) -> int:
    """The worker that serves a connection: who holds the other end of its socket."""
    mine = client.socket().getsockname()[1]
    line = next(
        fields
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[2].endswith(f":{mine:04X}") and fields[1].endswith(f":{world.ports['imap']:04X}")
    )
    for pid in children(world.pid):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if os.readlink(descriptor) == f"socket:[{line[9]}]":
                    return pid
            except FileNotFoundError:
                continue
    raise AssertionError("no worker has it")


def log_in(world: World) -> IMAPClient:
    client = IMAPClient(HOST, world.ports["imap"], ssl=False, timeout=WAIT)
    client.login(PETROVA, PASSWORD)
    client.select_folder("INBOX")
    return client


def one_on_each(world: World) -> dict[int, IMAPClient]:
    """Sessions on both workers; the kernel decides which connection goes where."""
    found: dict[int, IMAPClient] = {}
    for _ in range(200):
        client = log_in(world)
        if found.setdefault(worker_of(world, client), client) is not client:
            client.logout()
        if len(found) == 2:
            return found
    raise AssertionError("all connections went to one worker")


async def test_a_change_on_one_worker_is_heard_on_the_other(tmp_path: Path, store_url: str) -> None:
    def run(world: World) -> None:
        first, second = one_on_each(world).values()
        second.idle()
        first.append("INBOX", b"Subject: hello\r\n\r\nx\r\n")
        assert (1, b"EXISTS") in second.idle_check(timeout=WAIT)

    async with World(tmp_path, process=True, store_url=store_url, settings=SETTINGS) as world:
        await asyncio.to_thread(run, world)


async def test_chat_goes_between_workers(tmp_path: Path) -> None:
    """slixmpp on each worker; what else holds between workers is in tests/xmpp/test_processes.py."""
    async with World(tmp_path, process=True, settings=SETTINGS) as world, Workers(world) as workers:
        clients = [ChatClient(world, f"{IVANOV}/{name}") for name in "abcdef"]
        for client in clients:
            await client.online()
        for number, worker in enumerate(workers.pids):
            petrova = await workers.log_in(worker, PETROVA, f"desk{number}")
            petrova.send(chat(IVANOV, f"from worker {number}"))
            for client in clients:
                await client.hears(f"from worker {number}")
        for client in clients:
            assert client.heard == ["from worker 0", "from worker 1"]
            await client.offline()


async def test_a_killed_worker_is_replaced_and_nobody_is_refused(world: World) -> None:
    def run() -> None:
        sessions = one_on_each(world)
        victim, survivor = sessions
        os.kill(victim, signal.SIGKILL)
        for number in range(60):  # some of these wait in the dead worker's backlog for its replacement
            path = f"/dav/files/{IVANOV}/{number}.txt"
            assert dav_requests.Client(world, IVANOV).request("PUT", path, b"x").status == 201
        now = children(world.pid)
        assert victim not in now and survivor in now and len(now) == 2
        assert sessions[survivor].noop()
        fresh = log_in(world)
        assert fresh.noop()

    await asyncio.to_thread(run)


async def test_a_rolling_restart_replaces_both_without_a_refused_connection(world: World) -> None:
    before = set(children(world.pid))
    restart = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "armgs_server", "restart", "--rolling", "--config", str(world.config_file)
    )

    def put_until_replaced() -> int:
        for number in range(5000):
            path = f"/dav/files/{IVANOV}/{number}.txt"
            assert dav_requests.Client(world, IVANOV).request("PUT", path, b"x").status == 201
            now = set(children(world.pid))
            if not now & before and len(now) == 2:
                return number
        raise AssertionError("the workers were not replaced")

    assert await asyncio.to_thread(put_until_replaced) > 0
    assert await asyncio.wait_for(restart.wait(), WAIT) == 0
    async with asyncio.timeout(WAIT):
        while set(children(world.pid)) & before:
            await asyncio.sleep(0.05)


async def test_the_end_of_the_supervisor_is_the_end_of_its_workers(world: World) -> None:
    workers = children(world.pid)
    await world.kill()
    async with asyncio.timeout(WAIT):
        while any(Path(f"/proc/{pid}/stat").exists() for pid in workers):
            await asyncio.sleep(0.05)
