# SPDX-License-Identifier: Apache-2.0
"""Blobs: bytes named by their SHA-256, counted by reference, stored once for all owners.

Up to `inline_limit` they lie in the database and become durable in the item's own transaction. Larger
ones are a file, written and synced before a transaction may name them. Files that no transaction named
(a crash, a refused PUT) are collected an hour later: `collect` never touches a younger file or row, and
removes a file only while it holds the deletion of its row.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from armgs_server.errors import NotFound, Temporary, TooLarge
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

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
    """Bytes that a transaction may name; `data` is None when they are in the blob engine already."""

    hash: bytes
    size: int
    data: bytes | None


async def retain(tx: Tx, ref: BlobRef, count: int = 1) -> None:
    """Adds references; the first one inserts the row."""
    await tx.execute(
        "INSERT INTO blob (hash, size, refs, touched, data) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET refs = blob.refs + excluded.refs, touched = excluded.touched",
        ref.hash,
        ref.size,
        count,
        clock.now(),
        ref.data,
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


class Files:
    """The blob engine of one host: `blobs/ab/cd/abcd…`, and `blobs/new/` for what is being written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._new = directory / "new"
        self._new.mkdir(parents=True, exist_ok=True)

    def path(self, digest: bytes) -> Path:
        """Where a blob's file is, or would be."""
        name = digest.hex()
        return self._directory / name[:2] / name[2:4] / name

    def create(self) -> tuple[Path, BinaryIO]:
        """A file to write to, not yet named by its hash."""
        path = self._new / secrets.token_hex(16)
        return path, open(path, "xb", buffering=0)

    def keep(self, path: Path, file: BinaryIO, digest: bytes) -> None:
        """Makes the bytes durable and gives the file its name."""
        os.fsync(file.fileno())
        file.close()
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        for directory in (target.parent, target.parent.parent, self._directory):
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def read(self, digest: bytes, start: int, end: int) -> bytes:
        """Bytes `start` to `end`, the latter not included. NotFound."""
        try:
            with open(self.path(digest), "rb", buffering=0) as file:
                return os.pread(file.fileno(), end - start, start)
        except FileNotFoundError as error:
            raise NotFound("the blob's file is missing") from error

    def map(self, digest: bytes) -> mmap:
        """A file that is there, in as much memory as is looked at."""
        with open(self.path(digest), "rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)

    def unlink_older(self, digest: bytes, before: float) -> None:
        """Removes a file unless it was written after `before` (seconds since 1970)."""
        path = self.path(digest)
        if path.exists() and path.stat().st_mtime < before:
            path.unlink()

    def sweep(self, before: float) -> list[bytes]:
        """Removes unfinished uploads that nobody writes any more; the hashes of all other old files."""
        old = [
            path for path in self._directory.rglob("*") if path.is_file() and path.stat().st_mtime < before
        ]
        for path in old:
            if path.parent == self._new:
                path.unlink(missing_ok=True)
        return [bytes.fromhex(path.name) for path in old if path.parent != self._new]


class BlobWriter:
    """Takes bytes as they come; memory stays below the inline limit plus one chunk."""

    def __init__(self, files: Files, inline_limit: int, limit: int | None) -> None:
        self._files = files
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
        """The reference to name in a transaction; the bytes are durable if they are in a file."""
        digest = self._hash.digest()
        if self._file is None:
            return BlobRef(digest, self.size, bytes(self._buffer))
        await self._spill()
        assert self._path is not None
        try:
            await asyncio.to_thread(self._files.keep, self._path, self._file, digest)
        except OSError as error:
            self.abort()
            raise Temporary("the disk does not take the file") from error
        self._file = None
        return BlobRef(digest, self.size, None)

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
                self._path, self._file = self._files.create()
            data, self._buffer = self._buffer, bytearray()
            await asyncio.to_thread(_write_all, self._file, data)
        except OSError as error:
            self.abort()
            raise Temporary("the disk does not take the file") from error


def _write_all(file: BinaryIO, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class Blobs:
    """Reading and writing of blobs outside a transaction."""

    def __init__(self, store: Store, files: Files, inline_limit: int) -> None:
        self._store = store
        self._files = files
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
        """The bytes behind a reference just made, to index them; a large blob's file is mapped, not read."""
        if ref.data is not None:
            return ref.data
        return self._files.map(ref.hash)

    def writer(self, limit: int | None = None) -> BlobWriter:
        """A writer that refuses more than `limit` bytes."""
        return BlobWriter(self._files, self._inline_limit, limit)

    async def read(self, digest: bytes, start: int = 0, end: int | None = None) -> bytes:
        """The bytes, or a part of them. NotFound."""

        row = await self._store.read(lambda tx: tx.row("SELECT size, data FROM blob WHERE hash = ?", digest))
        if row is None:
            raise NotFound("no such blob")
        stop = row[0] if end is None else min(end, row[0])
        if row[1] is not None:
            return bytes(row[1][start : max(start, stop)])
        return await asyncio.to_thread(self._files.read, digest, start, max(start, stop))

    async def stream(self, digest: bytes, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes in chunks of at most CHUNK. NotFound before the first chunk."""
        row = await self._store.read(
            lambda tx: tx.row("SELECT size, data IS NOT NULL FROM blob WHERE hash = ?", digest)
        )
        if row is None:
            raise NotFound("no such blob")
        stop = row[0] if end is None else min(end, row[0])
        if row[1]:
            if start < stop:
                yield await self.read(digest, start, stop)
            return
        while start < stop:
            chunk = await asyncio.to_thread(self._files.read, digest, start, min(start + CHUNK, stop))
            if not chunk:
                raise Temporary("the blob's file is shorter than its row says")
            yield chunk
            start += len(chunk)

    async def collect(self) -> int:
        """Removes what nobody has named for GRACE; the number of rows removed. For a background job."""
        before = clock.now() - GRACE
        removed = 0
        while True:

            async def work(tx: Tx) -> int:
                rows = await tx.rows(
                    "DELETE FROM blob WHERE hash IN (SELECT hash FROM blob WHERE refs = 0 AND touched < ?"
                    " LIMIT ?) AND refs = 0 RETURNING hash, data IS NULL",
                    before,
                    COLLECT_BATCH,
                )
                for digest, in_file in rows:
                    if in_file:
                        # Within the transaction: whoever names the same bytes meanwhile waits for it,
                        # and has just written the file anew, so its time is younger.
                        self._files.unlink_older(digest, before / clock.SECOND)
                return len(rows)

            count = await self._store.write(work)
            removed += count
            if count < COLLECT_BATCH:
                break
        await self._collect_orphans(before)
        return removed

    async def _collect_orphans(self, before: int) -> None:
        """Removes old files without a row: their transaction never came."""
        old = await asyncio.to_thread(self._files.sweep, before / clock.SECOND)
        for at in range(0, len(old), COLLECT_BATCH):
            batch = old[at : at + COLLECT_BATCH]

            async def work(tx: Tx, batch: Sequence[bytes] = batch) -> None:
                places = ", ".join("?" * len(batch))
                rows = await tx.rows(f"SELECT hash FROM blob WHERE hash IN ({places})", *batch)
                for digest in set(batch) - {row[0] for row in rows}:
                    self._files.unlink_older(digest, before / clock.SECOND)

            await self._store.write(work)
