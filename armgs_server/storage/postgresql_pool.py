# SPDX-License-Identifier: Apache-2.0
"""Connections to PostgreSQL, at most `size` of one process, lent to one work at a time.

The one used last is lent first, so that few stay warm. asyncpg's own pool makes a task and a proxy for each
loan, a fifth of what a short read costs. Where PostgreSQL has no connection left to give, works share those
that there are. Every wait ends after `timeout`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine
from typing import Any, cast

import asyncpg

CONNECT_TIMEOUT = 10.0
# After PostgreSQL refused a connection no other is asked for meanwhile, and nothing said of it.
FULL = 1.0
TOLD = 60.0
# Statements kept prepared on one connection: all there are, so that none is planned over and over.
PREPARED = 500

# The timeline a server writes; '' for a standby, which writes none.
_TIMELINE = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN ''"
    " ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END"
)

_log = logging.getLogger(__name__)


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection, and what was found when it was made."""

    __slots__ = ("generation", "timeline")

    generation: int
    timeline: str


class Pool:
    """See the module's docstring. `acquire`, then either `release` or `mend`, always."""

    def __init__(self, url: str, size: int, timeout: float) -> None:
        self._url = url
        self._size = size
        self._timeout = timeout
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._connecting = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._generation = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_back = asyncio.Event()
        self._full_since = float("-inf")  # loop time of the last refusal
        self._closed = False

    async def acquire(self) -> Connection:
        """A connection that was alive a moment ago. TimeoutError, OSError, asyncpg's errors."""
        connection = self._take_idle()
        if connection is not None:
            return connection
        async with asyncio.timeout(self._timeout):
            return await self._acquire_slowly()

    def release(self, connection: Connection) -> None:
        """Gives a connection back that is in no transaction."""
        self._lent.remove(connection)
        if connection.is_closed() or self._closed or connection.generation != self._generation:
            self._keep(_close(connection, self._timeout))
            self._wake(None)
        elif not self._wake(connection):
            self._idle.append(connection)
        if not self._lent:
            self._all_back.set()

    def mend(self, connection: Connection) -> None:
        """Gives back one that may be in the middle of something: it is lent again when that has ended."""
        self._keep(self._mend(connection))

    def expire(self) -> None:
        """Lends none of the present connections again."""
        self._generation += 1
        while self._idle:
            self._keep(_close(self._idle.pop(), self._timeout))

    async def close(self) -> None:
        """Waits for what is lent, then ends all connections."""
        self._closed = True
        self.expire()
        try:
            async with asyncio.timeout(self._timeout):
                while self._lent:
                    self._all_back.clear()
                    await self._all_back.wait()
        except TimeoutError:
            _log.warning("connections were still in use count=%d", len(self._lent))
            for connection in self._lent:
                connection.terminate()
        await asyncio.gather(*self._tasks)

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                self._lent.add(connection)
                return connection
            connection.terminate()
        return None

    async def _acquire_slowly(self) -> Connection:
        while not self._closed:
            connection = self._take_idle()
            if connection is None and self._may_grow():
                try:
                    connection = await self._connect()
                except asyncpg.TooManyConnectionsError:
                    if not (self._lent or self._idle or self._connecting):
                        raise
                    self._note_full()
                    continue
            connection = connection or await self._wait()
            if connection is not None:
                return connection
        raise asyncpg.InterfaceError("the pool is closed")

    def _may_grow(self) -> bool:
        if len(self._lent) + self._connecting >= self._size:
            return False
        is_refused = asyncio.get_running_loop().time() < self._full_since + FULL
        return not (is_refused and self._lent)

    def _note_full(self) -> None:
        now = asyncio.get_running_loop().time()
        if now > self._full_since + TOLD:
            _log.warning("PostgreSQL gives no more connections present=%d", len(self._lent))
        self._full_since = now

    async def _connect(self) -> Connection:
        generation = self._generation
        self._connecting += 1
        try:
            made = await asyncpg.connect(
                self._url,
                timeout=min(CONNECT_TIMEOUT, self._timeout),
                command_timeout=self._timeout,
                statement_cache_size=PREPARED,
                max_cached_statement_lifetime=0,
                connection_class=Connection,
            )
            connection = cast(Connection, made)
            try:
                connection.timeline = await connection.fetchval(_TIMELINE)
            except BaseException:
                connection.terminate()
                raise
        except BaseException:
            self._connecting -= 1
            self._wake(None)  # whoever waits may try it
            raise
        self._connecting -= 1
        connection.generation = generation
        self._lent.add(connection)
        return connection

    async def _wait(self) -> Connection | None:
        """The connection that somebody gives back; None when it is worth while to look again."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                granted = waiter.result()
                if granted is None:
                    self._wake(None)
                else:
                    self.release(granted)
            raise

    def _wake(self, connection: Connection | None) -> bool:
        """Hands a connection, or the word to look for one, to who has waited longest; whether one waited."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                if connection is not None:
                    self._lent.add(connection)
                waiter.set_result(connection)
                return True
        return False

    async def _mend(self, connection: Connection) -> None:
        """asyncpg waits for the end of what was cancelled; then the transaction is rolled back."""
        try:
            await connection.execute("ROLLBACK", timeout=self._timeout)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            connection.terminate()
        self.release(connection)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="postgresql")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _close(connection: Connection, timeout: float) -> None:
    try:
        if not connection.is_closed():
            await connection.close(timeout=timeout)
            return
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        _log.info("connection not closed in order error=%r", error)
    connection.terminate()
