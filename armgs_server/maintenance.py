# SPDX-License-Identifier: Apache-2.0
"""What must be done now and then, by one process however many there are: whoever holds the lease."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from armgs_server import log
from armgs_server.config import Config
from armgs_server.directory import control_lists, news, oauth_keys, terms
from armgs_server.errors import DomainError
from armgs_server.storage import (
    Store,
    assignments,
    attachments_sweep,
    calindex_window,
    clock,
    holds,
    keeping,
    leases,
    locks,
    logins,
    partial_uploads,
    queue,
    restored,
    sts_policies,
    told_by_mail,
    traces,
    trash,
    versions,
    web_push,
    web_sessions,
    webauthn,
)
from armgs_server.storage.leases import Lease
from armgs_server.storage.tx import Work

LEASE = "maintenance"

_log = log.get("maintenance")


@dataclass(frozen=True, slots=True)
class Job:
    """`run` is called every `interval` seconds; what it does may be done twice, or late."""

    name: str
    interval: float
    run: Callable[[Store], Awaitable[int]]


async def collect_blobs(store: Store) -> int:
    """Bytes that nobody refers to any more; how many."""
    return await store.blobs.collect()


async def remove_expired_locks(store: Store) -> int:
    """Locks are over by their time anyway; this takes their rows away; how many."""
    now = clock.now()
    return await store.write(lambda tx: locks.remove_expired(tx, now))


async def forget_traces(store: Store) -> int:
    """Answers given and ids seen by mail rules so long ago that they do not count any more; how many."""
    now = clock.now()
    return await store.write(lambda tx: traces.expire(tx, now))


async def extend_calendars(store: Store) -> int:
    """Instances of recurring events for the days that have come into reach; for how many objects."""
    return await calindex_window.extend(store)


async def release_held(store: Store) -> int:
    """Mail that no moderator of a list has looked at in time."""
    now = clock.now()
    return await store.write(lambda tx: queue.release_expired(tx, now))


async def settle_terms(store: Store) -> int:
    """Terms that have begun or ended; of how many posts."""
    now = clock.now()
    return await _all(store, partial(terms.settle_due, now=now), terms.BATCH)


async def forget_policies(store: Store) -> int:
    """Other domains' MTA-STS policies whose time is over."""
    now = clock.now()
    return await store.write(lambda tx: sts_policies.expire(tx, now))


async def forget_sign_ins(store: Store) -> int:
    """Sign-ins on the pages that are over by their time."""
    now = clock.now()
    return await store.write(lambda tx: web_sessions.expire(tx, now))


async def forget_challenges(store: Store) -> int:
    """Answered challenges of security keys that are over by their time."""
    now = clock.now()
    return await store.write(lambda tx: webauthn.expire(tx, now))


async def forget_registrations(store: Store) -> int:
    """Registrations of WebDAV-Push that are over by their time; how many."""
    now = clock.now()
    return await store.write(lambda tx: web_push.expire(tx, now))


async def forget_uploads(store: Store) -> int:
    """Uploads that nobody has resumed in time; how many."""
    return await _all(store, partial_uploads.expire, partial_uploads.BATCH)


async def forget_told(store: Store) -> int:
    """Invitations mailed so long ago that nobody tells the same again; how many."""
    now = clock.now()
    return await store.write(lambda tx: told_by_mail.expire(tx, now))


async def forget_kept(store: Store) -> int:
    """What was removed and is kept no longer; how many."""
    return await _all(store, keeping.expire, keeping.BATCH)


async def remove_old(store: Store) -> int:
    """What the rules say is to go after its days; how many."""
    count = 0
    for rule in await store.read(holds.all_rules):
        after = 0
        while rule.expire:
            page = await store.read(partial(holds.owners, principal=rule.principal, after=after))
            if not page:
                break
            after = page[-1]
            for owner in page:
                if await store.read(partial(holds.has_old, owner=owner, rule=rule)):
                    count += await _all(store, partial(holds.expire, owner=owner, rule=rule), holds.BATCH)
    return count


async def _all(store: Store, work: Work[int], limit: int) -> int:
    """Slice by slice, so that nobody waits for the whole."""
    count, done = 0, limit
    while done == limit:
        done = await store.write(work)
        count += done
    return count


