# SPDX-License-Identifier: Apache-2.0
"""Reads served by a real streaming replica: used where it has come far enough, never where it has not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from armgs_server.errors import NotFound
from armgs_server.storage import Store, accounts, collections, items
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Options, Tx
from tests import postgres

pytestmark = pytest.mark.postgres
LAG = 2.0


@pytest.fixture(scope="module")
def primary() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="module")
def standby(primary: postgres.Server) -> Iterator[postgres.Server]:
    with primary.standby() as replica:
        yield replica


@pytest.fixture
async def store(primary: postgres.Server, standby: postgres.Server, tmp_path: Path) -> AsyncIterator[Store]:
    url = primary.create_database()
    replica = url.replace(str(primary.directory), str(standby.directory))
    opened = await Store.open(
        url, tmp_path, options=Options(timeout=5.0, replicas=(replica,), replica_lag=LAG)
    )
    await opened.write(lambda tx: accounts.provision(tx, 1))
    yield opened
    standby.execute("SELECT pg_wal_replay_resume()")
    await opened.close()


async def is_standby(tx: Tx) -> bool:
    return bool(await tx.value("SELECT pg_is_in_recovery()"))


async def until(store: Store, on_standby: bool, as_of: Collection | None = None) -> None:
    """Waits until reads that may be old are served where they should be."""
    deadline = time.monotonic() + 30
    while await store.read_aside(is_standby, as_of=as_of) is not on_standby:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def inbox(store: Store) -> Collection:
    found = await store.read(lambda tx: collections.by_role(tx, 1, "mail", "inbox"))
    assert found is not None
    return found


async def test_reads_that_may_be_old_go_to_the_replica_and_others_do_not(store: Store) -> None:
    await until(store, on_standby=True)
    assert await store.read(is_standby) is False
    assert await store.write(is_standby) is False


async def test_what_somebody_has_seen_is_never_unseen(store: Store, standby: postgres.Server) -> None:
    await until(store, on_standby=True)
    box = await inbox(store)

    async def look(tx: Tx) -> tuple[bool, int]:
        return await is_standby(tx), len(await items.scan(tx, 1, box.id))

    await until(store, on_standby=True, as_of=box)  # it may not have heard of the account yet
    assert await store.read_aside(look, as_of=box) == (True, 0)
    standby.execute("SELECT pg_wal_replay_pause()")
    await store.write(lambda tx: items.add(tx, box, store.blobs.small(b"hello")))
    assert await store.read_aside(look, as_of=await inbox(store)) == (False, 1)
    assert await store.read_aside(look, as_of=box) == (True, 0)  # who has seen less may see less
    standby.execute("SELECT pg_wal_replay_resume()")
    now = await inbox(store)
    deadline = time.monotonic() + 30
    while await store.read_aside(look, as_of=now) != (True, 1):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_what_the_replica_has_not_got_comes_from_the_primary(
    store: Store, standby: postgres.Server
) -> None:
    await until(store, on_standby=True)
    box = await inbox(store)
    standby.execute("SELECT pg_wal_replay_pause()")
    item = await store.write(lambda tx: items.add(tx, box, store.blobs.small(b"just now")))
    assert await store.blobs.read(item.blob) == b"just now"
    with pytest.raises(NotFound):
        await store.blobs.read(b"\0" * 32)


async def test_a_replica_that_lags_is_not_used_until_it_has_caught_up(
    store: Store, standby: postgres.Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "armgs_server.storage.postgresql_replica")

    def told() -> list[str]:
        return [record.message for record in caplog.records if record.name.endswith("postgresql_replica")]

    async def until_told(words: str) -> None:
        """The look at the replica that says so may come a moment later than the reads that show it."""
        deadline = time.monotonic() + 30
        while not (told() and words in told()[-1]):
            assert time.monotonic() < deadline, told()
            await asyncio.sleep(0.05)

    await until(store, on_standby=True)
    standby.execute("SELECT pg_wal_replay_pause()")
    await store.write(lambda tx: accounts.create(tx, 2))
    await until(store, on_standby=False)
    await until_told("not used")
    await store.write(lambda tx: accounts.create(tx, 3))
    standby.execute("SELECT pg_wal_replay_resume()")
    await until(store, on_standby=True)
    await until_told("used again")
    lines = told()
    # One line for each change, not for each look.
    assert ["not used" in line for line in lines] == [at % 2 == 0 for at in range(len(lines))]


async def test_a_replica_that_is_killed_costs_nobody_an_error(store: Store, standby: postgres.Server) -> None:
    await until(store, on_standby=True)
    box = await inbox(store)
    reading = True
    read = 0

    async def reader() -> None:
        nonlocal read
        while reading:
            assert await store.read_aside(lambda tx: items.scan(tx, 1, box.id), as_of=box) == []
            read += 1

    readers = [asyncio.create_task(reader()) for _ in range(4)]
    await asyncio.to_thread(standby.stop)
    await until(store, on_standby=False)
    await asyncio.to_thread(standby.start)
    await until(store, on_standby=True)
    reading = False
    await asyncio.gather(*readers)
    assert read > 20


async def test_the_replica_of_another_store_is_not_used(
    primary: postgres.Server, standby: postgres.Server, tmp_path: Path
) -> None:
    mine, other = primary.create_database(), primary.create_database()
    await (await Store.open(other, tmp_path)).close()
    replica = other.replace(str(primary.directory), str(standby.directory))
    for replicas in ((replica,), (mine,)):  # a standby of something else; a server that is no standby
        store = await Store.open(mine, tmp_path, options=Options(replicas=replicas))
        for _ in range(20):
            assert await store.read_aside(is_standby) is False
            await asyncio.sleep(0.1)
        await store.close()


async def test_without_replicas_it_is_a_read_like_any_other(store_url: str, tmp_path: Path) -> None:
    store = await Store.open(store_url, tmp_path)
    await store.write(lambda tx: accounts.provision(tx, 1))
    box = await inbox(store)
    assert await store.read_aside(lambda tx: items.scan(tx, 1, box.id), as_of=box) == []
    await store.close()
