# SPDX-License-Identifier: Apache-2.0
"""Replicas of PostgreSQL (streaming standbys), for reads that may be served by one.

How far behind a replica is: the primary is asked for its place in the log, then each replica for the place it
has replayed. A replica that has come to where the primary was at a moment holds all that was acknowledged
before it. One that cannot be reached, or whose last such moment is longer ago than `lag`, is not used; that,
and its coming back, is one line in the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterator

import asyncpg

from armgs_server.storage.postgresql_pool import Connection, Pool
from armgs_server.storage.postgresql_unusable import place_of
from armgs_server.storage.tx import AsOf, Options

INTERVAL = 0.5
# Places of the primary that are remembered: those of a minute.
MARKS = 120
UNREACHABLE = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_WRITTEN = "SELECT CAST(pg_current_wal_lsn() - '0/0' AS BIGINT), value FROM meta WHERE name = 'installation'"
_REPLAYED = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN CAST(pg_last_wal_replay_lsn() - '0/0' AS BIGINT) END, value"
    " FROM meta WHERE name = 'installation'"
)
_REACHED = "SELECT modseq >= $3 FROM collection WHERE owner = $1 AND id = $2"

_log = logging.getLogger(__name__)


class Replica:
    """One standby: its connections, and up to which moment it holds everything."""

    def __init__(self, url: str, size: int, timeout: float) -> None:
        self.pool = Pool(url, size, timeout)
        self.name = place_of(url)
        self.holds_until = float("-inf")  # loop time
        self.is_used = True  # as last told in the log


class Replicas:
    """All of them, in turn."""

    def __init__(self, options: Options, primary: Pool) -> None:
        self._primary = primary
        self._timeout = options.timeout
        self._lag = options.replica_lag
        self._replicas = [Replica(url, options.connections, options.timeout) for url in options.replicas]
        self._next = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARKS)
        self._task: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._replicas)

    def start(self) -> None:
        """Begins to look how far they are."""
        if self._replicas:
            self._task = asyncio.get_running_loop().create_task(self._watch(), name="replicas")

    def choose(self) -> Replica | None:
        """One that is not too far behind, by turns."""
        oldest = asyncio.get_running_loop().time() - self._lag
        for _ in self._replicas:
            self._next = (self._next + 1) % len(self._replicas)
            if self._replicas[self._next].holds_until >= oldest:
                return self._replicas[self._next]
        return None

    def lost(self, replica: Replica, error: BaseException) -> None:
        """It did not answer: it is not used until it has been looked at again."""
        replica.holds_until = float("-inf")
        self._tell(replica, repr(error))

    async def close(self) -> None:
        """Ends the looking and all connections."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for replica in self._replicas:
            await replica.pool.close()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            try:
                written, installation = await _row(self._primary, _WRITTEN, self._timeout)
            except UNREACHABLE as error:
                _log.debug("primary cannot be asked for its place error=%r", error)
            else:
                self._marks.append((asked, written))
                await asyncio.gather(*(self._look(each, installation) for each in self._replicas))
            await asyncio.sleep(INTERVAL)

    async def _look(self, replica: Replica, installation: str) -> None:
        try:
            replayed, found = await _row(replica.pool, _REPLAYED, min(self._lag, self._timeout))
        except UNREACHABLE as error:
            self.lost(replica, error)
            return
        if found != installation or replayed is None:
            replica.holds_until = float("-inf")
            self._tell(replica, "another store" if found != installation else "not a standby")
            return
        reached = (asked for asked, written in reversed(self._marks) if written <= replayed)
        replica.holds_until = next(reached, float("-inf"))
        behind = asyncio.get_running_loop().time() - replica.holds_until
        self._tell(replica, "" if behind <= self._lag else f"more than {self._lag:g} s behind")

    def _tell(self, replica: Replica, problem: str) -> None:
        if problem and replica.is_used:
            _log.warning(
                "replica is not used, the primary is asked replica=%s reason=%s", replica.name, problem
            )
        elif not problem and not replica.is_used:
            _log.info("replica is used again replica=%s", replica.name)
        replica.is_used = not problem


async def has_reached(connection: Connection, as_of: AsOf) -> bool:
    """Whether the collection stands at that modseq here, or later."""
    return await connection.fetchval(_REACHED, as_of.owner, as_of.id, as_of.modseq) is True


async def _row(pool: Pool, sql: str, timeout: float) -> tuple[int, str]:
    async with asyncio.timeout(timeout):
        connection = await pool.acquire()
        try:
            row = await connection.fetchrow(sql)
        except BaseException:
            pool.mend(connection)
            raise
        pool.release(connection)
    if row is None:
        raise asyncpg.InterfaceError("there is no store here")
    return row[0], row[1]
