# SPDX-License-Identifier: Apache-2.0
"""Segments of words, on both engines: kept, found, merged, taken away."""

from __future__ import annotations

import pytest

from armgs_server.errors import NotFound
from armgs_server.formats import word_index
from armgs_server.formats.word_index import SPAN, WordIndex
from armgs_server.storage import Store, mail_words
from armgs_server.storage.mail_words import Kind, Segment
from armgs_server.storage.tx import Tx

KEY = (7, 3)
EMPTY = word_index.build({})


def index(*uids: int) -> WordIndex:
    """Each message has a word of its own, and one that all have."""
    return word_index.build({uid: {b"ALL", b"N%d" % uid} for uid in uids})


async def put(store: Store, *uids: int, partial: frozenset[int] = frozenset()) -> Segment:
    segment = Segment(uids[0], uids[-1], len(uids), partial)
    await store.write(lambda tx: mail_words.put(tx, *KEY, segment, [index(*uids), EMPTY, EMPTY]))
    return segment


async def having(store: Store, segment: Segment, pattern: bytes) -> set[int]:
    async def read(tx: Tx) -> set[int]:
        words = await mail_words.words(tx, *KEY, Kind.BODY, segment)
        places = await mail_words.places(tx, *KEY, Kind.BODY, segment)
        assert words is not None and places is not None
        starts, ends = places
        ranges = [
            (ends[place - 1] if place else 0, ends[place])
            for place in word_index.hits(words, starts, pattern)
        ]
        found = await mail_words.uids(tx, *KEY, Kind.BODY, segment, ranges)
        assert found is not None
        return found

    return await store.read(read)


async def test_kept_and_found(store: Store) -> None:
    base = 5 * SPAN
    uids = tuple(range(base + 10, base + 3000))
    segment = await put(store, *uids, partial=frozenset({base + 11}))
    assert await having(store, segment, b"ALL") == set(uids)
    assert await having(store, segment, b"\nN%d\n" % (base + 2999)) == {base + 2999}
    assert await having(store, segment, b"NOBODY") == set()
    assert await store.read(lambda tx: mail_words.segments(tx, *KEY)) == [segment]
    loaded = await store.read(lambda tx: mail_words.load(tx, *KEY, Kind.BODY, segment))
    assert (loaded.words, list(loaded.ends), loaded.ids) == (
        index(*uids).words,
        list(index(*uids).ends),
        index(*uids).ids,
    )


async def test_ids_lie_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_words, "PART", 16)
    segment = await put(store, *range(1, 100))
    assert await having(store, segment, b"ALL") == set(range(1, 100))
    assert await having(store, segment, b"\nN77\n") == {77}


async def test_taken_away(store: Store) -> None:
    first, second = await put(store, 1, 2), await put(store, 3, 4)
    assert await store.write(lambda tx: mail_words.remove(tx, *KEY, [first]))
    assert await store.read(lambda tx: mail_words.segments(tx, *KEY)) == [second]
    assert await store.read(lambda tx: mail_words.words(tx, *KEY, Kind.BODY, first)) is None
    assert await store.read(lambda tx: mail_words.places(tx, *KEY, Kind.BODY, first)) is None
    assert await store.read(lambda tx: mail_words.uids(tx, *KEY, Kind.BODY, first, [(0, 1)])) is None
    with pytest.raises(NotFound):
        await store.read(lambda tx: mail_words.load(tx, *KEY, Kind.BODY, first))
    assert not await store.write(lambda tx: mail_words.remove(tx, *KEY, [first]))


async def test_another_segment_in_its_place(store: Store) -> None:
    """What is known of the one means nothing for the other."""
    old = await put(store, 1, 2, 3)
    await store.write(lambda tx: mail_words.remove(tx, *KEY, [old]))
    await store.write(
        lambda tx: mail_words.put(tx, *KEY, Segment(1, 3, 2, frozenset()), [index(1, 3), EMPTY, EMPTY])
    )
    assert await store.read(lambda tx: mail_words.words(tx, *KEY, Kind.BODY, old)) is None
    assert await store.read(lambda tx: mail_words.uids(tx, *KEY, Kind.BODY, old, [(0, 1)])) is None


async def test_how_far(store: Store) -> None:
    assert await store.read(lambda tx: mail_words.last(tx, *KEY)) is None
    heard: list[bytes] = []
    store.bus.subscribe(mail_words.TOPIC, heard.append)
    assert await store.write(lambda tx: mail_words.want(tx, *KEY))
    assert not await store.write(lambda tx: mail_words.want(tx, *KEY))
    assert heard == [b"7 3"]
    assert await store.read(lambda tx: mail_words.last(tx, *KEY)) == 0
    assert await store.write(lambda tx: mail_words.advance(tx, *KEY, 0, 5))
    assert not await store.write(lambda tx: mail_words.advance(tx, *KEY, 0, 9))
    assert await store.read(lambda tx: mail_words.last(tx, *KEY)) == 5


def segment(first: int, messages: int) -> Segment:
    return Segment(first, first + messages - 1, messages, frozenset())


def test_what_is_merged() -> None:
    """Eight of a size, side by side, of one base."""
    small = [segment(1 + 10 * number, 10) for number in range(8)]
    assert mail_words.to_merge(small[:7]) == ()
    assert list(mail_words.to_merge(small)) == small
    assert list(mail_words.to_merge([segment(1, 1000), *small, segment(100, 5)])) == small
    assert mail_words.to_merge([*small[:4], segment(50, 5000), *small[5:]]) == ()
    across = [segment(SPAN - 40 + 10 * number, 10) for number in range(8)]
    assert mail_words.to_merge(across) == ()
