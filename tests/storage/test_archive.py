# SPDX-License-Identifier: Apache-2.0
"""storage/archive.py on both engines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from armgs_server.storage import Store, archive, clock
from armgs_server.storage.archive import ArchiveQuery, Entry
from armgs_server.storage.tx import Tx

PEERS = ("a@x.example", "b@x.example")


async def fill(store: Store, count: int = 6, owner: int = 1) -> list[int]:
    """Messages 0, 1, 2 … to two peers in turn; their ids."""
    return [
        await store.write(
            lambda tx, n=n: archive.append(tx, owner, PEERS[n % 2], f"s{n}", b"<message>%d</message>" % n)
        )
        for n in range(count)
    ]


async def numbers(store: Store, **query: object) -> tuple[list[int], bool]:
    page = await store.read(lambda tx: archive.page(tx, 1, ArchiveQuery(**query)))  # type: ignore[arg-type]
    return [int(message.stanza[9:-10]) for message in page.messages], page.complete


async def test_ids_are_in_the_order_of_time(store: Store) -> None:
    before = clock.now()
    ids = await fill(store)
    assert ids == sorted(ids)
    page = await store.read(lambda tx: archive.page(tx, 1, ArchiveQuery()))
    assert [message.id for message in page.messages] == ids
    assert all(before <= message.sent <= clock.now() for message in page.messages)
    assert page.messages[0].peer == PEERS[0]


async def test_several_at_once(store: Store) -> None:
    rows = [Entry(1, PEERS[0], "", b"<message>%d</message>" % n) for n in range(3)]
    ids = await store.write(lambda tx: archive.append_all(tx, rows))
    assert ids == sorted(ids)
    assert await numbers(store) == ([0, 1, 2], True)
    assert await store.write(lambda tx: archive.append_all(tx, [])) == []


async def test_pages_forwards_and_backwards(store: Store) -> None:
    ids = await fill(store)
    await fill(store, 2, owner=2)
    assert await numbers(store, limit=2) == ([0, 1], False)
    assert await numbers(store, limit=2, after=ids[1]) == ([2, 3], False)
    assert await numbers(store, limit=2, after=ids[3]) == ([4, 5], True)
    assert await numbers(store, limit=2, backwards=True) == ([4, 5], False)
    assert await numbers(store, limit=2, backwards=True, before=ids[2]) == ([0, 1], True)
    assert await numbers(store, peer=PEERS[1]) == ([1, 3, 5], True)
    assert await numbers(store, ids=(ids[4], ids[1])) == ([1, 4], True)
    assert await numbers(store, after=ids[0], before=ids[3]) == ([1, 2], True)


async def test_time_range(store: Store) -> None:
    await fill(store, 2)
    middle = clock.now() + 1
    while clock.now() <= middle:
        continue
    await fill(store, 2)
    assert await numbers(store, end=middle) == ([0, 1], True)
    assert await numbers(store, start=middle) == ([0, 1], True)
    assert await numbers(store, start=0, end=1 << 62) == ([0, 1, 0, 1], True)
    assert await numbers(store, start=1 << 62) == ([], True)


async def test_count_bounds_and_presence(store: Store) -> None:
    assert await store.read(lambda tx: archive.bounds(tx, 1)) is None
    ids = await fill(store)
    bounds = await store.read(lambda tx: archive.bounds(tx, 1))
    assert bounds is not None
    assert (bounds[0].id, bounds[1].id) == (ids[0], ids[-1])
    assert await store.read(lambda tx: archive.count(tx, 1, ArchiveQuery(peer=PEERS[0]))) == 3
    assert await store.read(lambda tx: archive.contains(tx, 1, [ids[0], ids[2], ids[0]]))
    assert not await store.read(lambda tx: archive.contains(tx, 2, [ids[0]]))


async def test_an_import_keeps_its_time_and_a_tombstone_its_place(store: Store) -> None:
    ids = await fill(store, 2)
    old = await store.write(
        lambda tx: archive.append(tx, 1, PEERS[0], "", b"<message>9</message>", 1_000_000)
    )
    assert await numbers(store) == ([9, 0, 1], True)
    assert await store.write(lambda tx: archive.replace(tx, 1, old, b"<message>7</message>"))
    assert not await store.write(lambda tx: archive.replace(tx, 2, old, b""))
    assert await numbers(store, before=ids[0]) == ([7], True)


async def test_an_id_is_above_the_last_one_though_the_clock_went_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = await fill(store, 1)
    monkeypatch.setattr(clock, "unique_id", lambda: first - (5 * clock.MINUTE << 10))
    assert await fill(store, 2) == [first + 1, first + 2]
    rows = [Entry(owner, PEERS[0], "", b"<message>9</message>") for owner in (1, 2, 1)]
    third, _, fourth = await store.write(lambda tx: archive.append_all(tx, rows))
    assert first + 3 == third < fourth


@pytest.mark.postgres
async def test_who_has_seen_an_id_has_seen_all_before_it(postgresql_url: str, tmp_path: Path) -> None:
    """Two writers of one archive: the second one's id is drawn when the first has committed."""
    store = await Store.open(postgresql_url, tmp_path)
    has_drawn, may_commit = asyncio.Event(), asyncio.Event()

    async def slow(tx: Tx) -> int:
        id_ = await archive.append(tx, 1, PEERS[0], "", b"<message>0</message>")
        has_drawn.set()
        await may_commit.wait()  # PostgreSQL's works are awaited on the loop
        return id_

    first = asyncio.create_task(store.write(slow))
    await has_drawn.wait()
    second = asyncio.create_task(fill(store, 1))
    await asyncio.wait({second}, timeout=0.2)
    assert await numbers(store) == ([], True)
    may_commit.set()
    assert await first < (await second)[0]
    await store.close()
