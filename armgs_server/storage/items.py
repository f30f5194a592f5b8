# SPDX-License-Identifier: Apache-2.0
"""Items: messages, events, cards and files are the same thing here: bytes in a collection.

Each change moves the collection's `modseq` and its counts in the same transaction; a removed item leaves
a tombstone. A uid is never reused within its collection. What a kind keeps beside its items
(`collections.INDEX_TABLES`) is copied and removed with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntFlag
from typing import NamedTuple

from armgs_server.errors import NotFound
from armgs_server.storage import accounts, blobs, clock, collections, keeping, versions
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import INDEX_TABLES, Collection
from armgs_server.storage.tx import Tx

COLUMNS = "owner, collection, uid, name, blob, size, content_type, modseq, created, modified, flags, keywords"
# Rows named in one IN list; both engines take far more, plans stay good.
IN_LIMIT = 500


class Flags(IntFlag):
    """IMAP system flags (RFC 9051 §2.3.2) as bits of `item.flags`."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


class Item(NamedTuple):
    """One row of `item`. A tuple, since listings make thousands: five times as fast as a frozen dataclass."""

    owner: int
    collection: int
    uid: int
    name: str | None
    blob: bytes
    size: int
    content_type: str
    modseq: int
    created: int
    modified: int
    flags: int
    keywords: str

    @property
    def etag(self) -> str:
        """RFC 9110 §8.8.3, strong: the same bytes, the same tag."""
        return f'"{self.blob.hex()[:32]}"'


async def add(
    tx: Tx,
    collection: Collection,
    ref: BlobRef,
    *,
    name: str | None = None,
    content_type: str = "",
    created: int | None = None,
    modified: int | None = None,
    flags: int = 0,
    keywords: str = "",
) -> Item:
    """A new item. AlreadyExists when the name is taken, OverQuota, NotFound when the collection is gone."""
    owner, number = collection.owner, collection.id
    unseen = int(collection.kind == "mail" and not flags & Flags.SEEN)
    row = await tx.row(
        "UPDATE collection SET uid_next = uid_next + 1, modseq = modseq + 1, items = items + 1,"
        " bytes = bytes + ?, unseen = unseen + ? WHERE owner = ? AND id = ? RETURNING uid_next, modseq",
        ref.size,
        unseen,
        owner,
        number,
    )
    if row is None:
        raise NotFound()
    await accounts.charge_in(tx, collection, 1, ref.size)
    await blobs.retain(tx, ref)
    now = clock.now()
    item = Item(
        owner,
        number,
        row[0] - 1,
        name,
        ref.hash,
        ref.size,
        content_type,
        row[1],
        now if created is None else created,
        now if modified is None else modified,
        flags,
        keywords,
    )
    await insert(tx, item)
    tx.changed(owner, number, item.modseq)
    return item


async def insert(tx: Tx, item: Item) -> None:
    await tx.execute(
        f"INSERT INTO item ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        item.owner,
        item.collection,
        item.uid,
        item.name,
        item.blob,
        item.size,
        item.content_type,
        item.modseq,
        item.created,
        item.modified,
        item.flags,
        item.keywords,
    )


async def replace(
    tx: Tx, item: Item, ref: BlobRef, content_type: str, rules: versions.Rules | None = None
) -> Item:
    """New bytes under the same uid and name; with `rules` the old ones are kept as an earlier state.
    OverQuota; NotFound when it is gone."""
    growth = ref.size - item.size
    await keeping.keep_version(tx, item.owner, item.collection, item.uid)
    is_kept = rules is not None and await versions.keep(tx, item, ref, rules)
    modseq = await tx.value(
        "UPDATE collection SET modseq = modseq + 1, bytes = bytes + ? WHERE owner = ? AND id = ?"
        " RETURNING modseq",
        *(growth, item.owner, item.collection),
    )
    await accounts.charge(tx, item.owner, 0, growth)
    await blobs.retain(tx, ref)
    if not is_kept:
        await blobs.release(tx, [item.blob])
    row = await tx.row(
        "UPDATE item SET blob = ?, size = ?, content_type = ?, modseq = ?, modified = ?"
        f" WHERE owner = ? AND collection = ? AND uid = ? AND blob = ? RETURNING {COLUMNS}",
        *(ref.hash, ref.size, content_type, modseq, clock.now()),
        *(item.owner, item.collection, item.uid, item.blob),
    )
    if row is None:
        raise NotFound()
    tx.changed(item.owner, item.collection, modseq)
    return Item(*row)


async def touch(tx: Tx, item: Item) -> Item:
    """Says that something beside the bytes changed (a property, a lock that others must see)."""
    modseq = await collections.bump(tx, item.owner, item.collection)
    row = await tx.row(
        f"UPDATE item SET modseq = ? WHERE owner = ? AND collection = ? AND uid = ? RETURNING {COLUMNS}",
        modseq,
        item.owner,
        item.collection,
        item.uid,
    )
    if row is None:
        raise NotFound()
    return Item(*row)


