# SPDX-License-Identifier: Apache-2.0
"""Leases: a job that must run once, however many workers and hosts there are.

A lease is taken for a time and renewed before it ends. Its token fences: the job's own transactions call
`check`, so that a holder which slept through the end of its lease cannot write after its successor did.
What has run out is judged by the database's clock (storage.clock), whatever the hosts' own ones say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.errors import Conflict, Temporary
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.storage import Store

# A worker that died is replaced in its jobs after this time at the latest.
LIFETIME = 15 * clock.SECOND

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """What its holder shows: `token` is larger than that of every earlier holder."""

    name: str
    holder: str
    token: int


async def acquire(tx: Tx, name: str, holder: str, lifetime: int = LIFETIME) -> Lease | None:
    """Takes the lease when it is free or over, or is the holder's own already (same token); else None."""
    now = clock.now()
    token = await tx.value(
        "INSERT INTO lease (name, holder, token, expires) VALUES (?, ?, 1, ?) ON CONFLICT (name) DO UPDATE"
        " SET token = lease.token + CASE WHEN lease.holder = excluded.holder AND lease.expires > ? THEN 0"
        " ELSE 1 END, holder = excluded.holder, expires = excluded.expires"
        " WHERE lease.expires <= ? OR lease.holder = excluded.holder RETURNING token",
        name,
        holder,
        now + lifetime,
        now,
        now,
    )
    return None if token is None else Lease(name, holder, int(token))


async def check(tx: Tx, lease: Lease) -> None:
    """Conflict when somebody else has taken over; nobody does until this transaction has ended.

    Called first in each of the job's transactions. An UPDATE, because on PostgreSQL it locks the row.
    """
    is_ours = await tx.execute(
        "UPDATE lease SET token = token WHERE name = ? AND token = ?", lease.name, lease.token
    )
    if not is_ours:
        raise Conflict(f"the lease {lease.name} has passed to another worker")


async def is_held(tx: Tx, name: str, holder: str) -> bool:
    """Whether it is that holder's now."""
    found = await tx.value(
        "SELECT 1 FROM lease WHERE name = ? AND holder = ? AND expires > ?", name, holder, clock.now()
    )
    return found is not None


async def release(tx: Tx, lease: Lease) -> None:
    """Gives it up early, so that another need not wait; harmless when it has passed on."""
    await tx.execute(
        "UPDATE lease SET expires = 0 WHERE name = ? AND holder = ? AND token = ?",
        lease.name,
        lease.holder,
        lease.token,
    )


async def release_all(tx: Tx, holder: str) -> None:
    """The holder has died: whoever wants its leases may have them."""
    await tx.execute("UPDATE lease SET expires = 0 WHERE holder = ?", holder)


async def hold(
    store: Store, name: str, holder: str, job: Callable[[Lease], Awaitable[None]], lifetime: int = LIFETIME
) -> None:
    """Runs `job` whenever this process holds the lease, until cancelled; gives the lease up then.

    The job is cancelled as soon as the lease cannot be renewed, long before it is over, and begun again with
    the next one.
    """
    pause = lifetime / 3 / clock.SECOND
    while True:
        lease = await _try_acquire(store, name, holder, lifetime)
        if lease is None:
            await asyncio.sleep(pause)
            continue
        _log.info("lease taken name=%s token=%d", name, lease.token)
        running = asyncio.ensure_future(job(lease))
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=pause)
                renewed = await _try_acquire(store, name, holder, lifetime)
                if renewed != lease:
                    _log.warning("lease lost name=%s token=%d", name, lease.token)
                    break
            else:
                running.result()
        finally:
            running.cancel()
            await asyncio.wait({running})
            await _try_release(store, lease)


async def _try_acquire(store: Store, name: str, holder: str, lifetime: int) -> Lease | None:
    try:
        return await store.write(lambda tx: acquire(tx, name, holder, lifetime))
    except Temporary:
        return None


async def _try_release(store: Store, lease: Lease) -> None:
    try:
        await store.write(lambda tx: release(tx, lease))
    except Temporary as error:
        _log.warning("lease runs out by itself name=%s error=%s", lease.name, error)
