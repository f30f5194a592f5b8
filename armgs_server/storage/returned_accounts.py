# SPDX-License-Identifier: Apache-2.0
"""An account that is gone comes back from a backup: its collections under their numbers, its items under
their uids, and what it has beside them. All of it may be done again: what is there stays as it is.

Every collection has a larger UIDVALIDITY (RFC 9051 §2.3.1.1): between the backup and the end of the account
uids may have been given to other items. The account has no quota before all of it is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from armgs_server.storage import accounts, blobs, clock, collections, items, returned
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import CHATS, RESTORED, Collection
from armgs_server.storage.migrations import Table, tables
from armgs_server.storage.returned import Returning
from armgs_server.storage.tx import Row, Tx

PAGE: Final = 200
# What follows from other things and is made again of them.
MADE: Final = ("directory", "unit", "control", RESTORED, CHATS)
# What an owner has beside items, copied row by row. Left out: what was given out (links, push, tokens), what
# waits to be sent, and what is made again (words, traces).
_BESIDE: Final = (
    "absence",
    "affiliation",
    "annotation",
    "assignment",
    "chatroom",
    "document",
    "last_activity",
    "news",
    "news_reader",
    "property",
    "pubsub_item",
    "pubsub_node",
    "pubsub_redirect",
    "pubsub_subscription",
    "recent",
    "request",
    "roster",
    "sieve_script",
    "subscription",
    "upload",
)
# Principals among their columns; 0 is nobody.
PRINCIPALS: Final[Mapping[str, str]] = {"absence": "deputy", "assignment": "holder", "request": "waits_for"}


def beside() -> list[Table]:
    """The tables that are copied row by row."""
    return [table for table in tables() if table.name in _BESIDE]


async def page(tx: Tx, table: Table, owner: int, after: Row | None) -> list[Row]:
    """Rows of an owner in the order of the key."""
    key, where, values = ", ".join(table.key), "", ()
    if after is not None:
        where = f" AND ({key}) > ({items.places([0] * len(table.key))})"
        values = tuple(after[table.columns.index(column)] for column in table.key)
    if table.name == "property":
        where += " AND uid = 0"  # those of items come with them
    return await tx.rows(
        f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE owner = ?{where}"
        f" ORDER BY {key} LIMIT {PAGE}",
        owner,
        *values,
    )


async def put_rows(tx: Tx, table: Table, rows: Sequence[Row], owner: int) -> None:
    """Adds those that are missing, as the owner's."""
    at = table.columns.index("owner")
    await tx.executemany(
        f"INSERT INTO {table.name} ({', '.join(table.columns)})"
        f" VALUES ({items.places([0] * len(table.columns))}) ON CONFLICT DO NOTHING",
        [(*row[:at], owner, *row[at + 1 :]) for row in rows],
    )


async def of(tx: Tx, owner: int) -> tuple[Row | None, list[Collection]]:
    """`next_collection` and quota of an account, and its collections."""
    account = await tx.row("SELECT next_collection, quota FROM account WHERE owner = ?", owner)
    rows = await tx.rows(f"SELECT {collections.COLUMNS} FROM collection WHERE owner = ? ORDER BY id", owner)
    return account, list(map(collections.from_row, rows))


async def create(tx: Tx, owner: int, account: Row, found: Sequence[Collection]) -> None:
    """The account with its collections, all of them empty. AlreadyExists."""
    await accounts.create(tx, owner)
    await tx.execute("UPDATE account SET next_collection = ? WHERE owner = ?", account[0], owner)
    now = clock.now() // clock.SECOND
    for each in found:
        if each.role in (RESTORED, CHATS):
            continue
        await tx.execute(
            f"INSERT INTO collection ({collections.COLUMNS})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)",
            *(owner, each.id, each.parent, each.kind, each.name, each.role, each.modseq + 1, each.changed),
            *(each.uid_next, max(now + each.id, each.uid_validity + 1), each.subscribed),
            json.dumps(dict(each.data), ensure_ascii=False),
        )
        tx.changed(owner, each.id, each.modseq + 1)


async def put_items(
    tx: Tx, collection: Collection, found: Sequence[Returning], refs: Mapping[bytes, BlobRef]
) -> list[Returning]:
    """Adds those whose uid is not there, under their uids; which they were."""
    there = {
        item.uid
        for item in await items.by_uids(
            tx, collection.owner, collection.id, [each.item.uid for each in found]
        )
    }
    missing = [each for each in found if each.item.uid not in there]
    if not missing:
        return []
    key = (collection.owner, collection.id)
    modseq = await collections.bump(tx, *key)
    for each in missing:
        ref = refs[each.item.blob]
        await returned.hold(tx, ref)
        await blobs.retain(tx, ref)
        item = each.item._replace(owner=collection.owner, modseq=modseq)
        await items.insert(tx, item)
        await returned.put_beside(tx, item, each.beside)
        await returned.put_attachments(tx, collection.owner, each.attachments, refs)
    size = sum(each.item.size for each in missing)
    unseen = items.unseen_among(collection, [each.item for each in missing])
    await items.count(tx, collection, len(missing), size, unseen)
    await accounts.charge_in(tx, collection, len(missing), size)
    return missing


async def versions(tx: Tx, owner: int, after: Row | None) -> list[Row]:
    """Earlier states of files, a page of rows."""
    return await page(tx, _VERSION, owner, after)


async def put_versions(tx: Tx, owner: int, rows: Sequence[Row], refs: Mapping[bytes, BlobRef]) -> None:
    """Adds those that are missing."""
    columns = _VERSION.columns
    for row in rows:
        fields = dict(zip(columns, row, strict=True))
        ref = refs[fields["blob"]]
        key = (owner, fields["collection"], fields["uid"], fields["number"])
        if await tx.row(
            "SELECT 1 FROM version WHERE owner = ? AND collection = ? AND uid = ? AND number = ?", *key
        ):
            continue
        await returned.hold(tx, ref)
        await blobs.retain(tx, ref)
        await put_rows(tx, _VERSION, [row], owner)
        await tx.execute(
            "UPDATE account SET versions = versions + ?, bytes = bytes + ? WHERE owner = ?",
            *(fields["size"], fields["size"] * fields["charged"], owner),
        )


_VERSION: Final = next(table for table in tables() if table.name == "version")
VERSION_BLOB: Final = _VERSION.columns.index("blob")
VERSION_SIZE: Final = _VERSION.columns.index("size")
