# SPDX-License-Identifier: Apache-2.0
"""Blobs in S3, on a real SeaweedFS: multipart, ranges, damage seen, orphans collected, an outage survived."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import obstore
import pytest

from armgs_server.errors import Invalid, NotFound, Temporary
from armgs_server.storage import Store, blobs, clock
from armgs_server.storage.blob_objects import Objects, parse_bucket
from tests import seaweedfs

BIG = bytes(range(256)) * 65536  # 16 MB: two parts and more


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweedfs.running(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
async def store(bucket: str, tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open("sqlite", tmp_path, blob_engine=Objects(bucket))
    yield store
    await store.close()


async def drain(store: Store, digest: bytes, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.blobs.stream(digest, start, end)])


async def test_whole_ranges_and_mapped(store: Store) -> None:
    ref = await store.blobs.put(BIG)
    await store.write(lambda tx: blobs.retain(tx, ref))
    assert ref.data is None and ref.place is not None
    assert await store.blobs.read(ref.hash) == BIG
    assert await drain(store, ref.hash) == BIG
    assert await drain(store, ref.hash, 9_000_000, 9_000_100) == BIG[9_000_000:9_000_100]
    mapped = store.blobs.open(ref)
    assert mapped[:] == BIG


async def test_damaged_bytes_are_not_handed_out_as_whole(store: Store, bucket: str) -> None:
    ref = await store.blobs.put(b"a" * 1_000_000)
    await store.write(lambda tx: blobs.retain(tx, ref))
    assert ref.place is not None
    obstore.put(Objects(bucket)._store, ref.place, b"b" * 1_000_000)
    with pytest.raises(Temporary):
        await store.blobs.read(ref.hash)
    received = bytearray()
    with pytest.raises(Temporary):
        async for chunk in store.blobs.stream(ref.hash):
            received += chunk
    assert len(received) < 1_000_000


async def test_orphans_go_and_what_is_named_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, orphan = await store.blobs.put(BIG), await store.blobs.put(BIG + b"x")
    twin = await store.blobs.put(BIG)
    for ref in (kept, twin):
        await store.write(lambda tx, ref=ref: blobs.retain(tx, ref))
    assert await store.blobs.collect() == 0
    monkeypatch.setattr(blobs, "GRACE", -clock.MINUTE)
    assert await store.blobs.collect() == 0
    assert await store.blobs.read(kept.hash) == BIG
    for gone in (orphan, twin):
        assert gone.place is not None
        with pytest.raises(NotFound):
            store.blobs._engine.read(gone.place, 0, 10)


async def test_a_service_that_is_not_there_is_temporary(tmp_path: Path) -> None:
    engine = Objects("s3://a:b@127.0.0.1:1/none?tls=0")
    store = await Store.open("sqlite", tmp_path, blob_engine=engine)
    with pytest.raises(Temporary):
        await store.blobs.put(BIG)
    assert list((tmp_path / "spool").iterdir()) == []
    await store.close()


def test_urls() -> None:
    found = parse_bucket("s3://key:se%2Fcret@s3.example:9000/bucket/a/b?region=ru-1")
    assert (found.endpoint, found.secret, found.bucket) == ("https://s3.example:9000", "se/cret", "bucket")
    assert (found.prefix, found.region) == ("a/b", "ru-1")
    for url in ("http://a/b", "s3:///b", "s3://host"):
        with pytest.raises(Invalid):
            parse_bucket(url)
