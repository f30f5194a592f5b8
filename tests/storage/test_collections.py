# SPDX-License-Identifier: Apache-2.0
"""The collection tree, on both engines."""

from __future__ import annotations

import pytest

from armgs_server.errors import AlreadyExists, Conflict, NotFound
from armgs_server.storage import Store, accounts, collections, items, trees
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

OWNER = 7


@pytest.fixture
async def root(store: Store) -> Collection:
    await store.write(lambda tx: accounts.provision(tx, OWNER))
    found = await store.read(lambda tx: collections.by_role(tx, OWNER, "files", "root"))
    assert found is not None
    return found


async def test_a_person_has_the_standard_collections(store: Store, root: Collection) -> None:
    kinds = [(each.kind, each.role) for each in await store.read(lambda tx: collections.roots(tx, OWNER))]
    assert ("mail", "inbox") in kinds and ("calendar", "default") in kinds and ("files", "root") in kinds
    assert len(kinds) == 15
    ids = [each.id for each in await store.read(lambda tx: collections.roots(tx, OWNER))]
    assert ids == list(range(1, 16))


async def test_create_find_and_walk(store: Store, root: Collection) -> None:
    async def work(tx: Tx) -> Collection:
        year = await collections.create(tx, OWNER, "files", "2026", parent=root.id, data={"цвет": "синий"})
        return await collections.create(tx, OWNER, "files", "ноябрь", parent=year.id)

    month = await store.write(work)
    found = await store.read(lambda tx: collections.by_path(tx, OWNER, "files", ["2026", "ноябрь"], root.id))
    assert found == month
    chain = await store.read(lambda tx: collections.ancestors(tx, month))
    assert [each.name for each in chain] == ["ноябрь", "2026", ""]
    assert chain[1].data == {"цвет": "синий"}
    assert (await store.read(lambda tx: collections.get(tx, OWNER, root.id))).modseq == root.modseq + 1
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: collections.create(tx, OWNER, "files", "2026", parent=root.id))
    with pytest.raises(NotFound):
        await store.write(lambda tx: collections.create(tx, OWNER, "files", "x", parent=9999))
    with pytest.raises(NotFound):
        await store.write(lambda tx: collections.create(tx, 4711, "files", "x"))


async def test_a_collection_cannot_be_moved_into_itself(store: Store, root: Collection) -> None:
    async def work(tx: Tx) -> tuple[Collection, Collection]:
        a = await collections.create(tx, OWNER, "files", "a", parent=root.id)
        return a, await collections.create(tx, OWNER, "files", "b", parent=a.id)

    a, b = await store.write(work)
    with pytest.raises(Conflict):
        await store.write(lambda tx: trees.rename(tx, a, parent=b.id, name="a"))
    moved = await store.write(lambda tx: trees.rename(tx, b, parent=root.id, name="c"))
    assert (moved.id, moved.parent, moved.name) == (b.id, root.id, "c")
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: trees.rename(tx, moved, parent=root.id, name="a"))


async def test_update_keeps_what_is_not_given(store: Store, root: Collection) -> None:
    changed = await store.write(lambda tx: collections.update(tx, root, data={"a": 1}))
    again = await store.write(lambda tx: collections.update(tx, changed, subscribed=1))
    assert (again.data, again.role, again.subscribed) == ({"a": 1}, "root", 1)
    assert again.modseq == root.modseq + 2


async def test_deleting_takes_everything_below_and_gives_the_space_back(
    store: Store, root: Collection
) -> None:
    ref = store.blobs.small(b"hello")

    async def fill(tx: Tx) -> Collection:
        a = await collections.create(tx, OWNER, "files", "a", parent=root.id)
        b = await collections.create(tx, OWNER, "files", "b", parent=a.id)
        for place in (a, b, b):
            await items.add(tx, place, ref, name=f"{place.name}{place.id}{await _count(tx)}")
        await items.add(tx, root, ref, name="stays")
        return a

    a = await store.write(fill)
    await store.write(lambda tx: trees.delete(tx, a))

    assert await store.read(lambda tx: collections.children(tx, OWNER, root.id, "files")) == []
    assert await store.read(lambda tx: accounts.usage(tx, OWNER)) == accounts.Usage(1, 5, 0)
    assert await store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE hash = ?", ref.hash)) == 1
    assert await store.read(_count) == 1


async def _count(tx: Tx) -> int:
    return int(await tx.value("SELECT COUNT(*) FROM item"))


async def test_a_name_that_comes_back_has_a_larger_uid_validity(store: Store, root: Collection) -> None:
    async def work(tx: Tx) -> list[int]:
        validities = []
        for _ in range(3):
            made = await collections.create(tx, OWNER, "mail", "Projects")
            await trees.delete(tx, made)
            validities.append(made.uid_validity)
        return validities

    validities = await store.write(work)
    assert validities == sorted(set(validities))
