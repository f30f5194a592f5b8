# SPDX-License-Identifier: Apache-2.0
"""A file that comes of itself takes the place of nothing."""

from __future__ import annotations

import pytest

from armgs_server.storage import Store, accounts, collections, free_names, items
from armgs_server.storage.tx import Tx

OWNER = 7


async def put(store: Store, *names: str) -> list[str]:
    """What files of these names are called, put into one folder one after another."""

    async def work(tx: Tx) -> list[str]:
        root = await collections.find(tx, OWNER, "files", "")
        assert root is not None
        if await collections.find(tx, OWNER, "files", "folder", root.id) is None:
            await collections.create(tx, OWNER, "files", "folder", parent=root.id)
        found = []
        for name in names:
            found.append(await free_names.find(tx, root, name))
            root = await collections.get(tx, OWNER, root.id)
            await items.add(tx, root, store.blobs.small(b"12345"), name=found[-1])
        return found

    await store.write(lambda tx: accounts.provision(tx, OWNER))
    return await store.write(work)


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("plan.odt", "plan (2).odt"),
        ("plan", "plan (2)"),
        (".profile", ".profile (2)"),
        (".a.b", ".a (2).b"),
        ("a.", "a (2)."),
        ("ж" * 125 + ".odt", "ж" * 123 + " (2).odt"),  # 254 octets; between characters
        ("a." + "b" * 250, "a (2)." + "b" * 40),
    ],
)
async def test_the_second_of_a_name_has_a_number(store: Store, name: str, second: str) -> None:
    assert await put(store, name, name) == [name, second]
    assert len(second.encode()) <= free_names.MAX_NAME


async def test_folders_have_names_too(store: Store) -> None:
    assert await put(store, "folder", "folder") == ["folder (2)", "folder (3)"]


async def test_a_name_that_is_too_long_is_cut(store: Store) -> None:
    assert await put(store, "a" * 300 + ".txt") == ["a" * 247 + " (2).txt"]
