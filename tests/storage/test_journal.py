# SPDX-License-Identifier: Apache-2.0
"""The journal only grows, and shows where somebody has laid hands on it."""

from __future__ import annotations

import asyncio

from armgs_server.storage import Store, accounts, journal
from armgs_server.storage.journal import NO_HASH, Entry
from tests.storage.shelf import collected, provision, put, remove

DEPARTMENT = 5
SENDER = "ivanov@digital.example"


async def note(store: Store, data: bytes, *recipients: str) -> None:
    ref = await store.blobs.put(data)
    await store.write(lambda tx: journal.append(tx, DEPARTMENT, ref, SENDER, recipients))


async def entries(store: Store) -> list[Entry]:
    return await store.read(lambda tx: journal.page(tx, DEPARTMENT))


async def test_a_chain(store: Store) -> None:
    await store.write(lambda tx: accounts.create(tx, DEPARTMENT))
    for number in range(3):
        await note(store, b"%d" % number, "петров@digital.example", f"{number}@digital.example")
    found = await entries(store)
    assert [each.id for each in found] == [1, 2, 3]
    assert found[0].recipients == '["петров@digital.example", "0@digital.example"]'
    assert journal.first_broken(found, NO_HASH, 1) is None
    assert await store.read(lambda tx: journal.hash_before(tx, DEPARTMENT, 3)) == found[1].hash
    assert await store.read(lambda tx: journal.hash_before(tx, DEPARTMENT, 1)) == NO_HASH
    later = await store.read(lambda tx: journal.page(tx, DEPARTMENT, after=1, limit=1))
    assert later == [found[1]]
    assert await store.read(lambda tx: journal.page(tx, DEPARTMENT, since=found[2].moment + 1)) == []


async def test_whoever_changes_it_is_seen(store: Store) -> None:
    await store.write(lambda tx: accounts.create(tx, DEPARTMENT))
    for number in range(4):
        await note(store, b"%d" % number, "a@digital.example")
    await store.write(lambda tx: tx.execute("UPDATE journal SET sender = 'x' WHERE id = 2"))
    broken = journal.first_broken(await entries(store), NO_HASH, 1)
    assert broken is not None and broken.id == 2
    await store.write(lambda tx: tx.execute("UPDATE journal SET sender = ? WHERE id = 2", SENDER))
    assert journal.first_broken(await entries(store), NO_HASH, 1) is None
    await store.write(lambda tx: tx.execute("DELETE FROM journal WHERE id = 3"))
    broken = journal.first_broken(await entries(store), NO_HASH, 1)
    assert broken is not None and broken.id == 4


async def test_many_at_once_make_one_chain(store: Store) -> None:
    await store.write(lambda tx: accounts.create(tx, DEPARTMENT))
    await asyncio.gather(*(note(store, b"%d" % number, "a@digital.example") for number in range(20)))
    found = await entries(store)
    assert [each.id for each in found] == list(range(1, 21))
    assert journal.first_broken(found, NO_HASH, 1) is None


async def test_its_messages_stay_when_they_are_removed_elsewhere(store: Store) -> None:
    await provision(store)
    await store.write(lambda tx: accounts.create(tx, DEPARTMENT))
    item = await put(store)
    await note(store, await store.blobs.read(item.blob), "a@digital.example")
    await remove(store, item)
    assert not await collected(store, item)
