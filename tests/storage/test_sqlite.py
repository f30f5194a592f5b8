# SPDX-License-Identifier: Apache-2.0
"""The SQLite engine: group commit, one failure alone, a full disk, two writers, kill -9."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from armgs_server.errors import AlreadyExists, Temporary
from armgs_server.storage import Store
from armgs_server.storage.sqlite import SqliteEngine
from armgs_server.storage.tx import Tx


async def put(tx: Tx, name: str, value: str = "") -> None:
    await tx.execute("INSERT INTO meta (name, value) VALUES (?, ?)", name, value)


async def names(store: Store) -> set[str]:
    rows = await store.read(lambda tx: tx.rows("SELECT name FROM meta WHERE name LIKE 't%'"))
    return {row[0] for row in rows}


@pytest.fixture
async def opened(tmp_path: Path):  # type: ignore[no-untyped-def]
    store = await Store.open("sqlite", tmp_path)
    yield store
    await store.close()


async def test_one_work_of_a_batch_fails_alone(opened: Store) -> None:
    async def fails(tx: Tx) -> None:
        await put(tx, "t-undone")
        raise ValueError("no")

    await opened.write(lambda tx: put(tx, "t0"))
    outcomes = await asyncio.gather(
        opened.write(lambda tx: put(tx, "t1")),
        opened.write(fails),
        opened.write(lambda tx: put(tx, "t0")),
        opened.write(lambda tx: put(tx, "t2")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, AlreadyExists, type(None)]
    assert await names(opened) == {"t0", "t1", "t2"}


async def test_many_writers_share_a_commit(opened: Store, tmp_path: Path) -> None:
    await asyncio.gather(*(opened.write(lambda tx, n=n: put(tx, f"t{n}")) for n in range(500)))
    assert len(await names(opened)) == 500


async def test_a_work_that_awaits_something_else_is_refused(opened: Store) -> None:
    async def sleeps(tx: Tx) -> None:
        await put(tx, "t-undone")
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaited something other"):
        await opened.write(sleeps)
    with pytest.raises(RuntimeError, match="awaited something other"):
        await opened.read(lambda tx: asyncio.sleep(0))
    assert await names(opened) == set()


async def test_a_full_disk_is_temporary_and_passes(opened: Store) -> None:
    engine = opened._engine
    assert isinstance(engine, SqliteEngine)
    pages = engine._writer_db.execute("PRAGMA page_count").fetchall()[0][0]
    engine._writer_db.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    with pytest.raises(Temporary):
        await opened.write(lambda tx: put(tx, "t-big", "x" * 1_000_000))
    await opened.write(lambda tx: put(tx, "t-small"))
    engine._writer_db.execute("PRAGMA max_page_count = 1000000").fetchall()
    await opened.write(lambda tx: put(tx, "t-big", "x" * 1_000_000))
    assert await names(opened) == {"t-small", "t-big"}


async def test_whoever_gives_up_waiting_does_not_undo_the_work(opened: Store) -> None:
    heard: list[bytes] = []
    opened.bus.subscribe("t", heard.append)

    async def work(tx: Tx) -> None:
        await put(tx, "t1")
        tx.publish("t", b"done")

    task = asyncio.create_task(opened.write(work))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await opened.write(lambda tx: put(tx, "t2"))
    assert await names(opened) == {"t1", "t2"} and heard == [b"done"]


async def test_reads_cannot_write(opened: Store) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        await opened.read(lambda tx: put(tx, "t1"))


WRITER = """
import asyncio, sys
from pathlib import Path
from armgs_server.storage import Store

async def main():
    store = await Store.open("sqlite", Path(sys.argv[1]))
    async def one(n):
        name = f"{sys.argv[2]}{n}"
        await store.write(lambda tx: tx.execute("INSERT INTO meta (name, value) VALUES (?, '')", name))
        print(n, flush=True)
    for start in range(0, int(sys.argv[3]), 10):
        await asyncio.gather(*(one(n) for n in range(start, start + 10)))
    await store.close()

asyncio.run(main())
"""


async def test_two_processes_take_turns(tmp_path: Path) -> None:
    store = await Store.open("sqlite", tmp_path)
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), prefix, "200", stdout=subprocess.DEVNULL
        )
        for prefix in ("ta", "tb")
    ]
    for n in range(100):
        await store.write(lambda tx, n=n: put(tx, f"tc{n}"))
    assert [await writer.wait() for writer in writers] == [0, 0]
    assert len(await names(store)) == 500
    await store.close()


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path), "t", "100000", stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    acknowledged = [(await writer.stdout.readline()).strip() for _ in range(300)]
    writer.kill()
    acknowledged += (await writer.stdout.read()).split(b"\n")[:-1]
    await writer.wait()
    store = await Store.open("sqlite", tmp_path)
    assert {f"t{n.decode()}" for n in acknowledged} <= await names(store)
    await store.close()
