# SPDX-License-Identifier: Apache-2.0
"""The PostgreSQL engine: places, types, races that are run again, a server that is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from armgs_server.errors import Temporary
from armgs_server.formats import mime
from armgs_server.storage import Store, accounts, collections, items, mail, mail_query
from armgs_server.storage.postgresql import translated
from armgs_server.storage.postgresql_tx import numbered
from armgs_server.storage.tx import Row, Tx, Value


def test_places_become_numbers() -> None:
    assert numbered("SELECT ? WHERE a = ? AND b IN (?, ?)") == "SELECT $1 WHERE a = $2 AND b IN ($3, $4)"


def test_the_schema_is_translated() -> None:
    assert (
        translated("CREATE TABLE t (a INTEGER NOT NULL, b TEXT, c BLOB) WITHOUT ROWID")
        == 'CREATE TABLE t (a BIGINT NOT NULL, b TEXT COLLATE "C", c BYTEA)'
    )


@pytest.mark.postgres
async def test_writers_of_one_collection_take_turns(postgresql_url: str, tmp_path: Path) -> None:
    store = await Store.open(postgresql_url, tmp_path)
    await store.write(lambda tx: accounts.provision(tx, 1))
    inbox = await store.read(lambda tx: collections.by_role(tx, 1, "mail", "inbox"))
    assert inbox is not None
    ref = store.blobs.small(b"hello")
    added = await asyncio.gather(*(store.write(lambda tx: items.add(tx, inbox, ref)) for _ in range(40)))
    assert sorted(item.uid for item in added) == list(range(1, 41))
    now = await store.read(lambda tx: collections.get(tx, 1, inbox.id))
    assert (now.items, now.bytes, now.modseq) == (40, 200, max(item.modseq for item in added))
    await store.close()


@pytest.mark.postgres
async def test_a_deadlock_is_run_again(postgresql_url: str, tmp_path: Path) -> None:
    store = await Store.open(postgresql_url, tmp_path)
    for owner in (1, 2):
        await store.write(lambda tx, owner=owner: accounts.create(tx, owner))
    met = asyncio.Barrier(2)
    waits = 2

    async def charge(tx: Tx, first: int, second: int) -> None:
        nonlocal waits
        await accounts.charge(tx, first, 1, 1)
        if waits:
            waits -= 1
            await met.wait()
        await accounts.charge(tx, second, 1, 1)

    await asyncio.gather(
        store.write(lambda tx: charge(tx, 1, 2)),
        store.write(lambda tx: charge(tx, 2, 1)),
    )
    assert [(await store.read(lambda tx, o=o: accounts.usage(tx, o))).items for o in (1, 2)] == [2, 2]
    await store.close()


async def test_a_server_that_is_not_there_is_temporary(tmp_path: Path) -> None:
    with pytest.raises(Temporary):
        await Store.open("postgresql://nobody@127.0.0.1:1/none", tmp_path)


@pytest.mark.postgres
async def test_a_read_of_several_statements_sees_one_snapshot(postgresql_url: str, tmp_path: Path) -> None:
    store = await Store.open(postgresql_url, tmp_path)
    await store.write(lambda tx: accounts.create(tx, 1))
    meanwhile: list[int] = []

    async def look(tx: Tx) -> tuple[int, int]:
        first = (await accounts.usage(tx, 1)).items
        if len(meanwhile) < 3:
            meanwhile.append(1)
            await asyncio.ensure_future(store.write(lambda other: accounts.charge(other, 1, 1, 1)))
        return first, (await accounts.usage(tx, 1)).items

    for _ in range(3):  # the first is tried without a transaction, and run again; the others know
        first, second = await store.read(look)
        assert first == second
    assert len(meanwhile) == 3
    assert (await store.read(lambda tx: accounts.usage(tx, 1))).items == 3
    await store.close()


@pytest.mark.postgres
async def test_a_read_cannot_write(postgresql_url: str, tmp_path: Path) -> None:
    store = await Store.open(postgresql_url, tmp_path)
    await store.write(lambda tx: accounts.create(tx, 1))
    for work in (
        lambda tx: accounts.charge(tx, 1, 1, 1),
        lambda tx: tx.rows("UPDATE account SET items = 1 WHERE owner = 1 RETURNING items"),
    ):
        with pytest.raises(Temporary):
            await store.read(work)
    assert (await store.read(lambda tx: accounts.usage(tx, 1))).items == 0
    await store.close()


@pytest.mark.postgres
async def test_the_one_of_several_hosts_that_answers_is_found(postgresql_url: str, tmp_path: Path) -> None:
    url = postgresql_url.replace("?host=", "?host=/nowhere,") + "&target_session_attrs=read-write"
    store = await Store.open(url, tmp_path)
    await store.write(lambda tx: accounts.create(tx, 1))
    assert (await store.read(lambda tx: accounts.usage(tx, 1))).items == 0
    await store.close()


@pytest.mark.postgres
async def test_connections_to_a_server_that_is_no_longer_primary_are_given_up(
    postgresql_url: str, tmp_path: Path
) -> None:
    store = await Store.open(postgresql_url, tmp_path)
    # All transactions of the one connection there is, from the next one on.
    await store.write(lambda tx: tx.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    await store.write(lambda tx: accounts.create(tx, 1))
    assert (await store.read(lambda tx: accounts.usage(tx, 1))).items == 0
    await store.close()


class Explained:
    """Stands before a transaction: each query is run, and the numbers of its plan are returned."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx

    async def rows(self, sql: str, *args: Value) -> list[Row]:
        plan = await self.tx.value(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *args)
        return [(node.get("Rows Removed by Join Filter", 0),) for node in nodes(json.loads(plan)[0]["Plan"])]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.postgres
@pytest.mark.parametrize("uids", [None, tuple(range(1, 400, 3))])
async def test_a_mailbox_without_statistics_is_not_walked_once_for_each_message(
    postgresql_url: str, tmp_path: Path, uids: tuple[int, ...] | None
) -> None:
    store = await Store.open(postgresql_url, tmp_path)
    await store.write(lambda tx: accounts.provision(tx, 1))
    inbox = await store.read(lambda tx: collections.by_role(tx, 1, "mail", "inbox"))
    assert inbox is not None
    data = b"Subject: one of many\r\n\r\nbody\r\n"
    index = mime.index(data)

    async def fill(tx: Tx) -> None:
        for _ in range(400):
            await mail.append(tx, inbox, store.blobs.small(data), index)

    await store.write(fill)

    async def removed(tx: Tx) -> int:
        asked: Any = Explained(tx)
        selection = mail_query.Selection(1, 400, uids)
        columns = f"i.flags, m.envelope, {mail_query.HEADER}"
        return sum(
            row[0] for row in await mail_query.select(asked, 1, inbox.id, columns, selection, limit=500)
        )

    assert await store.read(removed) == 0
    await store.close()
