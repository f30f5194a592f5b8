# SPDX-License-Identifier: Apache-2.0
"""Jobs run by whoever holds the lease, again after a failure, and by nobody else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from armgs_server.config import Config
from armgs_server.errors import Temporary
from armgs_server.maintenance import JOBS, Job, Maintenance, jobs
from armgs_server.storage import (
    Store,
    accounts,
    clock,
    collections,
    holds,
    items,
    keeping,
    partial_uploads,
    restored,
)
from armgs_server.storage.holds import Rule
from armgs_server.storage.partial_uploads import Partial
from armgs_server.storage.tx import Tx
from armgs_server.storage.versions import Rules
from tests.storage.shelf import DEPARTMENT, OWNER, mailbox, provision, put

WAIT = 20.0


async def test_one_of_two_processes_runs_the_jobs_and_a_failure_is_tried_again(store: Store) -> None:
    ran: asyncio.Queue[int] = asyncio.Queue()
    failures = [Temporary("not now")]

    def jobs_of(process: int) -> tuple[Job, ...]:
        async def run(store: Store) -> int:
            if failures:
                raise failures.pop()
            ran.put_nowait(process)
            return 1

        return (Job("test", 0.01, run),)

    processes = [Maintenance(store, jobs_of(number)) for number in range(2)]
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
    assert done == {
        "forget push registrations": 0,
        "forget sign-ins": 0,
        "forget challenges": 0,
        "forget uploads": 0,
        "forget who was told by mail": 0,
        "collect blobs": 0,
        "remove expired locks": 1,
        "extend calendars": 0,
        "forget what was kept": 0,
        "forget policies": 0,
        "terms of posts": 0,
        "release what no moderator has seen": 0,
        "remove what is old": 0,
        "forget traces of rules": 0,
    }
    assert await store.read(lambda tx: tx.rows("SELECT token FROM lock")) == [("held",)]


async def test_old_mail_goes_by_the_rules_and_expunged_mail_by_its_days(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provision(store)
    today = clock.now()
    monkeypatch.setattr(clock, "now", lambda: today - 40 * clock.DAY)
    old, expunged = await put(store, 1), await put(store, 2)
    inbox = await mailbox(store)
    await store.write(lambda tx: restored.throw(tx, inbox, [expunged.uid]))
    monkeypatch.setattr(clock, "now", lambda: today)
    await put(store, 3)
    await store.write(lambda tx: holds.put_rule(tx, Rule(DEPARTMENT, "mail", 100, 35)))
    done = {job.name: await job.run(store) for job in jobs(Config(directory=Path()))}
    assert (done["remove what is old"], done["empty Restored"]) == (2, 0)
    assert (await mailbox(store)).items == 1
    kept = await store.read(lambda tx: keeping.removed(tx, OWNER))
    assert sorted((each.path, each.uid) for each in kept) == [("INBOX", old.uid), ("Restored/INBOX", 1)]
    await store.write(lambda tx: holds.put_rule(tx, Rule(DEPARTMENT, "mail", 0, 0)))
    await put(store, 4)
    monkeypatch.setattr(clock, "now", lambda: today + 70 * clock.DAY)
    done = {job.name: await job.run(store) for job in jobs(Config(directory=Path()))}
    assert done["forget what was kept"] == 2
    assert (await mailbox(store)).items == 2


async def test_earlier_states_and_broken_uploads_go_after_their_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provision(store)
    today = clock.now()

    async def leave(tx: Tx) -> None:
        root = await collections.by_role(tx, OWNER, "files", "root")
        assert root is not None
        item = await items.add(tx, root, store.blobs.small(b"one"), name="a")
        await items.replace(tx, item, store.blobs.small(b"two"), "", Rules(9, False))
        end = today + clock.DAY
        upload = Partial(OWNER, "id", "/dav/files/a/b", "{}", 9, 0, 0, 0, "", end)
        await partial_uploads.add(tx, upload, 9)
        await partial_uploads.append(tx, upload, store.blobs.small(b"abc"), 9)

    await store.write(leave)
    every = jobs(Config(directory=Path()))
    done = {job.name: await job.run(store) for job in every}
    assert (done["forget versions"], done["forget uploads"]) == (0, 0)
    monkeypatch.setattr(clock, "now", lambda: today + 91 * clock.DAY)
    done = {job.name: await job.run(store) for job in every}
    assert (done["forget versions"], done["forget uploads"]) == (1, 1)
    usage = await store.read(lambda tx: accounts.usage(tx, OWNER))
    assert (usage.bytes, usage.versions) == (3, 0)
