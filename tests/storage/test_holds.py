# SPDX-License-Identifier: Apache-2.0
"""Holds and rules are what was set last; old things go by the nearest rule, whatever their kind."""

from __future__ import annotations

import pytest

from armgs_server.errors import Invalid
from armgs_server.storage import Store, archive, clock, holds, items, keeping
from armgs_server.storage.holds import Rule
from tests.storage.shelf import DEPARTMENT, OWNER, mailbox, provision, put, put_file

COLLEAGUE = 8


async def test_holds(store: Store) -> None:
    await store.write(lambda tx: holds.put_hold(tx, OWNER, "case 1"))
    await store.write(lambda tx: holds.put_hold(tx, OWNER, "case 2"))
    await store.write(lambda tx: holds.put_hold(tx, COLLEAGUE, ""))
    found = await store.read(holds.all_holds)
    assert [(each.owner, each.reason) for each in found] == [(OWNER, "case 2"), (COLLEAGUE, "")]
    assert await store.write(lambda tx: holds.lift_hold(tx, OWNER))
    assert not await store.write(lambda tx: holds.lift_hold(tx, OWNER))
    assert [each.owner for each in await store.read(holds.all_holds)] == [COLLEAGUE]


async def test_rules(store: Store) -> None:
    for rule in (Rule(OWNER, "mail", 10, 0), Rule(OWNER, "mail", 0, 5), Rule(DEPARTMENT, "chat", 1, 2)):
        await store.write(lambda tx, rule=rule: holds.put_rule(tx, rule))
    assert await store.read(holds.all_rules) == [Rule(DEPARTMENT, "chat", 1, 2), Rule(OWNER, "mail", 0, 5)]
    await store.write(lambda tx: holds.put_rule(tx, Rule(OWNER, "mail", 0, 0)))
    assert await store.read(holds.all_rules) == [Rule(DEPARTMENT, "chat", 1, 2)]
    with pytest.raises(Invalid):
        await store.write(lambda tx: holds.put_rule(tx, Rule(OWNER, "roster", 1, 0)))


async def test_whose_a_rule_is(store: Store) -> None:
    await provision(store)
    await provision(store, COLLEAGUE)
    assert await store.read(lambda tx: holds.owners(tx, DEPARTMENT, 0)) == [OWNER, COLLEAGUE]
    assert await store.read(lambda tx: holds.owners(tx, DEPARTMENT, OWNER)) == [COLLEAGUE]
    assert await store.read(lambda tx: holds.owners(tx, OWNER, 0)) == [OWNER]


async def test_old_things_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await provision(store)
    today = clock.now()
    monkeypatch.setattr(clock, "now", lambda: today - 20 * clock.DAY)
    await put(store, 1)
    await put(store, 2, "archive")
    await put_file(store, "old", b"x")
    monkeypatch.setattr(clock, "now", lambda: today - 5 * clock.DAY)
    await put(store, 3)
    monkeypatch.setattr(clock, "now", lambda: today)
    rule = Rule(DEPARTMENT, "mail", 0, 10)
    assert await store.read(lambda tx: holds.has_old(tx, OWNER, rule))
    assert await store.write(lambda tx: holds.expire(tx, OWNER, rule, 1)) == 1
    assert await store.write(lambda tx: holds.expire(tx, OWNER, rule)) == 1
    assert await store.write(lambda tx: holds.expire(tx, OWNER, rule)) == 0
    assert not await store.read(lambda tx: holds.has_old(tx, OWNER, rule))
    assert ((await mailbox(store)).items, (await mailbox(store, "archive")).items) == (1, 0)
    assert (await mailbox(store, "root", kind="files")).items == 1
    own = Rule(OWNER, "mail", 0, 3)
    await store.write(lambda tx: holds.put_rule(tx, own))
    assert await store.write(lambda tx: holds.expire(tx, OWNER, rule)) == 1  # the owner's own rule is nearer


async def test_junk_goes_sooner(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await provision(store)
    rule, today = Rule(DEPARTMENT, "junk", 0, 10), clock.now()
    monkeypatch.setattr(clock, "now", lambda: today - 20 * clock.DAY)
    for role in ("inbox", "junk", "trash"):
        await put(store, 1, role)
    monkeypatch.setattr(clock, "now", lambda: today)
    await store.write(lambda tx: holds.put_rule(tx, rule))
    assert await store.write(lambda tx: holds.expire(tx, OWNER, rule)) == 1
    assert [(await mailbox(store, role)).items for role in ("inbox", "junk", "trash")] == [1, 0, 1]
    with pytest.raises(Invalid):
        await store.write(lambda tx: holds.put_rule(tx, Rule(DEPARTMENT, "junk", 5, 10)))


async def test_old_files_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await provision(store)
    rule, today = Rule(DEPARTMENT, "files", 0, 10), clock.now()
    monkeypatch.setattr(clock, "now", lambda: today - 20 * clock.DAY)
    old = await put_file(store, "old", b"x")
    changed = await put_file(store, "changed", b"x")
    monkeypatch.setattr(clock, "now", lambda: today)
    ref = await store.blobs.put(b"new")
    await store.write(lambda tx: items.replace(tx, changed, ref, "text/plain"))
    assert await store.read(lambda tx: holds.has_old(tx, OWNER, rule))
    assert await store.write(lambda tx: holds.expire(tx, OWNER, rule)) == 1
    left = await store.read(lambda tx: items.scan(tx, OWNER, old.collection))
    assert [item.name for item in left] == ["changed"]


async def test_old_chat_goes_and_is_held(store: Store) -> None:
    await provision(store)
    sent = clock.now() - 20 * clock.DAY
    await store.write(lambda tx: archive.append(tx, OWNER, "a@x.example", "", b"<message/>", sent))
    await store.write(lambda tx: holds.put_hold(tx, OWNER, ""))
    rule = Rule(DEPARTMENT, "chat", 0, 10)
    assert await store.read(lambda tx: holds.has_old(tx, OWNER, rule))
    assert await store.write(lambda tx: holds.expire(tx, OWNER, rule)) == 1
    assert not await store.read(lambda tx: holds.has_old(tx, OWNER, rule))
    assert len(await store.read(lambda tx: keeping.removed(tx, OWNER))) == 1
