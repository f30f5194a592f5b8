# SPDX-License-Identifier: Apache-2.0
"""Lessons wait while rspamd's controller is away, refuses, or the server is stopped; then they are taught."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from armgs_server.storage import clock, training
from armgs_server.trust import training as trainer_module
from armgs_server.trust.training import Trainer
from tests.imap.client import Client as ImapClient
from tests.trust.filter_servers import free_port
from tests.world import IVANOV, World

TEXT = b"From: bob@other.example\r\nSubject: offer\r\n\r\nBuy.\r\n"


@dataclass
class Controller:
    """Takes lessons as rspamd's controller does, and answers with a status of the test's."""

    port: int = 0
    status: int = 200
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        self.requests.append((head, await reader.readexactly(size)))
        writer.write(f"HTTP/1.1 {self.status} x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self.talk, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()


def make_world(path: Path, controller: Controller, **trust: object) -> World:
    settings = {"trust": {"rspamd_controller": f"127.0.0.1:{controller.port}", **trust}}
    return World(path, settings=settings)


async def imap(world: World, mailbox: str = "INBOX") -> ImapClient:
    client = ImapClient(*await world.connect("imap"))
    await client.line()
    await client.ok(f"LOGIN {IVANOV} test-password")
    await client.ok(f"SELECT {mailbox}")
    return client


async def waiting(world: World) -> int:
    count = await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM training"))
    assert isinstance(count, int)
    return count


async def teach(world: World) -> None:
    """Until nothing waits; the daemon's own trainer may be at it as well."""
    async with asyncio.timeout(60):
        while await waiting(world):
            await world.store.write(lambda tx: tx.execute("UPDATE training SET due = 0"))
            await Trainer(world.daemon.core).run_once()


async def test_lessons_survive_a_restart(tmp_path: Path) -> None:
    controller = Controller(free_port())
    world = make_world(tmp_path, controller)
    async with world:
        client = await imap(world)
        await client.append(TEXT)
        await client.ok("MOVE 1 Junk")
        await client.close()
        assert await waiting(world) == 1
        await world.stop()
        await world.start()
        async with controller.listening():
            await teach(world)
    (head, body), *_ = controller.requests
    assert head.startswith("POST /learnspam HTTP/1.1\r\n")
    assert body.endswith(TEXT)


async def test_the_last_move_counts(tmp_path: Path) -> None:
    controller = Controller(free_port())
    async with make_world(tmp_path, controller) as world:
        client = await imap(world)
        await client.append(TEXT)
        await client.ok("MOVE 1 Junk")
        await client.ok("SELECT Junk")
        await client.ok("MOVE 1 INBOX")
        await client.close()
        async with controller.listening():
            await teach(world)
    assert {head.split()[1] for head, _ in controller.requests} == {"/learnham"}


async def test_refusals_wait_and_are_given_up(tmp_path: Path) -> None:
    controller = Controller(free_port(), status=403)
    async with make_world(tmp_path, controller) as world:
        client = await imap(world)
        await client.append(TEXT)
        await client.ok("STORE 1 +FLAGS ($Junk)")
        await client.ok("STORE 1 +FLAGS ($Junk)")  # said already
        await client.close()
        async with controller.listening():
            await world.store.write(lambda tx: tx.execute("UPDATE training SET due = 0"))
            assert await Trainer(world.daemon.core).run_once()
            assert await waiting(world) == 1
            old = clock.now() - 8 * trainer_module.DAY
            await world.store.write(lambda tx: tx.execute("UPDATE training SET created = ?", old))
            await teach(world)


async def test_what_rspamd_knows_already_is_learned(tmp_path: Path) -> None:
    controller = Controller(free_port(), status=404)
    async with make_world(tmp_path, controller) as world:
        client = await imap(world)
        await client.append(TEXT)
        await client.ok("COPY 1 Junk")
        await client.close()
        assert await waiting(world) == 1
        async with controller.listening():
            await teach(world)
        assert await waiting(world) == 0


async def test_nothing_is_noted_without_a_controller(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        client = await imap(world)
        await client.append(TEXT)
        await client.ok("STORE 1 +FLAGS ($Junk)")
        await client.ok("MOVE 1 Junk")
        await client.close()
        assert await waiting(world) == 0


async def test_a_message_that_is_gone_teaches_nothing(tmp_path: Path) -> None:
    controller = Controller(free_port())
    async with make_world(tmp_path, controller) as world:
        await world.store.write(lambda tx: training.add(tx, 1, [b"x" * 32], is_spam=True))
        async with controller.listening():
            await teach(world)
    assert controller.requests == []
