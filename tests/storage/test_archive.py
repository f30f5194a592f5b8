# SPDX-License-Identifier: Apache-2.0
"""storage/archive.py on both engines."""

from __future__ import annotations

from armgs_server.storage import Store, archive, clock
from armgs_server.storage.archive import ArchiveQuery

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
    rows = [(1, PEERS[0], "", b"<message>%d</message>" % n) for n in range(3)]
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
