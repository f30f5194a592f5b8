# SPDX-License-Identifier: Apache-2.0
"""What is done to all archives now and then, by one process: words are indexed, old messages deleted.

Both go in slices, each a transaction of its own, so nobody waits for them and an interruption loses nothing.
A message is deleted after `[xmpp] archive_days`, or after the `archive_days` of the directory's data of the
department that the person or the room belongs to; 0 is for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from armgs_server import log
from armgs_server.directory import Principal
from armgs_server.errors import DomainError
from armgs_server.storage import archive, archive_search, clock, leases
from armgs_server.storage.leases import Lease
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

LEASE: Final = "archives"
KEY: Final = "archive_days"
INDEXING: Final = 300.0  # seconds between looks at what has come
EXPIRING: Final = 3600.0
SLICE: Final = 200  # messages deleted in one transaction
_OWNERS: Final = 500  # in one read

_log = log.get("xmpp")


class ArchiveUpkeep:
    """From `start` to `stop`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        work = leases.hold(self._server.store, LEASE, f"xmpp:{self._server.process}", self._run)
        self._task = asyncio.get_running_loop().create_task(work, name=LEASE)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def index(self) -> int:
        """XEP-0431: what has come into archives since; how many messages."""
        return await archive_search.extend(self._server.store)

    async def expire(self) -> int:
        """XEP-0313 §6.2: takes out what is too old; how many messages."""
        count = 0
        for department in await self._server.directory.departments():
            days = days_of(department, self._server.config.xmpp.archive_days)
            if days:
                count += await self._expire(department, clock.now() - days * clock.DAY)
        return count

    async def _run(self, lease: Lease) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_repeat("words indexed", INDEXING, self.index))
            group.create_task(_repeat("old messages deleted", EXPIRING, self.expire))

    async def _expire(self, department: Principal, before: int) -> int:
        store, count, after = self._server.store, 0, 0
        while owners := await store.read(lambda tx, after=after: _owners(tx, department.id, after)):  # type: ignore[misc]
            for owner in owners:
                done = SLICE
                while done == SLICE:
                    done = await store.write(
                        lambda tx, owner=owner: archive.expire(tx, owner, before, SLICE)  # type: ignore[misc]
                    )
                    count += done
            after = owners[-1]
        return count


def days_of(department: Principal, default: int) -> int:
    """How long the department keeps chat; 0: for ever."""
    value = str(department.data.get(KEY, ""))
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 7 else default


async def _owners(tx: Tx, department: int, after: int) -> list[int]:
    """The next people and rooms of a department that have an archive."""
    rows = await tx.rows(
        "SELECT id FROM principal WHERE department = ? AND id > ? AND kind IN ('person', 'chatroom')"
        " AND EXISTS (SELECT 1 FROM archive WHERE archive.owner = principal.id) ORDER BY id LIMIT ?",
        department,
        after,
        _OWNERS,
    )
    return [row[0] for row in rows]


async def _repeat(what: str, interval: float, job: Callable[[], Awaitable[int]]) -> None:
    while True:
        await asyncio.sleep(interval)
        try:
            count = await job()
        except DomainError as error:
            _log.warning("archives: will be tried again", job=what, error=error.text)
        else:
            _log.info("archives", job=what, count=count)
