# SPDX-License-Identifier: Apache-2.0
"""Whatever removes a thing, what a hold or a rule wants kept is kept, and let go when nobody wants it."""

from __future__ import annotations

from typing import Any

import pytest

from armgs_server.errors import Conflict
from armgs_server.storage import (
    Store,
    accounts,
    archive,
    clock,
    collections,
    holds,
    items,
    keeping,
    transfer,
    trees,
)
from armgs_server.storage.holds import Rule
from armgs_server.storage.keeping import Kept
from armgs_server.storage.tx import Tx
from tests.storage.shelf import (
    DEPARTMENT,
    OWNER,
    collected,
    mailbox,
    message,
    provision,
    put,
    put_file,
    remove,
)

OTHER = 8


async def kept(store: Store, **wanted: Any) -> list[Kept]:
    return await store.read(lambda tx: keeping.removed(tx, OWNER, **wanted))


async def hold(store: Store, owner: int = OWNER) -> None:
    await store.write(lambda tx: holds.put_hold(tx, owner, "case 1"))


async def test_without_a_wish_what_is_removed_is_gone(store: Store) -> None:
    await provision(store)
    item = await put(store)
    await remove(store, item)
    assert await kept(store) == []
    assert await collected(store, item)


async def test_under_a_hold_nothing_is_gone_and_nobody_sees_it(store: Store) -> None:
    await provision(store)
    await hold(store)
    item = await put(store)
    await remove(store, item)
    assert (await mailbox(store)).items == 0
    [found] = await kept(store)
    assert (found.kind, found.path, found.uid, found.name) == ("mail", "INBOX", item.uid, "")
    assert not await collected(store, item)
    assert await store.blobs.read(found.blob) == message(1)
    assert await store.write(keeping.expire) == 0
    assert await store.write(lambda tx: holds.lift_hold(tx, OWNER))
    assert await store.write(keeping.expire) == 1
    assert await collected(store, item)


async def test_bytes_that_others_have_too_are_counted(store: Store) -> None:
    await provision(store)
    await hold(store)
    first, second, third = [await put(store, 5) for _ in range(3)]
    await remove(store, first)
    await remove(store, second)
    assert await store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE hash = ?", first.blob)) == 3
    await store.write(lambda tx: holds.lift_hold(tx, OWNER))
    assert await store.write(keeping.expire) == 2
    assert await store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE hash = ?", third.blob)) == 1


async def test_the_bytes_before_a_change_are_held(store: Store) -> None:
    await provision(store)
    await hold(store)
    item = await put_file(store, "a.txt", b"first")
    ref = await store.blobs.put(b"second")
    item = await store.write(lambda tx: items.replace(tx, item, ref, "text/plain"))
    ref = await store.blobs.put(b"third")
    item = await store.write(lambda tx: items.replace(tx, item, ref, "text/plain"))
    await remove(store, item)
    found = await kept(store)
    assert [await store.blobs.read(each.blob) for each in found] == [b"first", b"second", b"third"]
    assert {(each.path, each.name) for each in found} == {("", "a.txt")}


async def test_a_whole_tree_is_held(store: Store) -> None:
    await provision(store)
    await hold(store)
    await put(store, 1, "archive")
    inbox, above = await mailbox(store), await mailbox(store, "archive")

    async def work(tx: Tx) -> None:
        below = await collections.create(tx, OWNER, "mail", "2026", parent=above.id)
        item = await items.add(tx, below, ref)
        await items.remove(tx, below, [item.uid])
        await items.add(tx, below, ref)
        await trees.delete(tx, above)

    ref = await store.blobs.put(b"x")
    await store.write(work)
    assert sorted((each.path, each.size) for each in await kept(store)) == [
        ("Archive", len(message(1))),
        ("Archive/2026", 1),
        ("Archive/2026", 1),
    ]
    assert inbox.items == 0


async def test_what_goes_to_another_owner_is_held(store: Store) -> None:
    await provision(store)
    await provision(store, OTHER)
    await hold(store)
    item, origin, target = await put(store), await mailbox(store), await mailbox(store, owner=OTHER)
    await store.write(lambda tx: transfer.move(tx, [item], origin, target))
    assert [each.uid for each in await kept(store)] == [item.uid]


async def test_a_held_account_is_not_deleted(store: Store) -> None:
    await provision(store)
    await hold(store)
    with pytest.raises(Conflict):
        await store.write(lambda tx: accounts.delete(tx, OWNER))
    await store.write(lambda tx: holds.lift_hold(tx, OWNER))
    await store.write(lambda tx: accounts.delete(tx, OWNER))
    assert await store.read(lambda tx: tx.row("SELECT 1 FROM account WHERE owner = ?", OWNER)) is None


