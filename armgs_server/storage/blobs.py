# SPDX-License-Identifier: Apache-2.0
"""Blobs: bytes named by their SHA-256, counted by reference, stored once for all owners.

Up to `inline_limit` they lie in the database and become durable in the item's own transaction. Larger
ones go to the blob engine and are durable there before a transaction may name them. What no transaction
named (a crash, a refused PUT) and what nobody refers to any more is collected an hour later.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from armgs_server.errors import NotFound, Temporary, TooLarge
from armgs_server.storage import clock, derived
from armgs_server.storage.blob_files import BlobEngine, Spool, digest_of
from armgs_server.storage.tx import Row, Tx

if TYPE_CHECKING:
    from armgs_server.storage import Store

# Bytes gathered before they are written to a file, and read from one at a time: enough that the
# hand-over to a thread costs little, small enough for a thousand transfers at once.
CHUNK = 512 * 1024
# How long an unreferenced blob is kept: longer than any transaction or upload that may yet name it.
GRACE = clock.HOUR
COLLECT_BATCH = 500


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Bytes that a transaction may name: `data` itself, or the `place` where the blob engine keeps them."""

    hash: bytes
    size: int
    data: bytes | None
    place: str | None = None


async def retain(tx: Tx, ref: BlobRef, count: int = 1) -> None:
    """Adds references; the first one inserts the row."""
    await tx.execute(
        "INSERT INTO blob (hash, size, refs, touched, data, place) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET refs = blob.refs + excluded.refs, touched = excluded.touched",
        ref.hash,
        ref.size,
        count,
        clock.now(),
        ref.data,
        ref.place,
    )


async def retain_existing(tx: Tx, digests: Iterable[bytes]) -> None:
    """One more reference to each blob that is in the store already (COPY)."""
    now = clock.now()
    await tx.executemany(
        "UPDATE blob SET refs = refs + 1, touched = ? WHERE hash = ?", [(now, digest) for digest in digests]
    )


async def release(tx: Tx, digests: Iterable[bytes]) -> None:
    """Takes back one reference for each digest given."""
    now = clock.now()
    await tx.executemany(
        "UPDATE blob SET refs = refs - 1, touched = ? WHERE hash = ?", [(now, digest) for digest in digests]
    )


class BlobWriter:
    """Takes bytes as they come; memory stays below the inline limit plus one chunk."""

    def __init__(self, engine: BlobEngine, spool: Spool, inline_limit: int, limit: int | None) -> None:
        self._engine = engine
        self._spool = spool
        self._inline_limit = inline_limit
        self._limit = limit
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self.size = 0

    async def write(self, data: bytes) -> None:
        """TooLarge beyond the limit; Temporary when the disk does not take it."""
        self.size += len(data)
        if self._limit is not None and self.size > self._limit:
            self.abort()
            raise TooLarge()
        self._hash.update(data)
        self._buffer += data
        if len(self._buffer) > max(self._inline_limit, CHUNK if self._file else 0):
            await self._spill()

    async def finish(self) -> BlobRef:
        """The reference to name in a transaction; what is not in it is durable already."""
        digest = self._hash.digest()
        if self._file is None:
            return BlobRef(digest, self.size, bytes(self._buffer))
        await self._spill()
        assert self._path is not None
        self._file.close()
        try:
            place = await asyncio.to_thread(self._engine.keep, self._path, digest)
        except OSError as error:
            self.abort()
            raise Temporary("the blob engine does not take the bytes") from error
        self._file = None
        return BlobRef(digest, self.size, None, place)

    def abort(self) -> None:
        """Forgets what was written; harmless after finish or another abort."""
        if self._file is not None and self._path is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
            self._file = None
        self._buffer.clear()

    async def _spill(self) -> None:
        try:
            if self._file is None:
                self._path, self._file = self._spool.create()
            data, self._buffer = self._buffer, bytearray()
            await asyncio.to_thread(_write_all, self._file, data)
        except OSError as error:
            self.abort()
            raise Temporary("the disk does not take the bytes") from error


