# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL engine (asyncpg): the same works and the same SQL text, awaited on the loop.

Collections are counted by `UPDATE … RETURNING`, which locks the row until the commit, so writers of one
collection take turns and READ COMMITTED is enough; reads see one snapshot (REPEATABLE READ).
PostgreSQL groups commits of concurrent transactions by itself.
What costs is the round trip, so a read of one statement goes without BEGIN and COMMIT: each read is tried so,
and is run again inside a transaction when it asks for more; which reads do is remembered.
A connection lost before its COMMIT was sent: the work is run again. One lost while COMMIT was on its way: the
server is asked what became of it (`postgresql_outcome`). So an answer is neither a false one nor a double.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from types import CodeType
from typing import Any, TypeVar

import asyncpg

from armgs_server.errors import DomainError, Temporary
from armgs_server.storage import clock
from armgs_server.storage import postgresql_outcome as outcome
from armgs_server.storage.postgresql_pool import Connection, Pool
from armgs_server.storage.postgresql_replica import UNREACHABLE, Replicas, has_reached
from armgs_server.storage.postgresql_tx import MoreStatements, PostgresTx, SingleRead
from armgs_server.storage.postgresql_unusable import CANNOT_OPEN, explain
from armgs_server.storage.tx import AsOf, Engine, Options, Publish, Tx, Work, by_table

T = TypeVar("T")

# Deadlocks and lost serialisation races are run again this often before the client is told to.
ATTEMPTS = 4

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
_COLUMNS = (
    "SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT) FROM pg_class c JOIN pg_attribute a"
    " ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('r', 'p')"
    " AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
)
_TIME = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
# The connection is gone, so the work is undone unless COMMIT had been sent; it may be run again on another.
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    ConnectionResetError,
    BrokenPipeError,
)
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Making an index or looking at all tables takes as long as it takes.
_SCRIPT_TIMEOUT = 3600.0
# Key of the advisory lock under which one process at a time makes or migrates the schema.
_SCHEMA_LOCK = 0x61726D6773


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


class _Behind(Exception):
    """The replica does not have what the reader knows of already."""