async def test_a_rule_keeps_for_its_days(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await provision(store)
    await store.write(lambda tx: holds.put_rule(tx, Rule(DEPARTMENT, "mail", 10, 0)))
    today = clock.now()
    monkeypatch.setattr(clock, "now", lambda: today - 20 * clock.DAY)
    old = await put(store, 1)
    monkeypatch.setattr(clock, "now", lambda: today - 4 * clock.DAY)
    young = await put(store, 2)
    monkeypatch.setattr(clock, "now", lambda: today)
    await remove(store, old)
    await remove(store, young)
    assert [each.uid for each in await kept(store)] == [young.uid]
    monkeypatch.setattr(clock, "now", lambda: today + 5 * clock.DAY)
    assert await store.write(keeping.expire) == 0
    monkeypatch.setattr(clock, "now", lambda: today + 7 * clock.DAY)
    assert await store.write(keeping.expire) == 1


async def test_a_rule_is_for_its_kind(store: Store) -> None:
    await provision(store)
    await store.write(lambda tx: holds.put_rule(tx, Rule(OWNER, "files", 10, 0)))
    await remove(store, await put(store))
    await remove(store, await put_file(store, "a", b"x"))
    assert [each.kind for each in await kept(store)] == ["files"]
    assert await kept(store, kind="mail") == []


async def test_for_some_days_after_the_removal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await provision(store)
    today = clock.now()
    item = await put(store)
    await remove(store, item, keep_days=3)
    [found] = await kept(store, since=today, to=today + clock.HOUR)
    assert await kept(store, since=today + clock.HOUR) == []
    monkeypatch.setattr(clock, "now", lambda: today + 4 * clock.DAY)
    assert await store.write(keeping.expire) == 1
    assert found.until == found.removed + 3 * clock.DAY


async def test_what_was_brought_back_is_forgotten_unless_held(store: Store) -> None:
    await provision(store)
    item = await put(store)
    await remove(store, item, keep_days=3)
    [found] = await kept(store)
    await hold(store)
    await store.write(lambda tx: keeping.forget(tx, found))
    assert await kept(store) == [found]
    await store.write(lambda tx: holds.lift_hold(tx, OWNER))
    await store.write(lambda tx: keeping.forget(tx, found))
    await store.write(lambda tx: keeping.forget(tx, found))
    assert await kept(store) == []
    assert await collected(store, item)


async def test_chat_that_leaves_the_archive_is_held(store: Store) -> None:
    await provision(store)
    first = await store.write(
        lambda tx: archive.append(tx, OWNER, "a@x.example", "s1", b"<message>1</message>")
    )
    await hold(store)
    second = await store.write(
        lambda tx: archive.append(tx, OWNER, "b@x.example", "s2", b"<message>2</message>")
    )
    assert await store.write(lambda tx: archive.replace(tx, OWNER, first, b"<message/>"))
    assert await store.write(lambda tx: archive.expire(tx, OWNER, clock.now() + clock.DAY, 10)) == 2
    found = await kept(store, kind="chat")
    assert [(each.uid, each.path) for each in found] == [
        (first, "a@x.example"),
        (first, "a@x.example"),
        (second, "b@x.example"),
    ]
    assert {await store.blobs.read(each.blob) for each in found} == {
        b"<message>1</message>",
        b"<message/>",
        b"<message>2</message>",
    }


async def test_chat_older_than_the_rule_goes(store: Store) -> None:
    await provision(store)
    await store.write(lambda tx: holds.put_rule(tx, Rule(OWNER, "chat", 30, 0)))
    today = clock.now()
    for days in (40, 10):
        sent = today - days * clock.DAY
        await store.write(
            lambda tx, sent=sent: archive.append(tx, OWNER, "a@x.example", "", b"<message/>", sent)
        )
    assert await store.write(lambda tx: archive.expire(tx, OWNER, clock.now(), 10)) == 2
    [found] = await kept(store)
    assert (today - found.created) // clock.DAY == 10


async def test_pages(store: Store) -> None:
    await provision(store)
    for number in range(3):
        await remove(store, await put(store, number), keep_days=1)
    first = await kept(store, limit=2)
    last = first[-1]
    rest = await kept(store, after=(last.collection, last.uid, last.modseq))
    assert [each.uid for each in (*first, *rest)] == [1, 2, 3]
