# SPDX-License-Identifier: Apache-2.0
"""storage/roster.py on both engines: versions, removed contacts, requests that wait."""

from __future__ import annotations

from armgs_server.storage import Store, accounts, roster
from armgs_server.storage.roster import RosterItem

OWNER = 1
ANNA = "anna@x.example"


async def put(store: Store, item: RosterItem) -> int:
    return await store.write(lambda tx: roster.put(tx, OWNER, item))


async def version(store: Store) -> int:
    return await store.read(lambda tx: roster.version(tx, OWNER))


async def test_contacts_come_back_as_they_went_in(store: Store) -> None:
    await store.write(lambda tx: accounts.provision(tx, OWNER, 0))
    heard: list[bytes] = []
    store.bus.subscribe(f"changes:{OWNER}", heard.append)
    item = RosterItem(ANNA, "Анна", "both", True, True, b"<presence/>", ("Друзья", "a,b"))
    modseq = await put(store, item)
    assert len(heard) == 1
    assert await version(store) == modseq
    (loaded,) = await store.read(lambda tx: roster.load(tx, OWNER))
    assert loaded == RosterItem(ANNA, "Анна", "both", True, True, b"<presence/>", ("Друзья", "a,b"), modseq)
    assert loaded.is_listed
    assert await store.read(lambda tx: roster.get(tx, OWNER, ANNA)) == loaded
    assert await store.read(lambda tx: roster.count(tx, OWNER)) == 1


async def test_a_removed_contact_is_told_to_older_versions(store: Store) -> None:
    await store.write(lambda tx: accounts.provision(tx, OWNER, 0))
    first = await put(store, RosterItem(ANNA, subscription="none"))
    second = await put(store, RosterItem("boris@x.example", subscription="to"))
    third = await store.write(lambda tx: roster.remove(tx, OWNER, ANNA))
    assert first < second < third
    assert await store.read(lambda tx: roster.get(tx, OWNER, ANNA)) is None
    assert [item.jid for item in await store.read(lambda tx: roster.load(tx, OWNER))] == ["boris@x.example"]
    changed = await store.read(lambda tx: roster.changed_since(tx, OWNER, first))
    assert [(item.jid, item.subscription) for item in changed] == [
        ("boris@x.example", "to"),
        (ANNA, "remove"),
    ]
    await put(store, RosterItem(ANNA, "again", "none"))
    assert (await store.read(lambda tx: roster.count(tx, OWNER))) == 2


async def test_a_row_that_says_nothing_is_forgotten(store: Store) -> None:
    await store.write(lambda tx: accounts.provision(tx, OWNER, 0))
    waiting = RosterItem(ANNA, pending=b"<presence type='subscribe'/>")
    assert not waiting.is_listed
    assert not waiting.is_empty
    await put(store, waiting)
    assert RosterItem(ANNA).is_empty
    await store.write(lambda tx: roster.forget(tx, OWNER, ANNA))
    assert await store.read(lambda tx: roster.changed_since(tx, OWNER, 0)) == []
