# SPDX-License-Identifier: Apache-2.0
"""The change feed: what happened in a collection since a modseq (IMAP CONDSTORE, RFC 6578, rosters).

The bus carries only hints; whoever hears one asks here. A page never ends within one modseq, so the
`modseq` of a truncated answer is a place to go on from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from armgs_server.storage import collections, items
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

NO_LIMIT = 1 << 40


@dataclass(frozen=True, slots=True)
class Changes:
    """Since the modseq asked for: members as they are now, `(uid, name)` of those gone (uid 0: a child
    collection), child collections made or changed, and the modseq this answer reaches to."""

    items: Sequence[Item]
    removed: Sequence[tuple[int, str]]
    collections: Sequence[Collection]
    modseq: int
    truncated: bool


async def changes(tx: Tx, owner: int, collection: int, since: int, limit: int = NO_LIMIT) -> Changes:
    """At most about `limit` changes (a single modseq is never split). NotFound."""
    current = (await collections.get(tx, owner, collection)).modseq
    bound = await _bound(tx, owner, collection, since, limit)
    upto = current if bound is None else bound
    key = (owner, collection, since, upto)
    changed = await tx.rows(
        f"SELECT {items.COLUMNS} FROM item WHERE owner = ? AND collection = ? AND modseq > ? AND modseq <= ?"
        " ORDER BY uid",
        *key,
    )
    removed = await tx.rows(
        "SELECT DISTINCT uid, name FROM tombstone WHERE owner = ? AND collection = ?"
        " AND modseq > ? AND modseq <= ?"
        " AND NOT EXISTS (SELECT 1 FROM item WHERE item.owner = tombstone.owner"
        " AND item.collection = tombstone.collection AND item.name = tombstone.name)"
        " AND NOT EXISTS (SELECT 1 FROM collection WHERE collection.owner = tombstone.owner"
        " AND collection.parent = tombstone.collection AND collection.name = tombstone.name"
        " AND tombstone.name <> '') ORDER BY uid",
        *key,
    )
    below = await tx.rows(
        f"SELECT {collections.COLUMNS} FROM collection WHERE owner = ? AND parent = ?"
        " AND changed > ? AND changed <= ? ORDER BY name",
        *key,
    )
    return Changes(
        [Item(*row) for row in changed],
        [(row[0], row[1]) for row in removed],
        [collections.from_row(row) for row in below],
        upto,
        bound is not None,
    )


async def any_replaced(tx: Tx, owner: int, since: Mapping[int, int]) -> bool:
    """Whether below any of these collections, since its modseq, a child has taken another one's name."""
    for collection, modseq in since.items():
        if modseq and await tx.row(
            "SELECT 1 FROM tombstone JOIN collection ON collection.owner = tombstone.owner"
            " AND collection.parent = tombstone.collection AND collection.name = tombstone.name"
            " WHERE tombstone.owner = ? AND tombstone.collection = ? AND tombstone.modseq > ?"
            " AND tombstone.uid = 0 AND tombstone.name <> '' LIMIT 1",
            owner,
            collection,
            modseq,
        ):
            return True
    return False


async def _bound(tx: Tx, owner: int, collection: int, since: int, limit: int) -> int | None:
    """The modseq to stop at so that about `limit` changes come, or None when all of them fit."""
    if limit >= NO_LIMIT:
        return None
    rows = await tx.rows(
        "SELECT modseq FROM (SELECT modseq FROM item WHERE owner = ? AND collection = ? AND modseq > ?"
        " UNION ALL SELECT modseq FROM tombstone WHERE owner = ? AND collection = ? AND modseq > ?"
        " UNION ALL SELECT changed FROM collection WHERE owner = ? AND parent = ? AND changed > ?"
        ") AS feed ORDER BY modseq LIMIT ?",
        *(owner, collection, since) * 3,
        limit + 1,
    )
    if len(rows) <= limit:
        return None
    whole = rows[limit][0] - 1 if limit else since
    return max(whole, rows[0][0]) if limit else int(rows[0][0])
