# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL that stands still, is full, or goes away in the middle: a temporary error or the true answer."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from armgs_server.errors import AlreadyExists, Temporary
from armgs_server.storage import Store, accounts
from armgs_server.storage.tx import Options, Tx
from tests import postgres

pytestmark = pytest.mark.postgres
CONNECTIONS = 6
TIMEOUT = 1.5
Opener = Callable[[Options], Awaitable[Store]]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    settings = {"max_connections": "8", "superuser_reserved_connections": "0", "synchronous_commit": "on"}
    with postgres.running(settings) as running:
        yield running


@pytest.fixture
async def opened(server: postgres.Server, tmp_path: Path) -> AsyncIterator[Opener]:
    """Stores on one empty database, closed after the test."""
    url = server.create_database()
    stores = []

    async def open_store(options: Options) -> Store:
        stores.append(await Store.open(url, tmp_path, options=options))
        return stores[-1]

    yield open_store
    for store in stores:
        await store.close()
    server.drop_database(url)


async def items_of(store: Store, owner: int) -> int:
    return (await store.read(lambda tx: accounts.usage(tx, owner))).items


async def eventually(action: Callable[[], Awaitable[object]]) -> None:
    """Until it does not raise Temporary any more."""
    deadline = time.monotonic() + 30
    while True:
        try:
            await action()
        except Temporary:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        else:
            return


