# SPDX-License-Identifier: Apache-2.0
"""Signing keys in the store."""

from __future__ import annotations

import pytest

from armgs_server.errors import AlreadyExists, NotFound
from armgs_server.storage import Store, dkim_keys

DOMAIN = "digital.example"


async def add(store: Store, selector: str, domain: str = DOMAIN, *, is_used: bool = False) -> None:
    await store.write(lambda tx: dkim_keys.add(tx, domain, selector, b"PEM", is_used=is_used))


async def used(store: Store) -> list[str]:
    held = await store.read(lambda tx: dkim_keys.of(tx, DOMAIN))
    return [key.selector for key in held if key.is_used]


async def test_keys_come_into_use_and_go(store: Store) -> None:
    heard: list[bytes] = []
    unsubscribe = store.bus.subscribe(dkim_keys.TOPIC, heard.append)
    await add(store, "a", is_used=True)
    await add(store, "b")
    await add(store, "a", "finance.example")
    assert await used(store) == ["a"]
    assert await store.read(dkim_keys.domains) == [DOMAIN, "finance.example"]
    await store.write(lambda tx: dkim_keys.use(tx, DOMAIN, ["b"]))
    assert await used(store) == ["b"]
    await store.write(lambda tx: dkim_keys.remove(tx, DOMAIN, "b"))
    assert await used(store) == []
    unsubscribe()
    assert heard == [DOMAIN.encode()] * 2 + [b"finance.example"] + [DOMAIN.encode()] * 2


async def test_refusals(store: Store) -> None:
    await add(store, "a")
    with pytest.raises(AlreadyExists):
        await add(store, "a")
    with pytest.raises(NotFound):
        await store.write(lambda tx: dkim_keys.use(tx, DOMAIN, ["b"]))
    with pytest.raises(NotFound):
        await store.write(lambda tx: dkim_keys.remove(tx, DOMAIN, "b"))


async def test_a_key_in_a_log_says_nothing(store: Store) -> None:
    await add(store, "a")
    [key] = await store.read(lambda tx: dkim_keys.of(tx, DOMAIN))
    assert repr(key) == "DkimKey(a._domainkey.digital.example)"
