# SPDX-License-Identifier: Apache-2.0
"""SQLite engine: reads inline on the loop, writes on one thread with group commit.

Invariants:
- One writer thread a process; it takes everything that waits, runs it in one transaction and commits
  once (one fsync). A blocking file lock around the transaction makes writers of several processes take
  turns: SQLite's own busy-waiting is unfair.
- A work's future is resolved after the commit, never before.
- Each work has a savepoint of its own; one that raises undoes itself alone.
- The works' awaits never suspend, so `send(None)` drives a work to its end.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Awaitable, Coroutine, Iterable
from contextvars import copy_context
from pathlib import Path
from queue import Empty, SimpleQueue
from types import CoroutineType
from typing import Any, TypeVar

import apsw

from armgs_server.errors import AlreadyExists, Temporary, Unusable
from armgs_server.storage.tx import Engine, Publish, Row, Tx, Value, Work, by_table

T = TypeVar("T")

# Works committed together at the most: bounds how long the first of them waits for the last.
BATCH_LIMIT = 256
# Pages in the write-ahead log before it is folded into the database (4 KB each).
CHECKPOINT_PAGES = 4000
STATEMENT_CACHE = 512

_COLUMNS = (
    "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c"
    " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
)

_log = logging.getLogger(__name__)
_STORE_CANNOT_READ = (
    apsw.IOError,
    apsw.CantOpenError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.ProtocolError,
)
_STORE_CANNOT_WRITE = (*_STORE_CANNOT_READ, apsw.FullError, apsw.ReadOnlyError)


class SqliteTx(Tx):
    """A transaction on one connection; its coroutines never suspend."""

    __slots__ = ("_db",)
    is_serial = True

    def __init__(self, db: apsw.Connection) -> None:
        super().__init__()
        self._db = db

    async def rows(self, sql: str, *args: Value) -> list[Row]:
        """See Tx.rows."""
        try:
            found: list[Row] = self._db.execute(sql, args).fetchall()
        except apsw.ConstraintError as error:
            raise AlreadyExists() from error
        return found

    async def execute(self, sql: str, *args: Value) -> int:
        """See Tx.execute."""
        try:
            self._db.execute(sql, args).fetchall()
        except apsw.ConstraintError as error:
            raise AlreadyExists() from error
        return self._db.changes()

    async def executemany(self, sql: str, rows: Iterable[tuple[Value, ...]]) -> None:
        """See Tx.executemany."""
        try:
            for _ in self._db.executemany(sql, rows):
                pass
        except apsw.ConstraintError as error:
            raise AlreadyExists() from error


def _drive(work: Work[T], tx: Tx) -> T:
    """Runs a work whose awaits never suspend."""
    made = work(tx)
    coroutine: Coroutine[Any, Any, T] = made if isinstance(made, CoroutineType) else _awaited(made)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    coroutine.close()
    raise RuntimeError("a work awaited something other than its transaction")


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _open(path: Path, *, writer: bool) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    db = apsw.Connection(str(path), flags=flags, statementcachesize=STATEMENT_CACHE)
    db.set_busy_timeout(10_000)
    # Queries are planned by their text alone. Else those with ORDER BY are prepared anew each time they are
    # run (SQLite with STAT4 looks whether the bound values make another plan better): 15 µs instead of 5.
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.execute("PRAGMA synchronous=FULL").fetchall()
    db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES if writer else 0}").fetchall()
    db.execute("PRAGMA temp_store=MEMORY").fetchall()
    db.execute("PRAGMA cache_size=-32768").fetchall()
    if not writer:
        db.execute("PRAGMA query_only=1").fetchall()
    return db


class _Job:
    """One queued work and where its outcome goes."""

    __slots__ = ("context", "error", "future", "outgoing", "result", "work")

    def __init__(self, work: Work[Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.context = copy_context()  # what is done belongs to whoever asks for it (trace_id)
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.outgoing: list[tuple[str, bytes]] = []


class SqliteEngine(Engine):
    """See the module's docstring."""

    def __init__(self, path: Path, publish: Publish) -> None:
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        try:
            self._writer_db = _open(path, writer=True)
            self._reader_db = _open(path, writer=False)
        except apsw.Error as error:
            raise Unusable(
                f"{path} cannot be opened: {error}. If it is damaged, restore a backup into an empty folder;"
                " else look who may read and write it."
            ) from error
        self._read_tx = SqliteTx(self._reader_db)  # one for all: what is read publishes nothing
        self._lock_file = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_loop, name="store-writer", daemon=True)
        self._thread.start()
        self._closed = False

    async def read(self, work: Work[T]) -> T:
        """Runs inline: a cached read takes microseconds, a hand-over to a thread takes more."""
        db = self._reader_db
        db.execute("BEGIN")
        try:
            return _drive(work, self._read_tx)
        except _STORE_CANNOT_READ as error:
            raise Temporary("the store cannot be read now") from error
        finally:
            db.execute("COMMIT")

    async def write(self, work: Work[T]) -> T:
        """Queues the work for the writer thread and waits for the commit."""
        if self._closed:
            raise Temporary("the store is closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Job(work, future))
        return await future

    async def script(self, statements: Iterable[str]) -> None:
        """Runs the statements as they are: the schema is written in SQLite's words."""
        todo = list(statements)

        async def work(tx: Tx) -> None:
            for statement in todo:
                await tx.execute(statement)

        await self.write(work)

    async def columns(self) -> dict[str, set[str]]:
        """See Engine.columns."""
        return by_table(await self.read(lambda tx: tx.rows(_COLUMNS)))

    async def analyse(self) -> None:
        """Nothing: every query here is planned by its indexes alone."""

    def release(self) -> None:
        """The reader's pages, which the next commit makes void anyway; the writer's stay good."""
        self._reader_db.release_memory()

    async def close(self) -> None:
        """Commits what waits, then closes both connections."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader_db.close()
        self._writer_db.close()
        os.close(self._lock_file)

    # The writer thread.

    def _write_loop(self) -> None:
        while (job := self._queue.get()) is not None:
            is_last, batch = False, [job]
            # The turn first, the batch then: what comes while another process writes is in it.
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                while len(batch) < BATCH_LIMIT and not is_last:
                    try:
                        job = self._queue.get_nowait()
                    except Empty:
                        break
                    is_last = job is None
                    if job is not None:
                        batch.append(job)
                self._commit(batch)
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
            self._loop.call_soon_threadsafe(self._resolve, batch)
            if is_last:
                return

    def _commit(self, batch: list[_Job]) -> None:
        """Runs the batch in one transaction; on return every job has its result or its error."""
        db = self._writer_db
        try:
            try:
                db.execute("BEGIN IMMEDIATE")
                for job in batch:
                    self._run(job, alone=len(batch) == 1)
                if not db.getautocommit():
                    db.execute("COMMIT")
            finally:
                if not db.getautocommit():
                    db.execute("ROLLBACK")
        except Exception as error:
            # Nothing of this batch is on disk: none of it may be acknowledged.
            if not isinstance(error, _StoreFailed):
                _log.exception("store cannot commit")
            cause = error.__cause__ if isinstance(error, _StoreFailed) else error
            for job in batch:
                if job.error is None:
                    job.error = Temporary("the store cannot write now")
                    job.error.__cause__ = cause

    def _run(self, job: _Job, *, alone: bool) -> None:
        db = self._writer_db
        tx = SqliteTx(db)
        if not alone:
            db.execute("SAVEPOINT work")
        try:
            job.result = job.context.run(_drive, job.work, tx)
            job.outgoing = tx.outgoing()
        except _STORE_CANNOT_WRITE as error:
            _log.error("store cannot write error=%s", error)
            raise _StoreFailed() from error
        except BaseException as error:
            job.error = error
            db.execute("ROLLBACK" if alone else "ROLLBACK TO work")
        if not alone:
            db.execute("RELEASE work")

    def _resolve(self, batch: list[_Job]) -> None:
        """On the loop, after the commit: publish, then wake the waiters."""
        for job in batch:
            if job.error is None and job.outgoing:
                job.context.run(self._publish, job.outgoing)
            if job.future.done():  # the waiter was cancelled; its work is committed all the same
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)


class _StoreFailed(Exception):
    """The engine refused a write: the whole transaction is void."""
