# SPDX-License-Identifier: Apache-2.0
"""Work that waits is looked for until it is done, whatever one row of it brings about."""

from __future__ import annotations

import asyncio

import pytest

from armgs_server.errors import Temporary
from armgs_server.storage import Store, clock
from armgs_server.storage.tx import Tx
from armgs_server.storage.waiting_work import WaitingWork


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[str]:
    rows = await tx.rows("SELECT name FROM meta WHERE name LIKE 'job-%' ORDER BY name LIMIT ?", limit)
    await tx.execute("DELETE FROM meta WHERE name LIKE 'job-%' AND name <= ?", rows[-1][0] if rows else "")
    return [row[0] for row in rows]


async def add(store: Store, name: str) -> None:
    async def work(tx: Tx) -> None:
        await tx.execute("INSERT INTO meta (name, value) VALUES (?, '')", name)
        tx.publish("jobs", b"")

    await store.write(work)


@pytest.mark.parametrize("error", [Temporary("not now"), ValueError("a row that cannot be read")])
async def test_one_row_keeps_nobody_from_the_others(store: Store, error: Exception) -> None:
    done: list[str] = []
    told = asyncio.Event()

    async def look() -> None:
        while names := await work.take(claim, 1):
            done.extend(names)
            told.set()
            if names == ["job-1"]:
                raise error

    work = WaitingWork(store, "jobs", "jobs", look, failed_wait=0.01)
    work.start()
    async with asyncio.timeout(20):
        for name in ("job-1", "job-2"):
            told.clear()
            await add(store, name)
            await told.wait()
    await work.stop()
    assert done == ["job-1", "job-2"]


async def test_it_comes_back_when_more_is_due(store: Store) -> None:
    times: list[int] = []
    enough = asyncio.Event()

    async def look() -> int | None:
        times.append(clock.now())
        if len(times) == 3:
            enough.set()
            return None
        return clock.now() + clock.SECOND // 50

    work = WaitingWork(store, "jobs", "jobs", look)
    work.start()
    async with asyncio.timeout(20):
        await enough.wait()
    await work.stop()
    assert len(times) == 3


async def test_it_stops_though_it_was_just_told_of_work(store: Store) -> None:
    waits = asyncio.Event()

    async def look() -> None:
        waits.set()

    for turns in range(4):  # the waiter has been woken, and its task has not run yet
        work = WaitingWork(store, "jobs", "jobs", look)
        work.start()
        waits.clear()
        await waits.wait()
        await asyncio.sleep(0)
        store.bus.publish("jobs", b"")
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await work.stop()
        assert "jobs" not in {task.get_name() for task in asyncio.all_tasks()}
