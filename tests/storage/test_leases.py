# SPDX-License-Identifier: Apache-2.0
"""Leases, on both engines: one holder at a time, tokens that grow, jobs that change hands."""

from __future__ import annotations

import asyncio

import pytest

from armgs_server.errors import Conflict
from armgs_server.storage import Store, clock, leases
from armgs_server.storage.leases import Lease


async def take(store: Store, holder: str, lifetime: int = clock.MINUTE) -> Lease | None:
    return await store.write(lambda tx: leases.acquire(tx, "queue", holder, lifetime))


async def test_one_holder_at_a_time(store: Store) -> None:
    first = await take(store, "a")
    assert first == Lease("queue", "a", 1)
    assert await take(store, "b") is None
    assert await take(store, "a") == first  # renewed: the same token

    await store.write(lambda tx: leases.release(tx, first))
    second = await take(store, "b")
    assert second == Lease("queue", "b", 2)


async def test_a_lease_that_ran_out_passes_on_and_its_old_holder_is_fenced(store: Store) -> None:
    first = await take(store, "a", lifetime=-1)
    second = await take(store, "b")
    assert first and second and second.token == first.token + 1
    await store.write(lambda tx: leases.check(tx, second))
    with pytest.raises(Conflict):
        await store.write(lambda tx: leases.check(tx, first))
    await store.write(lambda tx: leases.release(tx, first))  # takes nothing from b
    assert await take(store, "a") is None


async def test_its_own_lease_run_out_comes_back_with_a_new_token(store: Store) -> None:
    first = await take(store, "a", lifetime=-1)
    again = await take(store, "a")
    assert first and again and again.token == first.token + 1


async def test_leases_of_the_dead_are_free(store: Store) -> None:
    assert await take(store, "a") is not None
    assert await store.read(lambda tx: leases.is_held(tx, "queue", "a"))
    assert not await store.read(lambda tx: leases.is_held(tx, "queue", "b"))
    await store.write(lambda tx: leases.release_all(tx, "a"))
    assert not await store.read(lambda tx: leases.is_held(tx, "queue", "a"))
    assert await take(store, "b") == Lease("queue", "b", 2)


async def test_a_job_changes_hands(store: Store) -> None:
    ran: asyncio.Queue[Lease] = asyncio.Queue()

    async def job(lease: Lease) -> None:
        ran.put_nowait(lease)
        await asyncio.Event().wait()

    def holding(name: str) -> asyncio.Task[None]:
        return asyncio.create_task(leases.hold(store, "queue", name, job, lifetime=clock.SECOND // 2))

    a = holding("a")
    first = await asyncio.wait_for(ran.get(), 10)
    b = holding("b")
    a.cancel()
    await asyncio.wait({a})
    second = await asyncio.wait_for(ran.get(), 10)
    assert (first.holder, second.holder) == ("a", "b") and second.token > first.token
    b.cancel()
    await asyncio.wait({b})
    assert await take(store, "c") is not None
