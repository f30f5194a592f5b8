# SPDX-License-Identifier: Apache-2.0
"""Blobs on both sides of the inline limit: durable, ranged, counted, collected only when unnamed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from armgs_server.errors import NotFound, TooLarge
from armgs_server.storage import Store, blobs, clock

BIG = bytes(range(256)) * 8192  # 2 MB


async def name(store: Store, ref: blobs.BlobRef) -> None:
    await store.write(lambda tx: blobs.retain(tx, ref))


async def drain(store: Store, digest: bytes, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.blobs.stream(digest, start, end)])


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 65536, b"x" * 65537, BIG], ids=len)
async def test_what_goes_in_comes_out_whole_and_in_ranges(store: Store, data: bytes) -> None:
    writer = store.blobs.writer()
    for at in range(0, len(data), 100_000):
        await writer.write(data[at : at + 100_000])
    ref = await writer.finish()
    await name(store, ref)

    assert (ref.data is None) == (len(data) > 65536)
    assert ref.size == len(data)
    again = await store.blobs.put(data)
    assert (again.hash, again.size, again.data) == (ref.hash, ref.size, ref.data)
    assert await store.blobs.read(ref.hash) == data
    assert await store.blobs.read(ref.hash, 10, 70_000) == data[10:70_000]
    assert await drain(store, ref.hash) == data
    assert await drain(store, ref.hash, 3, len(data) - 1) == data[3:-1]
    assert await drain(store, ref.hash, 5) == data[5:]


async def test_more_than_the_limit_leaves_nothing(store: Store, tmp_path: Path) -> None:
    writer = store.blobs.writer(limit=200_000)
    await writer.write(b"x" * 150_000)
    with pytest.raises(TooLarge):
        await writer.write(b"x" * 150_000)
    assert list((tmp_path / "store" / "spool").iterdir()) == []


async def test_an_unknown_blob(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.blobs.read(b"\0" * 32)
    with pytest.raises(NotFound):
        await drain(store, b"\0" * 32)


async def test_the_collector_waits_and_takes_only_what_nobody_names(store: Store, tmp_path: Path) -> None:
    kept, again = await store.blobs.put(BIG), await store.blobs.put(BIG)
    small, large = (
        store.blobs.small(b"x"),
        await store.blobs.put(BIG + b"x"),
    )
    orphan = await store.blobs.put(BIG + b"never named")
    directory = tmp_path / "store" / "blobs"
    for ref in (kept, again, small, large):
        await name(store, ref)
    await store.write(lambda tx: blobs.release(tx, [small.hash, large.hash]))

    assert await store.blobs.collect() == 0  # too young

    old = time.time() - 2 * blobs.GRACE / clock.SECOND
    for path in directory.rglob("*"):
        if path.is_file():
            os.utime(path, (old, old))
    await store.write(lambda tx: tx.execute("UPDATE blob SET touched = ?", int(old * clock.SECOND)))
    assert await store.blobs.collect() == 2

    assert await store.blobs.read(kept.hash) == BIG
    assert kept.place is not None and kept.place != again.place
    files = [path.name for path in directory.rglob("*") if path.is_file()]
    assert files == [kept.place.rpartition("/")[2]]
    for ref in (small, large, orphan):
        with pytest.raises(NotFound):
            await store.blobs.read(ref.hash)
