# SPDX-License-Identifier: Apache-2.0
"""Collections with everything below them: moved within their owner's tree, or removed."""

from __future__ import annotations

from armgs_server.errors import AlreadyExists, Conflict, NotFound
from armgs_server.storage import clock, collections, keeping, versions
from armgs_server.storage.collections import INDEX_TABLES, Collection
from armgs_server.storage.tx import Tx

# What every kind keeps of a collection beside its index rows.
_TABLES = (
    "item",
    "tombstone",
    "lock",
    "lock_wait",
    "grant_",
    "share",
    "own_view",
    "recent",
    "annotation",
    "chat_folder",
    "mail_index",
    "mail_words",
    "mail_words_ids",
    "subscription",
)


async def rename(tx: Tx, collection: Collection, *, parent: int, name: str) -> Collection:
    """Moves within the owner's tree; uids, modseq and rights go along. AlreadyExists; Conflict on a loop."""
    owner = collection.owner
    if parent:
        target = await collections.get(tx, owner, parent)
        if any(above.id == collection.id for above in await collections.ancestors(tx, target)):
            raise Conflict("a collection cannot be moved into itself")
        if await tx.row(
            "SELECT 1 FROM item WHERE owner = ? AND collection = ? AND name = ?", owner, parent, name
        ):
            raise AlreadyExists()
    if await collections.find(tx, owner, collection.kind, name, parent) is not None:
        raise AlreadyExists()
    if collection.parent:
        await collections.bury(tx, owner, collection.parent, [(0, collection.name)])
    changed = await collections.bump(tx, owner, parent) if parent else 0
    modseq = await collections.bump(tx, owner, collection.id)
    row = await tx.row(
        "UPDATE collection SET parent = ?, name = ?, changed = ? WHERE owner = ? AND id = ?"
        f" RETURNING {collections.COLUMNS}",
        parent,
        name,
        changed,
        owner,
        collection.id,
    )
    if row is None:
        raise NotFound()
    tx.changed(owner, collection.id, modseq)
    return collections.from_row(row)


async def delete(tx: Tx, collection: Collection, *, keep_days: int = 0) -> None:
    """The collection and everything below it. `keep_days`: see items.remove."""
    if collection.parent:
        await collections.bury(tx, collection.owner, collection.parent, [(0, collection.name)])
    await _delete_tree(tx, collection, 0, keep_days)


async def _delete_tree(tx: Tx, collection: Collection, depth: int, keep_days: int) -> None:
    if depth > collections.MAX_DEPTH:
        raise Conflict("nested too deep")
    for child in await collections.children(tx, collection.owner, collection.id, collection.kind):
        await _delete_tree(tx, child, depth + 1, keep_days)
    await keeping.keep(tx, collection, None, keep_days)
    await versions.remove_of(tx, collection)
    key = (collection.owner, collection.id)
    await tx.execute(
        "UPDATE blob SET refs = refs - gone.number, touched = ? FROM"
        " (SELECT blob AS hash, COUNT(*) AS number FROM item WHERE owner = ? AND collection = ?"
        " GROUP BY blob) AS gone WHERE blob.hash = gone.hash",
        clock.now(),
        *key,
    )
    for table in (*INDEX_TABLES.get(collection.kind, ()), *_TABLES):
        await tx.execute(f"DELETE FROM {table} WHERE owner = ? AND collection = ?", *key)
    gone = await tx.row(
        "DELETE FROM collection WHERE owner = ? AND id = ? RETURNING items, bytes, modseq", *key
    )
    if gone is None:
        raise NotFound()
    if collection.is_charged:
        await tx.execute(
            "UPDATE account SET items = items - ?, bytes = bytes - ? WHERE owner = ?",
            gone[0],
            gone[1],
            collection.owner,
        )
    tx.changed(*key, gone[2] + 1)
