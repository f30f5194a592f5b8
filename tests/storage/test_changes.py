# SPDX-License-Identifier: Apache-2.0
"""What changed since N, on both engines, whole and in pages; what the bus says of it."""

from __future__ import annotations

from armgs_server.storage import Store, accounts, collections, item_flags, items, trees
from armgs_server.storage.changes import changes
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Tx

OWNER = 7


async def files(store: Store) -> Collection:
    await store.write(lambda tx: accounts.provision(tx, OWNER))
    root = await store.read(lambda tx: collections.by_role(tx, OWNER, "files", "root"))
    assert root is not None
    return root


async def test_members_removals_and_child_collections(store: Store) -> None:
    root = await files(store)
    ref = store.blobs.small(b"x")

    async def work(tx: Tx) -> None:
        for name in ("a", "b", "c"):
            await items.add(tx, root, ref, name=name)
        await collections.create(tx, OWNER, "files", "sub", parent=root.id)

    await store.write(work)
    first = await store.read(lambda tx: changes(tx, OWNER, root.id, 0))
    assert [item.name for item in first.items] == ["a", "b", "c"]
    assert [each.name for each in first.collections] == ["sub"]
    assert (first.removed, first.truncated) == ([], False)

    async def more(tx: Tx) -> None:
        await items.remove(tx, root, [2])
        sub = await collections.find(tx, OWNER, "files", "sub", root.id)
        assert sub is not None
        await trees.delete(tx, sub)

    await store.write(more)
    second = await store.read(lambda tx: changes(tx, OWNER, root.id, first.modseq))
    assert (second.items, second.removed, second.collections) == ([], [(0, "sub"), (2, "b")], [])
    last = await store.read(lambda tx: changes(tx, OWNER, root.id, second.modseq))
    assert (last.items, last.removed, last.modseq) == ([], [], second.modseq)


async def test_a_name_that_came_back_is_not_told_as_gone(store: Store) -> None:
    root = await files(store)
    ref = store.blobs.small(b"x")
    await store.write(lambda tx: items.add(tx, root, ref, name="a"))
    since = (await store.read(lambda tx: changes(tx, OWNER, root.id, 0))).modseq

    async def work(tx: Tx) -> None:
        await items.remove(tx, root, [1])
        await items.add(tx, root, ref, name="a")

    await store.write(work)
    found = await store.read(lambda tx: changes(tx, OWNER, root.id, since))
    assert [(item.uid, item.name) for item in found.items] == [(2, "a")]
    assert found.removed == []


async def test_pages_meet_without_gap_or_overlap_and_never_split_a_modseq(store: Store) -> None:
    root = await files(store)
    ref = store.blobs.small(b"x")

    async def fill(tx: Tx) -> None:
        for number in range(20):
            await items.add(tx, root, ref, name=f"f{number:02}")
        await item_flags.set_flags(tx, root, [(uid, Flags.SEEN, "") for uid in range(1, 8)])
        await items.remove(tx, root, [20])

    await store.write(fill)
    since, seen, removed, pages = 0, [], [], 0
    while True:
        page = await store.read(lambda tx, since=since: changes(tx, OWNER, root.id, since, 5))
        seen += [item.uid for item in page.items]
        removed += page.removed
        assert page.modseq > since
        since, pages = page.modseq, pages + 1
        if not page.truncated:
            break
    assert sorted(seen) == list(range(1, 20))
    assert removed == [(20, "f19")]
    assert pages >= 4
    assert since == (await store.read(lambda tx: collections.get(tx, OWNER, root.id))).modseq


async def test_hints_come_after_the_commit_and_not_without_one(store: Store) -> None:
    root = await files(store)
    heard: list[bytes] = []
    stop = store.bus.subscribe(f"changes:{OWNER}", heard.append)
    ref = store.blobs.small(b"x")

    item = await store.write(lambda tx: items.add(tx, root, ref, name="a"))
    assert heard == [b"%d %d" % (root.id, item.modseq)]

    async def fails(tx: Tx) -> None:
        await items.add(tx, root, ref, name="b")
        raise ValueError("changed its mind")

    try:
        await store.write(fails)
    except ValueError:
        heard.append(b"failed")
    stop()
    await store.write(lambda tx: items.add(tx, root, ref, name="c"))
    assert heard[1:] == [b"failed"]