class _Reader:
    """Runs reads on the connections of one server."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._longer_reads: set[CodeType] = set()

    async def read(self, work: Work[T], as_of: AsOf | None = None) -> T:
        """See Engine.read; _Behind where the server has not come as far as `as_of`."""
        connection = await self._pool.acquire()
        try:
            if as_of is not None and not await has_reached(connection, as_of):
                raise _Behind
            result = await self._run(connection, work)
        except (DomainError, _Behind):
            self._pool.release(connection)
            raise
        except BaseException:
            self._pool.mend(connection)
            raise
        self._pool.release(connection)
        return result

    async def _run(self, connection: Connection, work: Work[T]) -> T:
        code = getattr(work, "__code__", None)
        if code is not None and code not in self._longer_reads:
            try:
                return await work(SingleRead(connection))
            except MoreStatements:
                self._longer_reads.add(code)
        await connection.execute(_BEGIN_READ)
        try:
            result = await work(PostgresTx(connection))
        except DomainError:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
        return result


class PostgresEngine(Engine):
    """See the module's docstring."""

    def __init__(self, url: str, publish: Publish, options: Options) -> None:
        self._url = url
        self._publish = publish
        self._timeout = options.timeout
        self._pool = Pool(url, options.connections, options.timeout)
        self._reader = _Reader(self._pool)
        self._replicas = Replicas(options, self._pool)
        self._replica_readers = {each: _Reader(each.pool) for each in self._replicas}

    @classmethod
    async def open(cls, url: str, publish: Publish, options: Options) -> PostgresEngine:
        """Connects; Unusable says why the database cannot be ours."""
        engine = cls(url, publish, options)
        try:
            engine._pool.release(await engine._pool.acquire())
        except CANNOT_OPEN as error:
            raise explain(url, error) from error
        engine._replicas.start()
        return engine

    async def read(self, work: Work[T]) -> T:
        """See Engine.read. A connection may have been lost while it was idle: that is tried once more."""
        try:
            try:
                return await self._reader.read(work)
            except _LOST:
                self._pool.expire()
                return await self._reader.read(work)
        except _UNAVAILABLE as error:
            raise Temporary("the store cannot be read now") from error

    async def read_aside(self, work: Work[T], as_of: AsOf | None) -> T:
        """See Engine.read_aside."""
        replica = self._replicas.choose()
        if replica is not None:
            try:
                return await self._replica_readers[replica].read(work, as_of)
            except (DomainError, _Behind):
                _log.debug("replica does not have it yet replica=%s", replica.name)
            except UNREACHABLE as error:
                self._replicas.lost(replica, error)
        return await self.read(work)

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
                result, tx = await self._transact(work)
            except _RUN_AGAIN as error:
                if attempt == ATTEMPTS:
                    raise Temporary("the store is busy") from error
                await asyncio.sleep(0.01 * attempt)
            except _UNAVAILABLE as error:
                if attempt == ATTEMPTS or not isinstance(error, _LOST):
                    _log.error("store cannot write error=%r", error)
                    raise Temporary("the store cannot write now") from error
                self._pool.expire()  # the others lead to the same server; new ones look for the primary
            else:
                self._publish(tx.outgoing())
                return result
        raise AssertionError("unreachable: the loop returns or raises")

    async def _transact(self, work: Work[T]) -> tuple[T, Tx]:
        """Runs the work once. Where this raises nothing of it is in the store, unless Temporary says so."""
        connection = await self._pool.acquire()
        tx, asked = PostgresTx(connection), None
        try:
            await connection.execute(outcome.BEGIN)
            try:
                result = await work(tx)
            except DomainError:
                await connection.execute("ROLLBACK")
                raise
            asked = outcome.ticket(connection)
            status = await connection.execute("COMMIT")
        except DomainError:
            self._pool.release(connection)
            raise
        except _LOST:
            self._pool.mend(connection)
            if asked is None or not await self._was_committed(asked):
                raise
        except BaseException:
            self._pool.mend(connection)
            raise
        else:
            self._pool.release(connection)
            if status != "COMMIT":
                raise RuntimeError("a work went on after an error of its transaction")
        return result, tx

    async def _was_committed(self, asked: outcome.Ticket) -> bool:
        self._pool.expire()
        found = await outcome.was_committed(self._pool, asked, self._timeout)
        _log.warning("connection lost in commit committed=%s", found)
        if found is None:
            raise Temporary("it is not known whether this was stored")
        return found

    async def script(self, statements: Iterable[str]) -> None:
        """Translates and runs schema statements; one process at a time. Unusable where it may not."""
        connection = await self._pool.acquire()
        try:
            async with connection.transaction():
                await connection.execute(
                    "SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK, timeout=_SCRIPT_TIMEOUT
                )
                for statement in statements:
                    await connection.execute(translated(statement), timeout=_SCRIPT_TIMEOUT)
        except (*_UNAVAILABLE, asyncpg.PostgresError) as error:
            self._pool.mend(connection)
            raise explain(self._url, error) from error
        except BaseException:
            self._pool.mend(connection)
            raise
        self._pool.release(connection)

    async def columns(self) -> dict[str, set[str]]:
        """See Engine.columns."""
        return by_table(await self.read(lambda tx: tx.rows(_COLUMNS)))

    async def follow_clock(self) -> None:
        """See Engine.follow_clock."""

        async def work(tx: Tx) -> tuple[int, int, int]:
            asked = clock.since_boot()
            theirs = await tx.value(_TIME)
            return int(theirs), asked, clock.since_boot()

        corrected = clock.follow(*await self.read(work))
        if abs(corrected) > clock.SECOND:
            _log.warning("the database's clock has moved seconds=%.3f", corrected / clock.SECOND)

    async def analyse(self) -> None:
        """ANALYZE: plans made for an empty table read 3,000 new rows thirty times slower."""
        await self.script(["ANALYZE"])

    async def close(self) -> None:
        """Waits for running works, then closes the connections."""
        await self._replicas.close()
        await self._pool.close()


def _note_unheard(task: asyncio.Task[Any]) -> None:
    """The outcome of a work whose asker is gone: an error is logged, as nobody else will see it."""
    if not task.cancelled() and task.exception() is not None:
        _log.info("work of a gone client failed error=%r", task.exception())
