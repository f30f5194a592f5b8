# SPDX-License-Identifier: Apache-2.0
"""The trash forgets what is older than its days, and nothing else."""

from __future__ import annotations

import pytest

from armgs_server.storage import Store, accounts, clock, collections, items, trash
from armgs_server.storage.tx import Tx

OWNER = 7
DAYS = 30


async def test_days_that_are_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    today = clock.now()

    async def throw(tx: Tx) -> None:
        root = await collections.find(tx, OWNER, "files", "")
        assert root is not None
        item = await items.add(tx, root, store.blobs.small(b"12345"), name="a")
        await trash.throw_item(tx, root, item)

    await store.write(lambda tx: accounts.provision(tx, OWNER))
    for age in (DAYS + 5, DAYS + 2, DAYS - 2, 0):
        monkeypatch.setattr(clock, "now", lambda age=age: today - age * clock.DAY)
        await store.write(throw)
    assert (await store.read(lambda tx: accounts.usage(tx, OWNER))).bytes == 20
    assert await store.write(lambda tx: trash.expire(tx, DAYS, limit=1)) == 1
    assert await store.write(lambda tx: trash.expire(tx, DAYS)) == 1
    assert await store.write(lambda tx: trash.expire(tx, DAYS)) == 0
    assert (await store.read(lambda tx: accounts.usage(tx, OWNER))).bytes == 10


async def test_a_folder_that_is_no_day_stays(store: Store) -> None:
    async def make(tx: Tx) -> None:
        root = await collections.find(tx, OWNER, "files", "")
        assert root is not None
        bin_ = await collections.create(tx, OWNER, "files", trash.NAME, parent=root.id)
        await collections.create(tx, OWNER, "files", "0 mine", parent=bin_.id)
        deeper = await collections.create(tx, OWNER, "files", "d", parent=root.id)
        other = await collections.create(tx, OWNER, "files", trash.NAME, parent=deeper.id)
        await collections.create(tx, OWNER, "files", "2001-01-01", parent=other.id)

    await store.write(lambda tx: accounts.provision(tx, OWNER))
    await store.write(make)
    assert await store.write(lambda tx: trash.expire(tx, 1)) == 0
