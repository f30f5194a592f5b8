# SPDX-License-Identifier: Apache-2.0
"""A restore of parts beside a daemon: connected clients see what comes back; who is coming back is shut out
until all of it is there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.cli.app import main
from armgs_server.storage import collections, items
from armgs_server.storage import mail as messages
from armgs_server.storage.tx import Tx
from tests.imap.client import TIMEOUT, Client
from tests.world import IVANOV, PASSWORD, World

LETTERS = 5


async def armgs(world: World, *arguments: object) -> int:
    return await asyncio.to_thread(main, [*map(str, arguments), "--config", str(world.path)])


async def deliver(world: World) -> int:
    """Some letters for Ivanov; his number."""
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    for number in range(LETTERS):
        ref = await world.store.blobs.put(b"Subject: letter %d\r\n\r\nbody\r\n" % number)
        index = await messages.read_index(world.store.blobs, ref)

        async def work(tx: Tx) -> None:
            inbox = await collections.by_role(tx, person.id, "mail", "inbox")
            assert inbox is not None
            await messages.append(tx, inbox, ref, index)  # noqa: B023 - awaited before the next

        await world.store.write(work)
    return person.id


async def logged_in(world: World) -> Client:
    client = Client(*await world.connect("imap", secure=False))
    assert (await client.line()).startswith(b"* OK")
    assert (await client.command(f"LOGIN {IVANOV} {PASSWORD}"))[-1].startswith(b"OK")
    return client


async def test_a_client_that_waits_is_told(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        owner = await deliver(world)
        assert await armgs(world, "backup", "add", tmp_path / "backups") == 0

        async def lose(tx: Tx) -> None:
            inbox = await collections.by_role(tx, owner, "mail", "inbox")
            assert inbox is not None
            await items.remove(tx, inbox, [1, 2, 3, 4])

        await world.store.write(lose)
        client = await logged_in(world)
        assert b"* 1 EXISTS" in await client.command("SELECT INBOX")
        client.send(b"i IDLE\r\n")
        assert (await client.line()).startswith(b"+")
        done = await armgs(world, "restore", "person", tmp_path / "backups", IVANOV, "--in-place")
        assert done == 0
        async with asyncio.timeout(TIMEOUT):
            while b"* 5 EXISTS" not in await client.line():
                pass
        client.send(b"DONE\r\n")
        await client.responses(b"i")
        fetched = await client.command("FETCH 1:* (UID ENVELOPE)")
        assert len(fetched) == LETTERS + 1
        assert all(b"letter" in line for line in fetched[:-1])


async def test_who_was_removed_logs_in_again_and_reads_on(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await deliver(world)
        assert await armgs(world, "backup", "add", tmp_path / "backups") == 0
        client = await logged_in(world)
        selected = await client.command("SELECT INBOX")
        assert await armgs(world, "remove", IVANOV, "--yes") == 0
        async with asyncio.timeout(TIMEOUT):
            while await client.reader.read(1000):  # BYE, and the connection ends
                pass
        assert await armgs(world, "restore", "person", tmp_path / "backups", IVANOV) == 0
        async with asyncio.timeout(TIMEOUT):
            while (found := await world.directory.by_address(IVANOV)) is None or found.disabled:
                await asyncio.sleep(0.1)
        again = await (await logged_in(world)).command("SELECT INBOX")
        assert b"* %d EXISTS" % LETTERS in again
        # Uids are those of before under another UIDVALIDITY: nothing that a client has kept is mixed up.
        before, after = (
            next(line for line in lines if b"UIDVALIDITY" in line) for lines in (selected, again)
        )
        assert before != after
        assert next(line for line in again if b"UIDNEXT" in line) in selected
