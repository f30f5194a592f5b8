# SPDX-License-Identifier: Apache-2.0
"""Names without a mailbox: they stay while something lies below them, and come back as mailboxes."""

from __future__ import annotations

import pytest

from armgs_server.errors import Conflict
from armgs_server.storage import Store, collections, mailboxes
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx
from tests.storage.shelf import OWNER, provision, put, usage


async def make(store: Store, *path: str) -> Collection:
    """A mailbox below Archive."""

    async def work(tx: Tx) -> Collection:
        above = await collections.by_path(tx, OWNER, "mail", ("Archive", *path[:-1]))
        assert above is not None
        return await collections.create(tx, OWNER, "mail", path[-1], parent=above.id)

    return await store.write(work)


async def find(store: Store, *path: str) -> Collection | None:
    return await store.read(lambda tx: collections.by_path(tx, OWNER, "mail", ("Archive", *path)))


async def delete(store: Store, *path: str) -> None:
    async def work(tx: Tx) -> None:
        found = await collections.by_path(tx, OWNER, "mail", ("Archive", *path))
        assert found is not None
        await mailboxes.delete(tx, found)

    await store.write(work)


async def test_a_name_stays_while_something_is_below(store: Store) -> None:
    await provision(store)
    await make(store, "a")
    await make(store, "a", "b")
    await make(store, "a", "b", "c")
    await put(store, 1, "archive")
    await delete(store)
    archive = await find(store)
    assert archive is not None and mailboxes.is_empty_name(archive)
    assert (archive.items, archive.role, archive.subscribed) == (0, "", 0)
    assert (await usage(store)).items == 0
    await delete(store, "a", "b")
    with pytest.raises(Conflict):
        await delete(store, "a", "b")
    await delete(store, "a", "b", "c")  # the last below a name takes it along
    assert await find(store, "a", "b") is None
    assert await find(store, "a") is not None
    await delete(store, "a")
    assert await find(store) is None


async def test_a_name_becomes_a_mailbox_again(store: Store) -> None:
    await provision(store)
    below = await make(store, "a")
    before = await find(store)
    assert before is not None
    await delete(store)
    name = await find(store)
    assert name is not None
    revived = await store.write(lambda tx: mailboxes.revive(tx, name, "archive", 1))
    assert (revived.id, revived.role, revived.subscribed) == (before.id, "archive", 1)
    assert not mailboxes.is_empty_name(revived)
    assert revived.uid_validity > before.uid_validity
    assert await find(store, "a") == below
