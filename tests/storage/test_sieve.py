# SPDX-License-Identifier: Apache-2.0
"""storage/sieve.py and notices.py, on both engines."""

from __future__ import annotations

import pytest

from armgs_server.errors import AlreadyExists, Conflict, NotFound
from armgs_server.storage import Store, clock, notices, sieve

OWNER = 7


async def put(store: Store, name: str, text: bytes = b"keep;") -> None:
    await store.write(lambda tx: sieve.put(tx, OWNER, name, text, "{}", clock.now()))


async def names(store: Store) -> list[tuple[str, bool]]:
    return [(each.name, each.is_active) for each in await store.read(lambda tx: sieve.listed(tx, OWNER))]


async def test_one_script_is_active(store: Store) -> None:
    heard: list[bytes] = []
    store.bus.subscribe(sieve.TOPIC, heard.append)
    for name in ("b", "a"):
        await put(store, name)
    assert await store.read(lambda tx: sieve.active(tx, OWNER)) is None
    for name in ("a", "b"):
        await store.write(lambda tx, name=name: sieve.activate(tx, OWNER, name))
    assert await names(store) == [("a", False), ("b", True)]
    await put(store, "b", b"discard;")  # an active one stays active
    active = await store.read(lambda tx: sieve.active(tx, OWNER))
    assert active is not None
    assert (active.name, active.text, active.is_active) == ("b", b"discard;", True)
    many = await store.read(lambda tx: sieve.active_of(tx, [OWNER, 8]))
    assert {owner: script.name for owner, script in many.items()} == {OWNER: "b"}
    assert heard == [b"7"] * 5


async def test_what_is_refused_changes_nothing(store: Store) -> None:
    await put(store, "a")
    await put(store, "b")
    await store.write(lambda tx: sieve.activate(tx, OWNER, "a"))
    with pytest.raises(Conflict):
        await store.write(lambda tx: sieve.delete(tx, OWNER, "a"))
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: sieve.rename(tx, OWNER, "a", "b"))
    for work in (
        lambda tx: sieve.delete(tx, OWNER, "x"),
        lambda tx: sieve.rename(tx, OWNER, "x", "y"),
        lambda tx: sieve.activate(tx, OWNER, "x"),
        lambda tx: sieve.get(tx, OWNER, "x"),
    ):
        with pytest.raises(NotFound):
            await store.write(work)
    assert await names(store) == [("a", True), ("b", False)]
    assert not await store.read(lambda tx: sieve.has_room(tx, OWNER, "c", 2))
    assert await store.read(lambda tx: sieve.has_room(tx, OWNER, "b", 2))
    await store.write(lambda tx: sieve.activate(tx, OWNER, ""))
    await store.write(lambda tx: sieve.delete(tx, OWNER, "a"))
    assert await names(store) == [("b", False)]


async def test_notices_are_taken_by_lease(store: Store) -> None:
    now = clock.now()
    for text in ("one", "two"):
        await store.write(lambda tx, text=text: notices.add(tx, OWNER, "a@b.example", "s", text, now))
    taken = await store.write(lambda tx: notices.claim(tx, now, clock.MINUTE, 10))
    assert [(notice.recipient, notice.text) for notice in taken] == [
        ("a@b.example", "one"),
        ("a@b.example", "two"),
    ]
    assert await store.write(lambda tx: notices.claim(tx, now, clock.MINUTE, 10)) == []
    await store.write(lambda tx: notices.finish(tx, taken[0]))
    again = await store.write(lambda tx: notices.claim(tx, now + clock.MINUTE, clock.MINUTE, 10))
    assert [notice.text for notice in again] == ["two"]
