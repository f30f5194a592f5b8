# SPDX-License-Identifier: Apache-2.0
"""Jobs run by whoever holds the lease, again after a failure, and by nobody else."""

from __future__ import annotations

import asyncio

from armgs_server.errors import Temporary
from armgs_server.maintenance import JOBS, Job, Maintenance
from armgs_server.storage import Store, clock

WAIT = 20.0


async def test_one_of_two_processes_runs_the_jobs_and_a_failure_is_tried_again(store: Store) -> None:
    ran: asyncio.Queue[int] = asyncio.Queue()
    failures = [Temporary("not now")]

    def jobs(process: int) -> tuple[Job, ...]:
        async def run(store: Store) -> int:
            if failures:
                raise failures.pop()
            ran.put_nowait(process)
            return 1

        return (Job("test", 0.01, run),)

    processes = [Maintenance(store, jobs(number)) for number in range(2)]
    for process in processes:
        process.start()
    async with asyncio.timeout(WAIT):
        holders = {await ran.get() for _ in range(5)}
    assert len(holders) == 1
    for process in processes:
        await process.stop()


async def test_the_jobs_remove_what_is_over(store: Store) -> None:
    now = clock.now()
    for token, expires in (("over", now - clock.SECOND), ("held", now + clock.HOUR)):
        await store.write(
            lambda tx, token=token, expires=expires: tx.execute(
                "INSERT INTO lock (owner, collection, uid, token, scope, deep, principal, holder, expires,"
                " root) VALUES (1, 1, 1, ?, 'exclusive', 0, 1, '', ?, '/')",
                token,
                expires,
            )
        )
    done = {job.name: await job.run(store) for job in JOBS}
    assert done == {"collect blobs": 0, "remove expired locks": 1, "extend calendars": 0}
    assert await store.read(lambda tx: tx.rows("SELECT token FROM lock")) == [("held",)]
