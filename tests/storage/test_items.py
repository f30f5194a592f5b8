# SPDX-License-Identifier: Apache-2.0
"""Items in collections, on both engines: counts, uids, modseq, names, quota, copies and moves."""

from __future__ import annotations

import pytest

from armgs_server.errors import AlreadyExists, NotFound, OverQuota
from armgs_server.storage import Store, accounts, collections, item_flags, items, transfer
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Tx

OWNER = 7


async def account(store: Store, quota: int = 0) -> None:
    await store.write(lambda tx: accounts.provision(tx, OWNER, quota))


async def mailbox(store: Store, role: str = "inbox") -> Collection:
    found = await store.read(lambda tx: collections.by_role(tx, OWNER, "mail", role))
    assert found is not None
    return found


async def refs_of(store: Store, ref: BlobRef) -> int:
    return int(await store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE hash = ?", ref.hash)))


async def test_adding_counts_everything_in_one_transaction(store: Store) -> None:
    await account(store)
    inbox = await mailbox(store)
    ref = store.blobs.small(b"hello")

    first = await store.write(lambda tx: items.add(tx, inbox, ref))
    second = await store.write(lambda tx: items.add(tx, inbox, ref, flags=Flags.SEEN))

    assert (first.uid, second.uid) == (1, 2)
    assert second.modseq == first.modseq + 1
    now = await mailbox(store)
    assert (now.items, now.bytes, now.unseen, now.uid_next, now.modseq) == (2, 10, 1, 3, second.modseq)
    assert await store.read(lambda tx: accounts.usage(tx, OWNER)) == accounts.Usage(2, 10, 0)
    assert await refs_of(store, ref) == 2
    assert await store.blobs.read(ref.hash) == b"hello"


async def test_a_removed_item_leaves_a_tombstone_and_its_uid_is_not_used_again(store: Store) -> None:
    await account(store)
    inbox = await mailbox(store)
    ref = store.blobs.small(b"hello")
    await store.write(lambda tx: items.add(tx, inbox, ref))

    modseq = await store.write(lambda tx: items.remove(tx, inbox, [1, 99]))
    again = await store.write(lambda tx: items.add(tx, inbox, ref))

    assert again.uid == 2
    rows = await store.read(lambda tx: tx.rows("SELECT collection, modseq, uid, name FROM tombstone"))
    assert rows == [(inbox.id, modseq, 1, "")]
    now = await mailbox(store)
    assert (now.items, now.bytes, now.unseen) == (1, 5, 1)
    assert await refs_of(store, ref) == 1


async def test_flags_move_the_unseen_count_once_for_many(store: Store) -> None:
    await account(store)
    inbox = await mailbox(store)
    ref = store.blobs.small(b"hello")
    for _ in range(3):
        await store.write(lambda tx: items.add(tx, inbox, ref))

    modseq = await store.write(
        lambda tx: item_flags.set_flags(
            tx, inbox, [(1, Flags.SEEN, ""), (2, Flags.SEEN | Flags.FLAGGED, "$Junk")]
        )
    )

    found = await store.read(lambda tx: items.scan(tx, OWNER, inbox.id))
    assert [(item.flags, item.keywords) for item in found] == [(1, ""), (5, "$Junk"), (0, "")]
    assert [item.modseq for item in found[:2]] == [modseq, modseq]
    assert (await mailbox(store)).unseen == 1


async def test_a_name_is_taken_once(store: Store) -> None:
    await account(store)
    root = await store.read(lambda tx: collections.by_role(tx, OWNER, "files", "root"))
    assert root is not None
    ref = store.blobs.small(b"hello")
    await store.write(lambda tx: items.add(tx, root, ref, name="a.txt"))

    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: items.add(tx, root, ref, name="a.txt"))
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: collections.create(tx, OWNER, "files", "a.txt", parent=root.id))

    assert (await store.read(lambda tx: collections.get(tx, OWNER, root.id))).items == 1
    assert await refs_of(store, ref) == 1