async def get(tx: Tx, owner: int, collection: int, uid: int) -> Item | None:
    """By uid."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM item WHERE owner = ? AND collection = ? AND uid = ?", owner, collection, uid
    )
    return None if row is None else Item(*row)


async def by_name(tx: Tx, owner: int, collection: int, name: str) -> Item | None:
    """By name, exactly as spelled."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM item WHERE owner = ? AND collection = ? AND name = ?", owner, collection, name
    )
    return None if row is None else Item(*row)


async def scan(tx: Tx, owner: int, collection: int, after_uid: int = 0, limit: int = 1000) -> list[Item]:
    """A page in the order of uids."""
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM item WHERE owner = ? AND collection = ? AND uid > ? ORDER BY uid LIMIT ?",
        owner,
        collection,
        after_uid,
        limit,
    )
    return list(map(Item._make, rows))


async def revisions(tx: Tx, owner: int, collection: int, after_uid: int, limit: int) -> list[tuple[int, int]]:
    """A page of `(uid, modseq)` in the order of uids: enough to see what has changed."""
    rows = await tx.rows(
        "SELECT uid, modseq FROM item WHERE owner = ? AND collection = ? AND uid > ? ORDER BY uid LIMIT ?",
        owner,
        collection,
        after_uid,
        limit,
    )
    return [(row[0], row[1]) for row in rows]


async def by_uids(tx: Tx, owner: int, collection: int, uids: Sequence[int]) -> list[Item]:
    """Those of the uids that are there, in their order."""
    found: list[Item] = []
    for part in parts(sorted(uids)):
        rows = await tx.rows(
            f"SELECT {COLUMNS} FROM item WHERE owner = ? AND collection = ?"
            f" AND uid IN ({places(part)}) ORDER BY uid",
            owner,
            collection,
            *part,
        )
        found += (Item(*row) for row in rows)
    return found


async def remove(tx: Tx, collection: Collection, uids: Sequence[int], *, keep_days: int = 0) -> int:
    """Removes those that are there, with index rows, properties and locks; the modseq after it.
    With `keep_days` an administrator can bring them back for so long (storage.keeping)."""
    gone = await by_uids(tx, collection.owner, collection.id, uids)
    if not gone:
        return (await collections.get(tx, collection.owner, collection.id)).modseq
    await keeping.keep(tx, collection, [item.uid for item in gone], keep_days)
    await versions.remove_of(tx, collection, [item.uid for item in gone])
    modseq = await leave(tx, collection, gone)
    await blobs.release(tx, [item.blob for item in gone])
    await accounts.charge_in(tx, collection, -len(gone), -sum(item.size for item in gone))
    return modseq


async def leave(tx: Tx, collection: Collection, gone: Sequence[Item]) -> int:
    """Takes items out of a collection, leaving tombstones; blobs and the account stay as they are."""
    owner, number = collection.owner, collection.id
    modseq = await collections.bury(tx, owner, number, [(item.uid, item.name or "") for item in gone])
    await count(tx, collection, -len(gone), -sum(item.size for item in gone), -unseen_among(collection, gone))
    tables = (*INDEX_TABLES.get(collection.kind, ()), "item", "lock")
    if collection.kind != "mail":  # nobody waits for a message
        tables = (*tables, "lock_wait")
    for part in parts([item.uid for item in gone]):
        for table in tables:
            await tx.execute(
                f"DELETE FROM {table} WHERE owner = ? AND collection = ? AND uid IN ({places(part)})",
                owner,
                number,
                *part,
            )
    return modseq


async def rename(tx: Tx, item: Item, name: str) -> Item:
    """Another name in the same collection; uid, properties and bytes stay. AlreadyExists."""
    modseq = await collections.bury(tx, item.owner, item.collection, [(item.uid, item.name or "")])
    row = await tx.row(
        "UPDATE item SET name = ?, modseq = ? WHERE owner = ? AND collection = ? AND uid = ?"
        f" RETURNING {COLUMNS}",
        name,
        modseq,
        item.owner,
        item.collection,
        item.uid,
    )
    if row is None:
        raise NotFound()
    return Item(*row)


async def count(tx: Tx, collection: Collection, items: int, size: int, unseen: int) -> None:
    """Adds to the collection's sums."""
    await tx.execute(
        "UPDATE collection SET items = items + ?, bytes = bytes + ?, unseen = unseen + ?"
        " WHERE owner = ? AND id = ?",
        items,
        size,
        unseen,
        collection.owner,
        collection.id,
    )


def unseen_among(collection: Collection, items: Iterable[Item]) -> int:
    return sum(not item.flags & Flags.SEEN for item in items) if collection.kind == "mail" else 0


def parts(uids: Sequence[int]) -> Iterable[Sequence[int]]:
    """What one IN list may hold, piece by piece."""
    return (uids[at : at + IN_LIMIT] for at in range(0, len(uids), IN_LIMIT))


def places(part: Sequence[int]) -> str:
    """A place for each."""
    return ", ".join("?" * len(part))