async def test_a_server_that_stands_still_is_a_temporary_error_in_time(
    server: postgres.Server, opened: Opener
) -> None:
    store = await opened(Options(CONNECTIONS, TIMEOUT))
    await store.write(lambda tx: accounts.create(tx, 1))
    server.pause()
    try:
        began = time.monotonic()
        answers = await asyncio.gather(
            *(store.read(lambda tx: accounts.usage(tx, 1)) for _ in range(20)),
            *(store.write(lambda tx: accounts.charge(tx, 1, 1, 1)) for _ in range(20)),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [Temporary] * 40
        assert time.monotonic() - began < 10 * TIMEOUT
    finally:
        server.go_on()
    await eventually(lambda: store.write(lambda tx: accounts.charge(tx, 1, 1, 1)))
    # What was refused may have been under way and be there: each once at most, as a client sees it that asks.
    assert 1 <= await items_of(store, 1) <= 21


async def test_at_the_connection_limit_the_works_share_what_there_is(
    server: postgres.Server, opened: Opener
) -> None:
    store = await opened(Options(CONNECTIONS, 20.0))
    await store.write(lambda tx: accounts.create(tx, 1))
    others = [await asyncpg.connect(server.url("postgres")) for _ in range(6)]  # one more is left
    try:
        await asyncio.gather(
            *(store.write(lambda tx: accounts.charge(tx, 1, 1, 1)) for _ in range(30)),
            *(store.read(lambda tx: accounts.usage(tx, 1)) for _ in range(30)),
        )
    finally:
        for connection in others:
            await connection.close()
    assert await items_of(store, 1) == 30


async def test_without_any_connection_it_is_temporary(server: postgres.Server, opened: Opener) -> None:
    store = await opened(Options(CONNECTIONS, TIMEOUT))
    await store.write(lambda tx: accounts.create(tx, 1))
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'")
    others = [await asyncpg.connect(server.url("postgres")) for _ in range(8)]
    try:
        with pytest.raises(Temporary):
            await store.write(lambda tx: accounts.charge(tx, 1, 1, 1))
        with pytest.raises(Temporary):
            await store.read(lambda tx: accounts.usage(tx, 1))
    finally:
        for connection in others:
            await connection.close()
    await eventually(lambda: store.write(lambda tx: accounts.charge(tx, 1, 1, 1)))
    assert await items_of(store, 1) == 1


async def test_connections_ended_while_idle_are_replaced_unnoticed(
    server: postgres.Server, opened: Opener
) -> None:
    store = await opened(Options(CONNECTIONS, 20.0))
    await store.write(lambda tx: accounts.create(tx, 1))
    for _ in range(3):
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'")
        await store.write(lambda tx: accounts.charge(tx, 1, 1, 1))
        assert await items_of(store, 1) > 0
    assert await items_of(store, 1) == 3


async def test_a_connection_lost_before_the_commit_is_run_again(opened: Opener) -> None:
    store = await opened(Options(CONNECTIONS, 20.0))
    await store.write(lambda tx: accounts.create(tx, 1))
    runs = 0

    async def work(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        await accounts.charge(tx, 1, 1, 1)
        if runs == 1:
            os.kill(await tx.value("SELECT pg_backend_pid()"), signal.SIGTERM)

    await store.write(work)
    assert (runs, await items_of(store, 1)) == (2, 1)


@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_connection_lost_in_the_commit_is_asked_for(
    server: postgres.Server, opened: Opener, is_committed: bool
) -> None:
    """The commit waits, for a standby that is not there or in a late trigger, and its process is ended."""
    store = await opened(Options(CONNECTIONS, 20.0))
    await store.write(lambda tx: accounts.create(tx, 1))
    statements = (
        ["CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
         " IF NEW.items = 1 THEN PERFORM pg_sleep(20); END IF; RETURN NULL; END $$",
         "CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED"
         " FOR EACH ROW EXECUTE FUNCTION wait()"]
        if not is_committed else
        ["ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"]
    )  # fmt: skip
    url = server.url(f"test_{server.databases}")
    admin = await asyncpg.connect(url)
    heard: list[bytes] = []
    store.bus.subscribe("told", heard.append)
    runs = 0

    async def work(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        await accounts.charge(tx, 1, runs, 1)
        tx.publish("told", b"once")

    try:
        for statement in statements:
            await admin.execute(statement)
        if is_committed:
            await until_commits_wait(admin, url)
        writing = asyncio.create_task(store.write(work))
        waits = "wait_event = 'SyncRep'" if is_committed else "wait_event = 'PgSleep'"
        found = f"SELECT pid FROM pg_stat_activity WHERE {waits}"
        deadline = time.monotonic() + 15
        while (pid := await admin.fetchval(found)) is None:
            assert time.monotonic() < deadline and not writing.done()
            await asyncio.sleep(0.02)
        await admin.execute("SELECT pg_terminate_backend($1)", pid)
        await asyncio.wait_for(writing, 30)
    finally:
        await admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.close()
    # Committed: not done again. Not committed: done once more, and that counts.
    assert (runs, await items_of(store, 1)) == ((1, 1) if is_committed else (2, 2))
    assert heard == [b"once"]


async def until_commits_wait(admin: asyncpg.Connection[asyncpg.Record], url: str) -> None:
    """Until the setting just made has reached those who commit: a commit of our own waits, and is let go."""
    probe = await asyncpg.connect(url)
    pid = probe.get_server_pid()
    deadline = time.monotonic() + 15
    is_waiting = False
    while not is_waiting:
        assert time.monotonic() < deadline
        commit = asyncio.create_task(probe.execute("UPDATE meta SET value = value"))
        while not (is_waiting or commit.done()):
            wait = await admin.fetchval("SELECT wait_event FROM pg_stat_activity WHERE pid = $1", pid)
            is_waiting = wait == "SyncRep"
        if is_waiting:
            await admin.execute("SELECT pg_cancel_backend($1)", pid)
        await commit
    await probe.close()


async def test_lost_races_are_run_again_and_then_temporary(opened: Opener) -> None:
    store = await opened(Options(CONNECTIONS, 20.0))
    runs = 0

    async def loses(tx: Tx, times: int) -> None:
        nonlocal runs
        runs += 1
        if runs <= times:
            await tx.rows("SELECT 1 FROM meta")
            await tx.execute("DO $$ BEGIN RAISE serialization_failure; END $$")

    await store.write(lambda tx: loses(tx, 2))
    assert runs == 3
    runs = 0
    with pytest.raises(Temporary, match="busy"):
        await store.write(lambda tx: loses(tx, 99))
    assert runs == 4


async def test_a_work_that_goes_on_after_an_error_is_not_acknowledged(opened: Opener) -> None:
    store = await opened(Options(CONNECTIONS, 20.0))
    await store.write(lambda tx: accounts.create(tx, 1))

    async def work(tx: Tx) -> None:
        try:
            await accounts.create(tx, 1)
        except AlreadyExists:
            return

    with pytest.raises(RuntimeError, match="after an error"):
        await store.write(work)


async def test_a_reader_that_is_cancelled_leaves_a_connection_that_works(opened: Opener) -> None:
    store = await opened(Options(2, 20.0))
    for _ in range(6):
        reading = asyncio.create_task(store.read(lambda tx: tx.rows("SELECT pg_sleep(30)")))
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert await store.read(lambda tx: tx.value("SELECT 1")) == 1
