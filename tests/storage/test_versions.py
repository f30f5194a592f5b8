# SPDX-License-Identifier: Apache-2.0
"""Earlier states of files: which are kept, what they weigh, and that nothing of them stays behind."""

from __future__ import annotations

from itertools import pairwise

import pytest

from armgs_server.storage import (
    Store,
    accounts,
    clock,
    collections,
    holds,
    items,
    keeping,
    transfer,
    trees,
    versions,
)
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx
from armgs_server.storage.versions import Rules

OWNER, OTHER = 7, 8
RULES = Rules(4, False)
REFERENCES = "SELECT COALESCE(CAST(SUM(refs) AS BIGINT), 0) FROM blob"


async def root(tx: Tx, owner: int = OWNER) -> Collection:
    found = await collections.find(tx, owner, "files", "")
    assert found is not None
    return found


async def provided(store: Store) -> None:
    for owner in (OWNER, OTHER):
        await store.write(lambda tx, owner=owner: accounts.provision(tx, owner))  # type: ignore[misc]


async def file_with_past(store: Store, *texts: str, rules: Rules = RULES) -> Item:
    """A file that has had these texts, one after the other."""

    async def add(tx: Tx) -> Item:
        return await items.add(tx, await root(tx), store.blobs.small(texts[0].encode()), name="a.txt")

    item = await store.write(add)
    for text in texts[1:]:
        item = await store.write(
            lambda tx, text=text, item=item: items.replace(  # type: ignore[misc]
                tx, item, store.blobs.small(text.encode()), "", rules
            )
        )
    return item


async def past(store: Store, item: Item) -> list[bytes]:
    found = await store.read(lambda tx: versions.of(tx, item.owner, item.collection, item.uid))
    return [await store.blobs.read(each.blob) for each in found]


async def weight(store: Store, owner: int = OWNER) -> tuple[int, int]:
    """What the quota counts, and what the earlier states are."""
    usage = await store.read(lambda tx: accounts.usage(tx, owner))
    return usage.bytes, usage.versions


async def test_kept_counted_and_gone_with_the_file(store: Store) -> None:
    await provided(store)
    before = await store.read(lambda tx: tx.value(REFERENCES))
    item = await file_with_past(store, "1", "22", "333")
    assert await past(store, item) == [b"1", b"22"]
    assert await weight(store) == (3, 3)
    folder = await store.read(root)
    await store.write(lambda tx: items.remove(tx, folder, [item.uid]))
    assert await weight(store) == (0, 0)
    assert await store.read(lambda tx: tx.value(REFERENCES)) == before


async def test_gone_with_the_folder_and_with_the_account(store: Store) -> None:
    await provided(store)
    before = await store.read(lambda tx: tx.value(REFERENCES))
    item = await file_with_past(store, "1", "22", rules=Rules(4, True))
    assert await weight(store) == (3, 1)

    async def into_folder(tx: Tx) -> Collection:
        top = await root(tx)
        made = await collections.create(tx, OWNER, "files", "d", parent=top.id)
        await transfer.move(tx, [item], top, made)
        return made

    folder = await store.write(into_folder)
    assert await store.read(lambda tx: versions.folders(tx, OWNER)) == {folder.id, folder.parent}
    await store.write(lambda tx: trees.delete(tx, folder))
    assert await weight(store) == (0, 0)
    await file_with_past(store, "4", "55")
    await store.write(lambda tx: accounts.delete(tx, OWNER))
    assert await store.read(lambda tx: tx.value("SELECT COUNT(*) FROM version")) == 0
    assert await store.read(lambda tx: tx.value(REFERENCES)) <= before


async def test_to_another_owner_the_past_does_not_go_along(store: Store) -> None:
    await provided(store)
    item = await file_with_past(store, "secret", "public")

    async def give(tx: Tx) -> Item:
        return (await transfer.move(tx, [item], await root(tx), await root(tx, OTHER)))[0]

    given = await store.write(give)
    assert await past(store, given) == [] and await past(store, item) == []
    assert await weight(store) == (0, 0) and await weight(store, OTHER) == (6, 0)


async def test_the_time_is_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await provided(store)
    item = await file_with_past(store, "1", "2", "3")
    assert await store.read(lambda tx: versions.owners(tx, 0)) == [OWNER]
    assert await store.write(lambda tx: versions.expire(tx, OWNER, 30)) == 0
    later = clock.now() + 31 * clock.DAY
    monkeypatch.setattr(clock, "now", lambda: later)
    assert await store.write(lambda tx: versions.expire(tx, OWNER, 30, 1)) == 1
    assert await past(store, item) == [b"2"]
    assert await store.write(lambda tx: versions.expire(tx, OWNER, 30)) == 1
    assert await store.read(lambda tx: versions.owners(tx, 0)) == []


async def test_under_a_hold_every_state_is_kept_once(store: Store) -> None:
    await provided(store)
    first = await file_with_past(store, "1", "2")
    await store.write(lambda tx: holds.put_hold(tx, OWNER, "case"))
    for text in ("3", "4", "5", "6", "7"):
        first = await store.write(
            lambda tx, text=text, item=first: items.replace(  # type: ignore[misc]
                tx, item, store.blobs.small(text.encode()), "", Rules(2, False)
            )
        )
    assert len(await past(store, first)) == 2
    folder = await store.read(root)
    await store.write(lambda tx: items.remove(tx, folder, [first.uid]))
    kept = await store.read(lambda tx: keeping.removed(tx, OWNER))
    assert sorted([await store.blobs.read(each.blob) for each in kept]) == [b"%d" % n for n in range(1, 8)]


def test_what_remains_is_dense_for_now_and_sparse_for_then() -> None:
    """Saved each minute for four hours with room for twelve: the oldest stays, and the last ones."""
    kept: list[int] = []
    for minute in range(240):
        kept.append(minute)
        while len(kept) > 12:
            kept.pop(versions.least(kept, minute + 1))
    assert kept[0] == 0 and kept[-2:] == [238, 239]
    gaps = [after - before for before, after in pairwise(kept)]
    assert max(gaps[:4]) > 3 * max(gaps[-4:])
    assert versions.least([1, 2], 3) == 0
