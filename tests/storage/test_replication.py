# SPDX-License-Identifier: Apache-2.0
"""A whole store copied to the other engine and back: verified, resumed where it was cut off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.errors import Conflict
from armgs_server.formats import mime
from armgs_server.storage import Store, accounts, archive, clock, collections, items, mail, replication
from armgs_server.storage.migrations import tables
from armgs_server.storage.tx import Tx

BIG = b"x" * 100_000
MESSAGE = b"Subject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n\r\nhello\r\n"


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open("sqlite", tmp_path / "full")
    big = await store.blobs.put(BIG)

    async def fill(tx: Tx) -> None:
        for owner in range(1, 60):
            await accounts.provision(tx, owner)
            inbox = await collections.by_role(tx, owner, "mail", "inbox")
            root = await collections.by_role(tx, owner, "files", "root")
            assert inbox and root
            await mail.append(tx, inbox, store.blobs.small(MESSAGE), mime.index(MESSAGE))
            await items.add(tx, root, big, name="большой.bin")

    await store.write(fill)
    yield store
    await store.close()


@pytest.fixture
async def target(postgresql_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(postgresql_url, tmp_path / "target")
    yield store
    await store.close()


def test_tables_are_read_from_the_schema() -> None:
    found = {table.name: table for table in tables()}
    assert found["item"].key == ("owner", "collection", "uid")
    assert found["account"].columns == ("owner", "next_collection", "items", "bytes", "quota", "versions")
    assert found["meta"].key == ("name",)
    assert all(set(table.key) <= set(table.columns) and table.key for table in found.values())


@pytest.mark.postgres
async def test_there_and_back(full: Store, target: Store, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    await replication.copy(full, target, lambda *step: seen.append(step))
    verified = {each.table: each.rows for each in await replication.verify(full, target)}
    assert verified["item"] == 118 and verified["collection"] == 59 * 15 and verified["blob"] == 2
    assert seen[-1][1] == seen[-1][2]
    await replication.forget_marks(target)
    item = await target.read(lambda tx: items.by_name(tx, 7, 10, "большой.bin"))
    assert item is not None and await target.blobs.read(item.blob) == BIG

    back = await Store.open("sqlite", tmp_path / "back")
    await replication.copy(target, back)
    await replication.verify(full, back)
    await back.close()


@pytest.mark.postgres
async def test_an_archive_goes_on_above_its_last_id(full: Store, target: Store) -> None:
    """Though it was written by a clock that is ahead of PostgreSQL's."""
    ahead = clock.now() + clock.HOUR
    last = await full.write(lambda tx: archive.append(tx, 7, "a@x.example", "", b"<message/>", ahead))
    await replication.copy(full, target)
    await replication.forget_marks(target)
    after = await target.write(lambda tx: archive.append(tx, 7, "a@x.example", "", b"<message/>"))
    assert after == last + 1


@pytest.mark.postgres
async def test_a_copy_that_was_cut_off_goes_on(full: Store, target: Store) -> None:
    class CutOff(Exception):
        pass

    def cut(table: str, done: int, total: int) -> None:
        if table == "collection":
            raise CutOff

    with pytest.raises(CutOff):
        await replication.copy(full, target, cut)
    with pytest.raises(Conflict):
        await replication.verify(full, target)
    steps: list[tuple[str, int, int]] = []
    await replication.copy(full, target, lambda *step: steps.append(step))
    assert next(step for step in steps if step[0] == "collection") == ("collection", 885, 885)
    assert "account" not in {step[0] for step in steps}
    await replication.verify(full, target)


@pytest.mark.postgres
async def test_a_target_with_people_of_its_own_is_refused(full: Store, target: Store) -> None:
    await target.write(lambda tx: accounts.provision(tx, 9))
    with pytest.raises(Conflict, match="not empty"):
        await replication.copy(full, target)


@pytest.mark.postgres
async def test_a_difference_is_named(full: Store, target: Store) -> None:
    await replication.copy(full, target)
    await target.write(lambda tx: tx.execute("UPDATE message SET subject = 'other' WHERE owner = 7"))
    with pytest.raises(Conflict, match=r"^message: 59 rows"):
        await replication.verify(full, target)