def _write_all(file: BinaryIO, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class Blobs:
    """Reading and writing of blobs outside a transaction."""

    def __init__(self, store: Store, engine: BlobEngine, spool: Spool, inline_limit: int) -> None:
        self._store = store
        self._engine = engine
        self._spool = spool
        self._inline_limit = inline_limit

    def small(self, data: bytes) -> BlobRef:
        """A reference to bytes that fit the database; no I/O."""
        return BlobRef(hashlib.sha256(data).digest(), len(data), data)

    async def put(self, data: bytes) -> BlobRef:
        """A reference to bytes of any size."""
        if len(data) <= self._inline_limit:
            return self.small(data)
        writer = self.writer()
        await writer.write(data)
        return await writer.finish()

    def open(self, ref: BlobRef) -> bytes | mmap:
        """The bytes behind a reference just made, to index them; large ones are mapped, in a thread."""
        if ref.data is not None:
            return ref.data
        assert ref.place is not None
        return self._engine.map(ref.place)

    def writer(self, limit: int | None = None) -> BlobWriter:
        """A writer that refuses more than `limit` bytes."""
        return BlobWriter(self._engine, self._spool, self._inline_limit, limit)

    async def read(self, digest: bytes, start: int = 0, end: int | None = None) -> bytes:
        """The bytes, or a part of them. NotFound; Temporary when the engine cannot be reached."""
        # Bytes that have a row never change, so a replica may be asked; where they lie outside may change.
        size, inline, place = await self._store.read_aside(lambda tx: _row(tx, digest))
        if inline is None:
            size, inline, place = await self._store.read(lambda tx: _row(tx, digest))
        stop = size if end is None else min(end, size)
        if inline is not None:
            return bytes(inline[start : max(start, stop)])
        data = await self._read(place, start, stop)
        if self._engine.far and len(data) == size and hashlib.sha256(data).digest() != digest:
            raise Temporary("the blob's bytes are damaged")
        return data

    async def stream(self, digest: bytes, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes in chunks of at most CHUNK. NotFound before the first chunk."""
        row = await self._store.read(lambda tx: tx.row("SELECT size, place FROM blob WHERE hash = ?", digest))
        if row is None:
            raise NotFound("no such blob")
        stop = row[0] if end is None else min(end, row[0])
        if row[1] is None:
            if start < stop:
                yield await self.read(digest, start, stop)
            return
        check = hashlib.sha256() if self._engine.far and start == 0 and stop == row[0] else None
        while start < stop:
            chunk = await self._read(row[1], start, min(start + CHUNK, stop))
            start += len(chunk)
            if not chunk:
                raise Temporary("the blob is shorter than its row says")
            if check is not None:
                check.update(chunk)
                if start == stop and check.digest() != digest:
                    raise Temporary("the blob's bytes are damaged")
            yield chunk

    async def _read(self, place: str, start: int, stop: int) -> bytes:
        try:
            return await asyncio.to_thread(self._engine.read, place, start, max(start, stop))
        except OSError as error:
            raise Temporary("the blob engine cannot be read now") from error

    async def collect(self) -> int:
        """Removes what nobody has named for GRACE; the number of rows removed. For a background job."""
        before = clock.now() - GRACE
        removed = 0
        while True:
            places = await self._store.write(lambda tx: _forget(tx, before))
            for place in places:
                if place is not None:
                    await asyncio.to_thread(self._engine.remove, place)
            removed += len(places)
            if len(places) < COLLECT_BATCH:
                break
        await self._sweep(before / clock.SECOND)
        return removed

    async def _sweep(self, before: float) -> None:
        """Removes old places that no row names: their transaction never came, or another was first."""
        await asyncio.to_thread(self._spool.sweep, before)
        old = self._engine.older(before)
        while batch := await asyncio.to_thread(lambda: list(islice(old, COLLECT_BATCH))):
            named = await self._store.read(lambda tx, batch=batch: _named(tx, batch))  # type: ignore[misc]
            for place in batch:
                if place not in named:
                    await asyncio.to_thread(self._engine.remove, place)


async def _row(tx: Tx, digest: bytes) -> Row:
    """Size, data and place; NotFound."""
    row = await tx.row("SELECT size, data, place FROM blob WHERE hash = ?", digest)
    if row is not None and row[1] is None and row[2] is None:
        row = (row[0], await derived.read(tx, digest), None)
        if row[1] is None:
            raise NotFound("what the blob is made of is gone")
    if row is None:
        raise NotFound("no such blob")
    return row


async def _forget(tx: Tx, before: int) -> list[str | None]:
    """Deletes a batch of unreferenced rows; the places of their bytes."""
    rows = await tx.rows(
        "DELETE FROM blob WHERE hash IN (SELECT hash FROM blob WHERE refs = 0 AND touched < ? LIMIT ?)"
        " AND refs = 0 RETURNING place, hash",
        before,
        COLLECT_BATCH,
    )
    await derived.discard(tx, [bytes(digest) for place, digest in rows if place is None])
    return [row[0] for row in rows]


async def _named(tx: Tx, places: Sequence[str]) -> set[str]:
    digests = {digest_of(place) for place in places}
    rows = await tx.rows(
        f"SELECT place FROM blob WHERE hash IN ({', '.join('?' * len(digests))})", *sorted(digests)
    )
    return {row[0] for row in rows}
