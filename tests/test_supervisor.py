# SPDX-License-Identifier: Apache-2.0
"""Two workers: they hear each other; who dies or stands still is replaced; a rolling restart loses nobody."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests import dav_requests
from tests.chat_client import ChatClient
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, SERVE, World
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


def worker_of(world: World, client: IMAPClient, supervisor: int) -> int:
    """The worker that serves a connection: who holds the other end of its socket."""
    mine = client.socket().getsockname()[1]
    line = next(
        fields
        for fields in (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        if fields[2].endswith(f":{mine:04X}") and fields[1].endswith(f":{world.ports['imap']:04X}")
    )
    for pid in children(supervisor):
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


def one_on_each(world: World, supervisor: int = 0) -> dict[int, IMAPClient]:
    """Sessions on both workers; the kernel decides which connection goes where."""
    found: dict[int, IMAPClient] = {}
    for _ in range(200):
        client = log_in(world)
        if found.setdefault(worker_of(world, client, supervisor or world.pid), client) is not client:
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
    assert len(workers) == 2
    await world.kill()
    async with asyncio.timeout(WAIT):
        while any(Path(f"/proc/{pid}/stat").exists() for pid in workers):
            await asyncio.sleep(0.05)


async def test_another_daemon_on_the_same_ports_is_refused(world: World, tmp_path: Path) -> None:
    """The kernel would let it in, and deal it half of our connections (SO_REUSEPORT)."""
    other = tmp_path / "other"
    shutil.copytree(world.path / "tls", other / "tls")
    (other / "armgs.toml").write_text(world.config_file.read_text())
    child = await asyncio.create_subprocess_exec(
        sys.executable, *SERVE, str(other), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(child.communicate(), WAIT)
    assert child.returncode == 1
    assert b"cannot listen on 127.0.0.1 port" in errors


async def test_a_worker_that_stands_still_is_replaced(tmp_path: Path) -> None:
    settings = {"server": {"workers": 2, "worker_timeout": 4.0}}
    async with World(tmp_path, process=True, settings=settings) as world:
        sessions = await asyncio.to_thread(one_on_each, world)
        victim, survivor = sessions
        os.kill(victim, signal.SIGSTOP)
        async with asyncio.timeout(WAIT):
            while victim in children(world.pid) or len(children(world.pid)) < 2:
                await asyncio.sleep(0.05)
        assert "worker does not turn" in world.log_file.read_text()
        assert survivor in children(world.pid), "who turns is left alone"
        assert await asyncio.to_thread(sessions[survivor].noop)


async def test_a_supervisor_that_slept_takes_nobody_for_dead(tmp_path: Path) -> None:
    settings = {"server": {"workers": 2, "worker_timeout": 4.0}}
    async with World(tmp_path, process=True, settings=settings) as world:
        before = children(world.pid)
        os.kill(world.pid, signal.SIGSTOP)
        await asyncio.sleep(5.0)  # longer than the time-out: here time is what it is about
        os.kill(world.pid, signal.SIGCONT)
        for _ in range(20):
            assert await asyncio.to_thread(log_in(world).noop)
        assert children(world.pid) == before
        assert "worker does not turn" not in world.log_file.read_text()


async def test_workers_share_the_sockets_of_systemd(world: World, debian: Callable[..., None]) -> None:
    debian("systemd")
    await world.stop()
    child = await asyncio.create_subprocess_exec(
        "systemd-socket-activate",
        *(f"--listen={HOST}:{world.ports[name]}" for name in ("imap", "http")),
        sys.executable,
        *SERVE,
        str(world.path),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        client = await asyncio.to_thread(log_in_when_served, world)  # the first connection starts it
        found = await asyncio.to_thread(one_on_each, world, child.pid)
        assert len(found) == 2 and client.noop()
        victim = next(iter(found))
        os.kill(victim, signal.SIGKILL)
        for _ in range(20):
            assert await asyncio.to_thread(log_in(world).noop)
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()


def log_in_when_served(world: World) -> IMAPClient:
    deadline = time.monotonic() + 90.0
    while True:
        try:
            return log_in(world)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
