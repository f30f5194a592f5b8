# SPDX-License-Identifier: Apache-2.0
"""Dead properties: set, changed, removed, copied, and bounded."""

from __future__ import annotations

import pytest

from armgs_server.errors import TooLarge
from armgs_server.storage import Store, accounts, collections, items, properties
from armgs_server.storage.tx import Tx

OWNER = 7


async def folder(tx: Tx, files: int) -> int:
    await accounts.create(tx, OWNER)
    made = await collections.create(tx, OWNER, "files", "a")
    for number in range(files):
        await items.add(tx, made, items.BlobRef(b"\0" * 32, 0, b""), name=str(number))
    return made.id


async def test_set_change_remove(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a = await folder(tx, 3)
        await properties.change(tx, OWNER, a, 1, {"{u:}b": "<b/>", "{u:}a": "<a/>"})
        await properties.change(tx, OWNER, a, 1, {"{u:}b": "<b>2</b>", "{u:}none": None})
        await properties.change(tx, OWNER, a, 0, {"{u:}c": "<c/>"})
        await properties.change(tx, OWNER, a, 3, {"{u:}d": "<d/>"})
        assert await properties.of(tx, OWNER, a, 1) == {"{u:}a": "<a/>", "{u:}b": "<b>2</b>"}
        assert await properties.of(tx, OWNER, a) == {"{u:}c": "<c/>"}
        assert await properties.of_items(tx, OWNER, a, 2, 9) == {3: {"{u:}d": "<d/>"}}
        assert await properties.of_collections(tx, OWNER, [a, a + 1]) == {a: {"{u:}c": "<c/>"}}
        assert await properties.any_of_items(tx, OWNER, a)
        await properties.change(tx, OWNER, a, 1, {"{u:}a": None, "{u:}b": None})
        await properties.change(tx, OWNER, a, 3, {"{u:}d": None})
        assert not await properties.any_of_items(tx, OWNER, a)

    await store.write(work)


async def test_copy_makes_them_the_same(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a = await folder(tx, 2)
        await properties.change(tx, OWNER, a, 1, {"{u:}a": "<a/>"})
        await properties.change(tx, OWNER, a, 2, {"{u:}b": "<b/>"})
        await properties.copy(tx, (OWNER, a, 1), (OWNER, a, 2))
        assert await properties.of(tx, OWNER, a, 2) == {"{u:}a": "<a/>"}

    await store.write(work)


async def test_they_go_with_the_item(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a = await folder(tx, 1)
        await properties.change(tx, OWNER, a, 1, {"{u:}a": "<a/>"})
        await items.remove(tx, await collections.get(tx, OWNER, a), [1])
        assert await properties.of(tx, OWNER, a, 1) == {}

    await store.write(work)


async def test_bounds(store: Store) -> None:
    async def make(tx: Tx) -> int:
        return await folder(tx, 1)

    a = await store.write(make)
    too_many: dict[str, str | None] = {f"{{u:}}{number}": "<x/>" for number in range(201)}
    for values in (too_many, {"{u:}x": "x" * properties.MAX_CHARACTERS}):
        with pytest.raises(TooLarge):
            await store.write(lambda tx, values=values: properties.change(tx, OWNER, a, 1, values))
    assert await store.read(lambda tx: properties.of(tx, OWNER, a, 1)) == {}