JOBS: tuple[Job, ...] = (
    Job("collect blobs", 3600, collect_blobs),
    Job("remove expired locks", 3600, remove_expired_locks),
    Job("forget traces of rules", 3600, forget_traces),
    Job("extend calendars", 86400, extend_calendars),
    Job("forget uploads", 3600, forget_uploads),
    Job("forget who was told by mail", 3600, forget_told),
    Job("forget what was kept", 3600, forget_kept),
    Job("terms of posts", 60, settle_terms),
    Job("forget policies", 86400, forget_policies),
    Job("forget sign-ins", 3600, forget_sign_ins),
    Job("forget challenges", 3600, forget_challenges),
    Job("forget push registrations", 3600, forget_registrations),
    Job("release what no moderator has seen", 3600, release_held),
    Job("remove what is old", 21600, remove_old),
)


async def forget_versions(store: Store, days: int) -> int:
    """Earlier states of files that were replaced more days ago; how many."""
    count, after = 0, 0
    while page := await store.read(partial(versions.owners, after=after)):
        after = page[-1]
        for owner in page:
            count += await _all(store, partial(versions.expire, owner=owner, days=days), versions.BATCH)
    return count


def jobs(config: Config) -> tuple[Job, ...]:
    """All of them, as the configuration has it each time."""

    async def empty_trash(store: Store) -> int:
        """Deleted files whose time is over; how many days' folders."""
        days = config.dav.trash_days
        return await store.write(lambda tx: trash.expire(tx, days)) if days else 0

    async def remind_readers(store: Store) -> int:
        """News that somebody must read and has not; how many people were told."""
        return await news.remind(store, config)

    async def forget_logins(store: Store) -> int:
        """Log-ins that people can read no longer; how many rows."""
        before = clock.now() - config.security.login_days * clock.DAY
        return await store.write(lambda tx: logins.expire(tx, before))

    async def replace_keys(store: Store) -> int:
        """Keys that sign ID tokens: how many are new, or over."""
        now, days = clock.now(), config.oauth.key_days
        return await store.write(lambda tx: oauth_keys.replace_old(tx, now, days))

    async def forget_assignments(store: Store) -> int:
        """Assigned tasks that ended so long ago that no control list shows them any more; how many."""
        before = clock.now() - config.dav.control_days * clock.DAY
        return await _all(store, partial(control_lists.expire, before=before), assignments.BATCH)

    async def remove_attachments(store: Store) -> int:
        """Managed attachments of calendar objects that none names any more; how many."""
        return await attachments_sweep.sweep(store, config.dav.trash_days)

    async def empty_restored(store: Store) -> int:
        """Expunged mail whose time is over; how many messages."""
        days = config.imap.undelete_days
        count, after = 0, (0, 0)
        while True:
            old, further = await store.read(partial(restored.due, days=days, after=after))
            for owner, number in old:
                work = partial(restored.expire, owner=owner, number=number, days=days)
                count += await _all(store, work, restored.BATCH)
            if further is None:
                return count
            after = further

    return (
        *JOBS,
        Job("forget assigned tasks", 3600, forget_assignments),
        Job("replace keys", 3600, replace_keys),
        Job("forget versions", 21600, lambda store: forget_versions(store, config.dav.version_days)),
        Job("empty trash", 3600, empty_trash),
        Job("remove attachments", 86400, remove_attachments),
        Job("remind readers of news", 60, remind_readers),
        Job("forget log-ins", 21600, forget_logins),
        Job("empty Restored", 3600, empty_restored),
    )


class Maintenance:
    """Runs the jobs while this process holds the lease."""

    def __init__(self, store: Store, jobs: tuple[Job, ...] = JOBS) -> None:
        self._store = store
        self._jobs = jobs
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Until `stop`."""
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        work = leases.hold(self._store, LEASE, holder, self._run_all)
        self._task = asyncio.get_running_loop().create_task(work, name="maintenance")

    async def stop(self) -> None:
        """Gives the lease up."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run_all(self, lease: Lease) -> None:
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._run(job), name=job.name)

    async def _run(self, job: Job) -> None:
        while True:
            await asyncio.sleep(job.interval)
            try:
                count = await job.run(self._store)
            except DomainError as error:
                _log.warning("job failed, will be tried again", job=job.name, error=error)
            else:
                _log.info("job done", job=job.name, count=count)
