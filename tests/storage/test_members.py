# SPDX-License-Identifier: Apache-2.0
"""Members of a collection by their names: each once, whatever is asked, by the index of names."""

from __future__ import annotations

import pytest

from armgs_server.storage import Store, items, members
from armgs_server.storage.tx import Row, Tx
from tests.storage.shelf import OWNER, mailbox, provision


async def test_names_that_are_there_are_found_once(store: Store) -> None:
    await provision(store)
    folder = await mailbox(store, "root", kind="files")
    for number in range(30):
        ref = await store.blobs.put(b"file %d" % number)
        await store.write(lambda tx, ref=ref, number=number: items.add(tx, folder, ref, name=f"f{number}"))  # type: ignore[misc]

    async def found(*names: str) -> list[tuple[str | None, bytes | None]]:
        rows = await store.read(lambda tx: members.by_names(tx, OWNER, folder.id, names))
        return sorted((item.name, data) for item, data in rows)  # type: ignore[type-var]

    assert await found() == []
    assert await found("f1") == [("f1", b"file 1")]
    assert await found("f1", "none", "f1", "F2", "f2") == [("f1", b"file 1"), ("f2", b"file 2")]
    assert len(await found(*(f"f{number}" for number in range(40)))) == 30


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=False)
async def test_no_collection_is_looked_through_for_names(store: Store) -> None:
    async def plan(tx: Tx) -> list[Row]:
        return await tx.rows(f"EXPLAIN QUERY PLAN {members.named(25)}", *["x"] * 25, 1, 1)

    steps = [row[3] for row in await store.read(plan)]
    assert "SEARCH item USING INDEX item_name (owner=? AND collection=? AND name=?)" in steps
