# SPDX-License-Identifier: Apache-2.0
"""smtp/body.py: small messages in memory, large ones to the blob store, refused ones nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from mmap import mmap
from pathlib import Path

import pytest

from armgs_server.errors import Temporary
from armgs_server.smtp import replies
from armgs_server.smtp.body import HEADER_LIMIT, Body
from armgs_server.smtp.replies import Reply
from armgs_server.storage import Store
from armgs_server.storage.blobs import BlobRef, BlobWriter

HEAD = b"Subject: x\r\n\r\n"
PREFIXES = (b"A: 1\r\n", b"B: 2\r\n")


class Inspector:
    """Answers with the prefixes; keeps what it saw."""

    def __init__(self, answer: Sequence[bytes] | Reply = PREFIXES) -> None:
        self.answer = answer
        self.seen: list[bytes] = []

    async def __call__(self, head: bytes) -> Sequence[bytes] | Reply:
        self.seen.append(head)
        return self.answer


async def feed(body: Body, text: bytes, step: int = 100_000) -> Sequence[BlobRef] | Reply:
    for start in range(0, len(text), step):
        await body.write(text[start : start + step])
    return await body.finish()


async def content(store: Store, ref: BlobRef) -> bytes:
    return bytes(store.blobs.open(ref)[:])


@pytest.mark.parametrize("size", [0, 10, 70_000, HEADER_LIMIT, HEADER_LIMIT + 1, 2_000_000])
async def test_every_copy_is_prefix_and_text(store: Store, size: int) -> None:
    inspect = Inspector()
    text = HEAD + b"x" * size
    refs = await feed(Body(store.blobs, 10_000_000, inspect), text)
    assert not isinstance(refs, Reply)
    assert [await content(store, ref) for ref in refs] == [prefix + text for prefix in PREFIXES]
    assert inspect.seen == [HEAD]


@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_a_refused_header_keeps_nothing(store: Store, tmp_path: Path, size: int) -> None:
    inspect = Inspector(replies.LOOP_554)
    assert await feed(Body(store.blobs, 10_000_000, inspect), HEAD + b"x" * size) == replies.LOOP_554
    assert len(inspect.seen) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size == size]


async def test_limits(store: Store) -> None:
    inspect = Inspector()
    assert await feed(Body(store.blobs, 1000, inspect), HEAD + b"x" * 987) == replies.TOO_LARGE_552
    assert await feed(Body(store.blobs, 10**6, inspect), HEAD + b"x" * 10**6) == replies.TOO_LARGE_552
    head = b"X: y\r\n" * (HEADER_LIMIT // 6 + 1)
    assert await feed(Body(store.blobs, 10**6, inspect), head) == replies.HEADER_TOO_LARGE_552


async def test_a_disk_that_fails_refuses_for_now(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: BlobWriter, data: bytes) -> None:
        raise Temporary("disk full")

    monkeypatch.setattr(BlobWriter, "write", fail)
    body = Body(store.blobs, 10_000_000, Inspector())
    assert await feed(body, HEAD + b"x" * 2_000_000) == replies.STORE_FAILED_451


@pytest.mark.parametrize("size", [0, 10, HEADER_LIMIT + 1, 2_000_000])
async def test_a_judged_message_has_the_header_the_judge_gives(store: Store, size: int) -> None:
    inspect = Inspector()
    seen: list[tuple[bytes, int]] = []

    async def judge(text: bytes | mmap, header_size: int) -> bytes:
        seen.append((bytes(text[:]), header_size))
        return b"Subject: y\r\n\r\n"

    text = HEAD + b"x" * size
    refs = await feed(Body(store.blobs, 10_000_000, inspect, judge), text)
    assert not isinstance(refs, Reply)
    whole = b"Subject: y\r\n\r\n" + b"x" * size
    assert [await content(store, ref) for ref in refs] == [prefix + whole for prefix in PREFIXES]
    assert inspect.seen == [b"Subject: y\r\n\r\n"]
    assert seen == [(text, len(HEAD))]


@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_the_judge_refuses_before_the_header_is_looked_at(store: Store, size: int) -> None:
    inspect = Inspector()

    async def judge(text: bytes | mmap, header_size: int) -> Reply:
        return replies.NO_RELAY_550

    assert (
        await feed(Body(store.blobs, 10_000_000, inspect, judge), HEAD + b"x" * size) == replies.NO_RELAY_550
    )
    assert inspect.seen == []
