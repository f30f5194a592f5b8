# SPDX-License-Identifier: Apache-2.0
"""Everything that may fail, in the middle of fifty clients: nothing acknowledged is lost, nothing doubled.

Two hosts over PostgreSQL, NATS and S3 (tests.faults.site), one fault after another. `FAULT_CLIENTS` and
`FAULT_PACE` in the environment change the load (tests.faults.load).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.faults import site as sites
from tests.faults.load import Load
from tests.faults.site import Host, Site
from tests.world import free_offset

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]
# Within so many seconds of the fault's end every client has had something acknowledged: a room waits for
# the lease of a process that died (15 s).
BACK = 30.0
# Longer than leases and processes live without being renewed (15 s), shorter than the supervisor's patience.
ASLEEP = 20.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sites.running(tmp_path_factory.mktemp("faults"), free_offset()) as found:
        yield found


@pytest.fixture
async def load(site: Site, request: pytest.FixtureRequest) -> AsyncIterator[Load]:
    """The load, running; what it wrote is counted at the end of the test.

    The parameter is the host, 0 or 1, where its room lives at first.
    """
    load = Load(site, getattr(request, "param", 0))
    await load.start()
    yield load
    back = await load.all_answered(BACK)
    await load.stop()
    print(f"back after {back:.1f} s; {load.summary()}")
    await load.check()


async def test_workers_are_killed(site: Site, load: Load) -> None:
    """One after the other, so that the room's home is among them."""
    for worker in site.hosts[0].workers():
        os.kill(worker, signal.SIGKILL)
        await load.all_answered(BACK)


async def test_the_supervisor_is_killed(site: Site, load: Load) -> None:
    workers = site.hosts[0].workers()
    await asyncio.to_thread(site.hosts[0].stop, signal.SIGKILL)
    async with asyncio.timeout(BACK):
        while any(Path(f"/proc/{pid}").exists() for pid in workers):
            await asyncio.sleep(0.05)
    await asyncio.to_thread(site.hosts[0].start)  # as systemd would


async def test_postgresql_is_killed(site: Site, load: Load) -> None:
    await asyncio.to_thread(site.postgres.kill)
    await asyncio.sleep(2.0)
    await asyncio.to_thread(site.postgres.start)


async def test_nats_is_killed(site: Site, load: Load) -> None:
    await asyncio.to_thread(site.nats.stop, signal.SIGKILL)
    await asyncio.sleep(4.0)
    await asyncio.to_thread(site.nats.start)


async def test_seaweedfs_is_killed(site: Site, load: Load) -> None:
    await asyncio.to_thread(site.bucket.kill)
    await asyncio.sleep(2.0)
    await asyncio.to_thread(site.bucket.start)


async def test_a_worker_sleeps_until_its_leases_are_taken(site: Site, load: Load) -> None:
    for worker in site.hosts[0].workers():
        os.kill(worker, signal.SIGSTOP)
    try:
        await asyncio.sleep(ASLEEP)
    finally:
        for worker in site.hosts[0].workers():
            os.kill(worker, signal.SIGCONT)


@pytest.mark.parametrize("load", [1], indirect=True)
async def test_a_host_is_parted_from_the_others(site: Site, load: Load) -> None:
    second = site.hosts[1]
    for link in second.links:
        link.stall()
    try:
        await asyncio.sleep(ASLEEP)
        await load.all_answered(BACK, hosts=frozenset({0}))
    finally:
        for link in second.links:
            link.mend()


async def test_postgresql_is_at_its_connection_limit(site: Site, load: Load) -> None:
    """Others have taken what the hosts do not hold, and then what they held."""
    taken: list[asyncpg.Connection] = []
    try:
        await take_all(site, taken)
        await taken[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND application_name <> 'taker'"
        )
        for _ in range(20):
            await take_all(site, taken)
            await asyncio.sleep(0.2)
    finally:
        for connection in taken:
            await connection.close()


async def take_all(site: Site, taken: list[asyncpg.Connection]) -> None:
    settings = {"application_name": "taker"}
    while len(taken) < sites.CONNECTIONS:
        try:
            taken.append(await asyncpg.connect(site.database, server_settings=settings))
        except asyncpg.TooManyConnectionsError:
            return


async def test_s3_is_slow_and_every_tenth_request_fails(site: Site, load: Load) -> None:
    for host in site.hosts:
        host.bucket.damage(failing=10, delay=0.3)
    try:
        async with asyncio.timeout(BACK):
            while not all(host.bucket.failed for host in site.hosts):
                await asyncio.sleep(0.1)
    finally:
        for host in site.hosts:
            host.bucket.damage(failing=0, delay=0.0)


async def test_clocks_are_five_minutes_apart(site: Site, load: Load, debian: Callable[..., None]) -> None:
    """One host is late, the other early, PostgreSQL between them; leases and sessions pass on as ever."""
    debian("libfaketime")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    preload = {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def restart(host: Host, skew: str, number: int) -> None:
        host.stop(number)
        host.start({**preload, "FAKETIME": skew})

    late, early = site.hosts
    stop = signal.SIGTERM
    await asyncio.gather(
        asyncio.to_thread(restart, late, "-150s", stop), asyncio.to_thread(restart, early, "+150s", stop)
    )
    await load.all_answered(BACK)
    await asyncio.to_thread(restart, early, "+150s", signal.SIGKILL)
