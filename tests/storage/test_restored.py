# SPDX-License-Identifier: Apache-2.0
"""What is expunged lies in Restored under the name it had, counts for no quota, and goes after its days."""

from __future__ import annotations

import asyncio

import pytest

from armgs_server.errors import Invalid
from armgs_server.rules import mailboxes as rules_mailboxes
from armgs_server.storage import Store, clock, collections, items, mailboxes, restored, transfer
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Flags, Item
from armgs_server.storage.tx import Tx
from tests.storage.shelf import OWNER, collected, mailbox, message, provision, put, usage

SIZE = len(message(1))


async def throw(store: Store, *found: Item) -> None:
    async def work(tx: Tx) -> None:
        where = await collections.get(tx, OWNER, found[0].collection)
        await restored.throw(tx, where, [item.uid for item in found])

    await store.write(work)


async def place(store: Store, *path: str) -> Collection:
    found = await store.read(lambda tx: collections.by_path(tx, OWNER, "mail", (restored.NAME, *path)))
    assert found is not None
    return found


async def test_there_and_back(store: Store) -> None:
    await provision(store)
    item = await put(store, flags=Flags.SEEN | Flags.DELETED | Flags.FLAGGED)
    await throw(store, item)
    where = await place(store, "INBOX")
    [found] = await store.read(lambda tx: items.scan(tx, OWNER, where.id))
    assert (found.blob, found.flags) == (item.blob, Flags.SEEN | Flags.FLAGGED)
    assert (await usage(store)).bytes == 0
    assert (where.items, where.bytes, where.subscribed) == (1, SIZE, 1)
    inbox = await mailbox(store)
    await store.write(lambda tx: transfer.move(tx, [found], where, inbox))
    assert ((await usage(store)).items, (await usage(store)).bytes) == (1, SIZE)
    assert ((await mailbox(store)).items, (await place(store, "INBOX")).items) == (1, 0)


async def test_a_message_has_its_index_row(store: Store) -> None:
    await provision(store)
    await throw(store, await put(store, 4))
    where = await place(store, "INBOX")
    rows = await store.read(lambda tx: tx.rows("SELECT collection, subject FROM message"))
    assert rows == [(where.id, "4")]


async def test_expunged_once_more_it_is_gone(store: Store) -> None:
    await provision(store)
    item = await put(store)
    await throw(store, item)
    where = await place(store, "INBOX")
    await store.write(lambda tx: restored.throw(tx, where, [1]))
    assert (await place(store, "INBOX")).items == 0
    assert (await usage(store)).bytes == 0
    assert await collected(store, item)


async def test_drafts_that_were_saved_again_are_gone(store: Store) -> None:
    await provision(store)
    draft, letter = await put(store, 1, "drafts", flags=Flags.DRAFT), await put(store, 2, "drafts")
    await throw(store, draft, letter)
    assert (await place(store, "Drafts")).items == 1
    assert (await mailbox(store, "drafts")).items == 0


async def test_it_is_no_second_mailbox(store: Store) -> None:
    await provision(store, quota=2 * SIZE)
    for number in range(1, 4):
        await throw(store, await put(store, number))
    assert (await place(store, "INBOX")).items == 2
    assert (await usage(store)).bytes == 0


async def test_a_mailbox_below_another(store: Store) -> None:
    await provision(store)
    above = await mailbox(store, "archive")

    async def work(tx: Tx) -> None:
        below = await collections.create(tx, OWNER, "mail", "2026", parent=above.id)
        await items.add(tx, below, ref)
        await restored.throw_all(tx, below)
        await mailboxes.delete(tx, below)

    ref = await store.blobs.put(b"x")
    await store.write(work)
    assert mailboxes.is_empty_name(await place(store, "Archive"))
    assert (await place(store, "Archive", "2026")).items == 1
    await throw(store, await put(store, 1, "archive"))
    assert not mailboxes.is_empty_name(await place(store, "Archive"))
    found = await store.read(lambda tx: restored.mailboxes_of(tx, OWNER))
    assert sorted(path for _, path in found) == [("Archive",), ("Archive", "2026")]


async def test_rules_file_nothing_there(store: Store) -> None:
    await provision(store)
    await throw(store, await put(store))
    for name in ("Restored", "Restored/INBOX", "Restored/INBOX/x"):
        assert await store.read(lambda tx, name=name: rules_mailboxes.find(tx, OWNER, name)) is None
        with pytest.raises(Invalid):
            await store.write(lambda tx, name=name: rules_mailboxes.make(tx, OWNER, name))
    assert len(await store.read(lambda tx: restored.mailboxes_of(tx, OWNER))) == 1


async def test_several_mailboxes_lose_something_at_once(store: Store) -> None:
    await provision(store)
    found = [
        await put(store, number, role) for number, role in enumerate(("inbox", "sent", "archive", "junk"))
    ]
    await asyncio.gather(*(throw(store, item) for item in found))
    places = await store.read(lambda tx: restored.mailboxes_of(tx, OWNER))
    assert sorted((path[0], each.items) for each, path in places) == [
        ("Archive", 1),
        ("INBOX", 1),
        ("Junk", 1),
        ("Sent", 1),
    ]
    assert (await usage(store)).items == 0


async def test_a_name_that_is_taken(store: Store) -> None:
    await provision(store)
    own = await store.write(lambda tx: collections.create(tx, OWNER, "mail", restored.NAME))
    await throw(store, await put(store))
    assert (await store.read(lambda tx: collections.get(tx, OWNER, own.id))).items == 0
    found = await store.read(lambda tx: collections.by_path(tx, OWNER, "mail", ("Restored 2", "INBOX")))
    assert found is not None and found.items == 1


async def test_days_that_are_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await provision(store)
    today = clock.now()
    for age, role in ((40, "inbox"), (35, "inbox"), (35, "archive"), (1, "archive")):
        monkeypatch.setattr(clock, "now", lambda age=age: today - age * clock.DAY)
        await throw(store, await put(store, age, role))
    monkeypatch.setattr(clock, "now", lambda: today)
    inbox, archive = await place(store, "INBOX"), await place(store, "Archive")
    first, further = await store.read(lambda tx: restored.due(tx, 30, limit=2))
    assert first == [(OWNER, inbox.id)] and further is not None
    assert await store.read(lambda tx: restored.due(tx, 30, further)) == ([(OWNER, archive.id)], None)
    assert await store.write(lambda tx: restored.expire(tx, OWNER, inbox.id, 30, limit=1)) == 1
    assert await store.write(lambda tx: restored.expire(tx, OWNER, inbox.id, 30, limit=1)) == 1
    assert await store.write(lambda tx: restored.expire(tx, OWNER, inbox.id, 30, limit=1)) == 0
    assert await store.write(lambda tx: restored.expire(tx, OWNER, archive.id, 30)) == 1
    assert await store.write(lambda tx: restored.expire(tx, OWNER, archive.id, 30)) == 0
    assert await store.read(lambda tx: restored.due(tx, 30)) == ([], None)
    found = await store.read(lambda tx: restored.mailboxes_of(tx, OWNER))
    assert [(path, each.items) for each, path in found] == [(("Archive",), 1)]
    monkeypatch.setattr(clock, "now", lambda: today + 60 * clock.DAY)
    assert await store.write(lambda tx: restored.expire(tx, OWNER, archive.id, 30)) == 1
    assert await store.read(lambda tx: collections.find(tx, OWNER, "mail", restored.NAME)) is None
    assert (await usage(store)).items == 0
