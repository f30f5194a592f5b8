# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL engine (asyncpg): the same works and the same SQL text, awaited on the loop.

Collections are counted by `UPDATE … RETURNING`, which locks the row until the commit, so writers of one
collection take turns and READ COMMITTED is enough; reads see one snapshot (REPEATABLE READ).
PostgreSQL groups commits of concurrent transactions by itself.
What costs is the round trip, so a read of one statement goes without BEGIN and COMMIT: each read is tried so,
and is run again inside a transaction when it asks for more; which reads do is remembered.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import re
from collections.abc import Iterable
from types import CodeType
from typing import Any, TypeVar

import asyncpg

from armgs_server.errors import AlreadyExists, Temporary
from armgs_server.storage import clock
from armgs_server.storage.tx import Engine, Publish, Row, Tx, Value, Work

T = TypeVar("T")

POOL_SIZE = 10
# Deadlocks and lost serialisation races are run again this often before the client is told to.
ATTEMPTS = 4
COMMAND_TIMEOUT = 60.0

_log = logging.getLogger(__name__)
_RUN_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
_TIME = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
# Key of the advisory lock under which one process at a time makes or migrates the schema.
_SCHEMA_LOCK = 0x61726D6773


@functools.lru_cache(maxsize=4096)
def numbered(sql: str) -> str:
    """The statement with `?` places as `$1`, `$2` …; no statement of ours has `?` in a literal."""
    numbers = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)


def translated(statement: str) -> str:
    """A schema statement, written for SQLite, in PostgreSQL's words."""
    for pattern, replacement in (
        (r"\bINTEGER\b", "BIGINT"),
        (r"\bBLOB\b", "BYTEA"),
        (r"\bTEXT\b", 'TEXT COLLATE "C"'),
        (r"\)\s*WITHOUT ROWID\s*$", ")"),
    ):
        statement = re.sub(pattern, replacement, statement)
    return statement


class PostgresTx(Tx):
    """A transaction on one connection of the pool."""

    __slots__ = ("_connection",)

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        super().__init__()
        self._connection = connection

    async def rows(self, sql: str, *args: Value) -> list[Row]:
        """See Tx.rows."""
        try:
            return [tuple(row) for row in await self._connection.fetch(numbered(sql), *args)]
        except asyncpg.IntegrityConstraintViolationError as error:
            raise AlreadyExists() from error

    async def execute(self, sql: str, *args: Value) -> int:
        """See Tx.execute."""
        try:
            status = await self._connection.execute(numbered(sql), *args)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise AlreadyExists() from error
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def executemany(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """See Tx.executemany."""
        try:
            await self._connection.executemany(numbered(sql), rows)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise AlreadyExists() from error


class _MoreStatements(BaseException):
    """A read has asked for a second statement: not an error, so that no work can take it for one."""


class _SingleRead(PostgresTx):
    """Outside a transaction, so good for one statement, which is a snapshot by itself."""

    __slots__ = ("_used",)

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        super().__init__(connection)
        self._used = False

    async def rows(self, sql: str, *args: Value) -> list[Row]:
        """See Tx.rows."""
        if self._used or not sql.startswith("SELECT"):
            raise _MoreStatements
        self._used = True
        return await super().rows(sql, *args)

    async def execute(self, sql: str, *args: Value) -> int:
        """A read that writes is left to the read-only transaction, which refuses it."""
        raise _MoreStatements

    async def executemany(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """See execute."""
        raise _MoreStatements


async def _leave_as_it_is(connection: asyncpg.Connection[Any]) -> None:
    """Works leave nothing behind but a transaction, which asyncpg has ended by now: no RESET ALL."""


class PostgresEngine(Engine):
    """See the module's docstring."""

    def __init__(self, pool: asyncpg.Pool[Any], publish: Publish) -> None:
        self._pool = pool
        self._publish = publish
        self._longer_reads: set[CodeType] = set()

    @classmethod
    async def open(cls, url: str, publish: Publish) -> PostgresEngine:
        """Connects; raises Temporary when the server cannot be reached."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=POOL_SIZE,
                command_timeout=COMMAND_TIMEOUT,
                reset=_leave_as_it_is,
            )
        except (*_UNAVAILABLE, asyncpg.PostgresError) as error:
            raise Temporary("PostgreSQL cannot be reached") from error
        return cls(pool, publish)

    async def read(self, work: Work[T]) -> T:
        """See Engine.read."""
        code = getattr(work, "__code__", None)
        try:
            async with self._pool.acquire() as connection:
                if code is not None and code not in self._longer_reads:
                    try:
                        return await work(_SingleRead(connection))
                    except _MoreStatements:
                        self._longer_reads.add(code)
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return await work(PostgresTx(connection))
        except _UNAVAILABLE as error:
            raise Temporary("the store cannot be read now") from error

    async def write(self, work: Work[T]) -> T:
        """See Engine.write. Shielded: a client that goes away does not undo what it asked for."""
        task = asyncio.ensure_future(self._write(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_note_unheard)
            raise

    async def _write(self, work: Work[T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._pool.acquire() as connection:
                    tx = PostgresTx(connection)
                    async with connection.transaction():
                        result = await work(tx)
                self._publish(tx.outgoing())
                return result
            except _RUN_AGAIN as error:
                if attempt == ATTEMPTS:
                    raise Temporary("the store is busy") from error
                await asyncio.sleep(0.01 * attempt)
            except _UNAVAILABLE as error:
                if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                    await (
                        self._pool.expire_connections()
                    )  # to what was the primary; the next ones look for it
                _log.error("store cannot write error=%r", error)
                raise Temporary("the store cannot write now") from error
        raise AssertionError("unreachable: the loop returns or raises")

    async def script(self, statements: Iterable[str]) -> None:
        """Translates and runs schema statements; one process at a time."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK)
            for statement in statements:
                await connection.execute(translated(statement))

    async def analyse(self) -> None:
        """ANALYZE: plans made for an empty table read 3,000 new rows thirty times slower."""
        await self.script(["ANALYZE"])

    async def follow_clock(self) -> None:
        """See Engine.follow_clock."""

        async def work(tx: Tx) -> tuple[int, int, int]:
            asked = clock.since_boot()
            theirs = await tx.value(_TIME)
            return int(theirs), asked, clock.since_boot()

        corrected = clock.follow(*await self.read(work))
        if abs(corrected) > clock.SECOND:
            _log.warning("the database's clock has moved seconds=%.3f", corrected / clock.SECOND)

    async def close(self) -> None:
        """Waits for running works, then closes the pool."""
        await self._pool.close()


def _note_unheard(task: asyncio.Task[Any]) -> None:
    """The outcome of a work whose asker is gone: an error is logged, as nobody else will see it."""
    if not task.cancelled() and task.exception() is not None:
        _log.info("work of a gone client failed error=%r", task.exception())
