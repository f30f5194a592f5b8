# SPDX-License-Identifier: Apache-2.0
"""The one store: items in collections that belong to somebody, for every protocol.

On disk, below the data directory: `store.db` (SQLite with its write-ahead log; absent with PostgreSQL),
`store.lock` (whose turn it is to write), `blobs/` (bytes above the inline limit, by place; absent with
S3), `spool/` (what is being received).

Invariants: what `write` returned is durable; every change moves its collection's modseq, its counts and
its owner's account in the same transaction; hints leave on the bus after the commit only.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from armgs_server import measures
from armgs_server.errors import DomainError, Unusable
from armgs_server.storage import clock, migrations
from armgs_server.storage.blob_files import BlobEngine, Files, Spool
from armgs_server.storage.blobs import Blobs
from armgs_server.storage.bus import Bus, LocalBus, RemoteBus
from armgs_server.storage.catch_up import CatchUp
from armgs_server.storage.postgresql import PostgresEngine
from armgs_server.storage.sqlite import SqliteEngine
from armgs_server.storage.tx import AsOf, Engine, Options, Tx, Work

__all__ = ["Store"]

T = TypeVar("T")

INLINE_LIMIT = 65536
# How often a daemon looks for hints that other processes (the command line) left in the store.
HINT_INTERVAL = 1.0
HINT_LIFETIME = clock.MINUTE
# How often storage.clock is compared with the database's.
CLOCK_INTERVAL = 10.0

_log = logging.getLogger(__name__)
_operations = measures.operations("store")


class Store:
    """An open store. Used from one loop."""

    bus: Bus
    blobs: Blobs

    def __init__(
        self,
        engine: Engine,
        bus: Bus,
        blob_engine: BlobEngine,
        spool: Spool,
        inline_limit: int,
        installation: str,
        *,
        visiting: bool,
    ) -> None:
        self._engine = engine
        self.installation = installation  # drawn when the store was made
        self._visiting = visiting
        self._watcher: asyncio.Task[None] | None = None
        self._wrap: Callable[[Work[Any]], Work[Any]] | None = None
        self.bus = bus
        self.blobs = Blobs(self, blob_engine, spool, inline_limit)

    @classmethod
    async def open(
        cls,
        url: str,
        directory: Path,
        *,
        bus: Bus | None = None,
        blob_engine: BlobEngine | None = None,
        inline_limit: int = INLINE_LIMIT,
        visiting: bool = False,
        options: Options = Options(),
        installation: str = "",
    ) -> Store:
        """Opens `"sqlite"` or `"postgresql://…"`, making or migrating the schema.

        `visiting` is for a command that works beside a running daemon: what it would publish is left in
        the store as well, where the daemon's `watch` finds it within HINT_INTERVAL. Unusable says why the
        database cannot be this store; `installation` is the id it must have, if any.
        """
        directory.mkdir(parents=True, exist_ok=True)
        used = bus or LocalBus()

        def publish(messages: list[tuple[str, bytes]]) -> None:
            for topic, data in messages:
                used.publish(topic, data)

        engine: Engine
        if url == "sqlite":
            engine = SqliteEngine(directory / "store.db", publish)
        elif url.startswith(("postgresql://", "postgres://")):
            engine = await PostgresEngine.open(url, publish, options)
        else:
            raise Unusable('[store] url is neither "sqlite" nor "postgresql://USER@HOST/DATABASE".')
        try:
            await engine.follow_clock()
            found = await migrations.prepare(engine, installation)
        except BaseException:
            await engine.close()
            raise
        files, spool = Files(directory / "blobs"), Spool(directory / "spool")
        return cls(engine, used, blob_engine or files, spool, inline_limit, found, visiting=visiting)

    async def read(self, work: Work[T]) -> T:
        """Runs `work(tx)` on a snapshot. On SQLite inline: keep it short, page long scans."""
        return await self._engine.read(work)

    async def read_aside(self, work: Work[T], as_of: AsOf | None = None) -> T:
        """Like `read`, but a replica may do it: for what is large and where a little age does no harm.

        `as_of` is a collection as the asker knows it: no older state of it is shown. Without it the answer
        may lack the changes of the last `[store] replica_lag` seconds; say at the call why that is harmless.
        """
        return await self._engine.read_aside(work, as_of)

    async def write(self, work: Work[T]) -> T:
        """Runs `work(tx)`; durable when it returns. See Engine.write for errors."""
        if self._wrap is not None:
            work = self._wrap(work)
        if not self._visiting:
            begin = measures.clock()
            try:
                return await self._engine.write(work)
            finally:
                _operations.done("write", begin)

        async def leaving_hints(tx: Tx) -> T:
            result = await work(tx)
            await tx.executemany(
                "INSERT INTO hint (id, topic, data) VALUES (?, ?, ?)",
                [(clock.unique_id(), topic, data) for topic, data in tx.outgoing()],
            )
            return result

        return await self._engine.write(leaving_hints)

    def around(self, wrap: Callable[[Work[Any]], Work[Any]]) -> Store:
        """The same store, where each work that writes is done by the work that `wrap` makes of it."""
        other = copy.copy(self)
        other._wrap = wrap
        return other

    async def analyse(self) -> None:
        """See Engine.analyse."""
        await self._engine.analyse()

    def release(self) -> None:
        """See Engine.release."""
        self._engine.release()

    def watch(self) -> None:
        """Begins to hear what commands beside this process change, and what a lost bus kept back."""
        self._watcher = asyncio.get_running_loop().create_task(
            self._watch(clock.now() << 10), name="store-watch"
        )

    async def _watch(self, since: int) -> None:
        heard = frozenset[int]()
        catch_up = CatchUp(self._engine, self.bus) if isinstance(self.bus, RemoteBus) else None
        for turn in itertools.count(1):
            await asyncio.sleep(HINT_INTERVAL)
            try:
                heard = await self._hear(max(since, (clock.now() - HINT_LIFETIME) << 10), heard)
                if turn % round(CLOCK_INTERVAL / HINT_INTERVAL) == 0:
                    await self._engine.follow_clock()
                if catch_up is not None:
                    await catch_up.look()
            except DomainError as error:
                _log.warning("store cannot be watched error=%s", error)

    async def _hear(self, since: int, heard: frozenset[int]) -> frozenset[int]:
        """Publishes hints after `since` but those `heard`; which are heard now.

        One may be committed after another with a larger id, so all of the last minute are looked at.
        """

        async def work(tx: Tx) -> list[tuple[int, str, bytes]]:
            rows = await tx.rows("SELECT id, topic, data FROM hint WHERE id > ? ORDER BY id", since)
            return [(row[0], row[1], row[2]) for row in rows]

        hints = await self.read(work)
        for id_, topic, data in hints:
            if id_ not in heard:
                self.bus.publish(topic, data)
        now_heard = frozenset(id_ for id_, *_ in hints)
        if now_heard <= heard:
            return now_heard
        before = (clock.now() - 2 * HINT_LIFETIME) << 10

        async def sweep(tx: Tx) -> None:
            await tx.execute("DELETE FROM hint WHERE id < ?", before)

        await self._engine.write(sweep)
        return now_heard

    async def close(self) -> None:
        """Commits what is queued and closes."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        await self._engine.close()