async def test_replacing_keeps_the_uid_and_changes_the_tag(store: Store) -> None:
    await account(store)
    root = await store.read(lambda tx: collections.by_role(tx, OWNER, "files", "root"))
    assert root is not None
    old, new = store.blobs.small(b"hello"), store.blobs.small(b"hello, world")
    item = await store.write(lambda tx: items.add(tx, root, old, name="a.txt"))

    changed = await store.write(lambda tx: items.replace(tx, item, new, "text/plain"))

    assert (changed.uid, changed.name, changed.size) == (item.uid, "a.txt", 12)
    assert changed.etag != item.etag and changed.modseq > item.modseq
    assert (await refs_of(store, old), await refs_of(store, new)) == (0, 1)
    assert (await store.read(lambda tx: accounts.usage(tx, OWNER))).bytes == 12
    with pytest.raises(NotFound):  # the bytes it speaks of are no longer there
        await store.write(lambda tx: items.replace(tx, item, old, "text/plain"))


async def test_the_quota_holds_and_what_failed_leaves_no_trace(store: Store) -> None:
    await account(store, quota=8)
    inbox = await mailbox(store)
    ref = store.blobs.small(b"hello")
    await store.write(lambda tx: items.add(tx, inbox, ref))

    with pytest.raises(OverQuota):
        await store.write(lambda tx: items.add(tx, inbox, ref))
    with pytest.raises(OverQuota):
        await store.write(
            lambda tx: _copy_all(tx, inbox, inbox),
        )

    now = await mailbox(store)
    assert (now.items, now.uid_next) == (1, 2)
    assert await refs_of(store, ref) == 1


async def _copy_all(tx: Tx, origin: Collection, target: Collection) -> list[items.Item]:
    return await transfer.copy(tx, await items.scan(tx, OWNER, origin.id), target)


async def test_moving_gives_new_uids_and_keeps_the_sum(store: Store) -> None:
    await account(store)
    inbox, archive = await mailbox(store), await mailbox(store, "archive")
    for text in (b"one", b"two", b"three"):
        ref = store.blobs.small(text)
        await store.write(lambda tx, ref=ref: items.add(tx, inbox, ref, keywords="k"))

    async def work(tx: Tx) -> list[items.Item]:
        return await transfer.move(tx, (await items.scan(tx, OWNER, inbox.id))[1:], inbox, archive)

    moved = await store.write(work)

    assert [(item.uid, item.keywords, item.size) for item in moved] == [(1, "k", 3), (2, "k", 5)]
    assert (await mailbox(store)).items == 1
    there = await mailbox(store, "archive")
    assert (there.items, there.bytes, there.unseen, there.uid_next) == (2, 8, 2, 3)
    assert (await store.read(lambda tx: accounts.usage(tx, OWNER))).bytes == 11
    assert [item.uid for item in await store.read(lambda tx: items.scan(tx, OWNER, inbox.id))] == [1]


async def test_renaming_keeps_the_uid(store: Store) -> None:
    await account(store)
    root = await store.read(lambda tx: collections.by_role(tx, OWNER, "files", "root"))
    assert root is not None
    ref = store.blobs.small(b"hello")
    item = await store.write(lambda tx: items.add(tx, root, ref, name="a.txt"))
    await store.write(lambda tx: items.add(tx, root, ref, name="b.txt"))

    renamed = await store.write(lambda tx: items.rename(tx, item, "c.txt"))
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: items.rename(tx, renamed, "b.txt"))

    assert renamed.uid == item.uid
    assert await store.read(lambda tx: items.by_name(tx, OWNER, root.id, "a.txt")) is None
    assert await store.read(lambda tx: items.by_name(tx, OWNER, root.id, "c.txt")) == renamed


async def test_a_uid_list_longer_than_one_statement(store: Store) -> None:
    await account(store)
    inbox = await mailbox(store)
    ref = store.blobs.small(b"x")

    async def fill(tx: Tx) -> None:
        for _ in range(items.IN_LIMIT + 20):
            await items.add(tx, inbox, ref)

    await store.write(fill)
    await store.write(lambda tx: items.remove(tx, inbox, range(1, items.IN_LIMIT + 11)))
    left = await store.read(lambda tx: items.scan(tx, OWNER, inbox.id))
    assert [item.uid for item in left] == list(range(items.IN_LIMIT + 11, items.IN_LIMIT + 21))
    assert await refs_of(store, ref) == 10
