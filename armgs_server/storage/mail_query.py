# SPDX-License-Identifier: Apache-2.0
"""What IMAP asks of a mailbox: ranges of rows for FETCH and SEARCH, flags for STORE, changes for updates.

Every query is a range over (owner, collection, uid) or (owner, collection, modseq); callers page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.storage import item_flags, items
from armgs_server.storage.collections import RESTORED, Collection
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Row, Tx, Value

# A header of an inline blob, without its body; NULL where the blob is in a file.
HEADER = "SUBSTR(b.data, 1, CAST(m.header_size AS INTEGER))"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages: a range of uids (both ends included), or exactly those named."""

    low: int
    high: int
    uids: Sequence[int] | None = None
    changed_since: int = 0


@dataclass(frozen=True, slots=True)
class MailChanges:
    """Since a modseq: rows (uid, flags, keywords, modseq) by uid, uids removed, and where that reaches to."""

    rows: Sequence[Row]
    removed: Sequence[int]
    modseq: int


async def uids(tx: Tx, owner: int, collection: int, after: int, limit: int) -> list[int]:
    """A page of them, ascending."""
    rows = await tx.rows(
        "SELECT uid FROM item WHERE owner = ? AND collection = ? AND uid > ? ORDER BY uid LIMIT ?",
        owner,
        collection,
        after,
        limit,
    )
    return [row[0] for row in rows]


async def first_unseen(tx: Tx, collection: Collection) -> int | None:
    """The smallest uid without \\Seen."""
    if not collection.unseen:
        return None
    found: int | None = await tx.value(
        "SELECT MIN(uid) FROM item WHERE owner = ? AND collection = ? AND (flags & 1) = 0",
        collection.owner,
        collection.id,
    )
    return found


async def keywords(tx: Tx, owner: int, collection: int) -> list[str]:
    """Every keyword that a message of the mailbox has, in the order of their names."""
    rows = await tx.rows(
        "SELECT DISTINCT keywords FROM item WHERE owner = ? AND collection = ? AND keywords <> ''",
        owner,
        collection,
    )
    return sorted({keyword for row in rows for keyword in row[0].split()})


async def deleted(tx: Tx, owner: int, collection: int) -> list[int]:
    """The uids with \\Deleted, ascending."""
    rows = await tx.rows(
        "SELECT uid FROM item WHERE owner = ? AND collection = ? AND (flags & 8) <> 0 ORDER BY uid",
        owner,
        collection,
    )
    return [row[0] for row in rows]


async def deleted_sums(tx: Tx, owner: int, collection: int) -> tuple[int, int]:
    """How many have \\Deleted, and their bytes."""
    row = await tx.row(
        "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM item"
        " WHERE owner = ? AND collection = ? AND (flags & 8) <> 0",
        owner,
        collection,
    )
    assert row is not None
    return int(row[0]), int(row[1])


async def select(
    tx: Tx,
    owner: int,
    collection: int,
    columns: str,
    selection: Selection,
    *,
    where: str = "",
    arguments: Sequence[Value] = (),
    limit: int,
) -> list[Row]:
    """Rows `uid, columns` ascending. Columns are of item `i`, message `m` and blob `b`; only those tables
    are joined that they name. `where` adds a condition (" AND …")."""
    tables = "item i"
    if "m." in columns or "m." in where:
        # `+ 0`: PostgreSQL without statistics takes a mailbox for one row, and would else walk all messages
        # of it once for each item instead of looking each up by its uid.
        tables += (
            " JOIN message m ON m.owner = i.owner + 0 AND m.collection = i.collection + 0 AND m.uid = i.uid"
        )
    if "b." in columns:
        tables += " JOIN blob b ON b.hash = i.blob"
    conditions = " AND i.uid >= ? AND i.uid <= ?"
    values: list[Value] = [selection.low, selection.high]
    if selection.uids is not None:
        conditions = f" AND i.uid IN ({', '.join('?' * len(selection.uids))})"
        values = list(selection.uids)
    if selection.changed_since:
        conditions += " AND i.modseq > ?"
        values.append(selection.changed_since)
    return await tx.rows(
        f"SELECT i.uid{', ' + columns if columns else ''} FROM {tables}"
        f" WHERE i.owner = ? AND i.collection = ?{conditions}{where} ORDER BY i.uid LIMIT ?",
        owner,
        collection,
        *values,
        *arguments,
        limit,
    )


async def flags_of(tx: Tx, owner: int, collection: int, uids: Sequence[int]) -> list[Row]:
    """Rows (uid, flags, keywords, modseq) of those that are there, ascending."""
    found: list[Row] = []
    for at in range(0, len(uids), items.IN_LIMIT):
        part = uids[at : at + items.IN_LIMIT]
        found += await tx.rows(
            "SELECT uid, flags, keywords, modseq FROM item WHERE owner = ? AND collection = ?"
            f" AND uid IN ({', '.join('?' * len(part))}) ORDER BY uid",
            owner,
            collection,
            *part,
        )
    return found


async def mark_seen(tx: Tx, collection: Collection, uids: Sequence[int]) -> int | None:
    """Adds \\Seen where it is missing (RFC 3501 §6.4.5, BODY[]); the new modseq if that changed anything."""
    changes = [
        (uid, flags | Flags.SEEN, words)
        for uid, flags, words, _ in await flags_of(tx, collection.owner, collection.id, uids)
        if not flags & Flags.SEEN
    ]
    return await item_flags.set_flags(tx, collection, changes) if changes else None


async def modseq(tx: Tx, owner: int, collection: int) -> int | None:
    """Where the mailbox stands; None when it is gone."""
    found: int | None = await tx.value(
        "SELECT modseq FROM collection WHERE owner = ? AND id = ?", owner, collection
    )
    return found


async def changes(tx: Tx, owner: int, collection: int, since: int) -> MailChanges | None:
    """What a client that knows the mailbox at `since` must hear; None when the mailbox is gone."""
    modseq = await tx.value("SELECT modseq FROM collection WHERE owner = ? AND id = ?", owner, collection)
    if modseq is None:
        return None
    if modseq == since:
        return MailChanges((), (), modseq)
    rows = await tx.rows(
        "SELECT uid, flags, keywords, modseq FROM item WHERE owner = ? AND collection = ? AND modseq > ?"
        " ORDER BY uid",
        owner,
        collection,
        since,
    )
    return MailChanges(rows, await removed(tx, owner, collection, since), modseq)


async def removed(tx: Tx, owner: int, collection: int, since: int) -> list[int]:
    """The uids that were removed since a modseq, ascending."""
    rows = await tx.rows(
        "SELECT DISTINCT uid FROM tombstone WHERE owner = ? AND collection = ? AND modseq > ? AND uid > 0"
        " ORDER BY uid",
        owner,
        collection,
        since,
    )
    return [row[0] for row in rows]


async def message_counts(tx: Tx, owner: int) -> tuple[int, int]:
    """Messages of the account over all its mailboxes, and their bytes."""
    row = await tx.row(
        "SELECT COALESCE(SUM(items), 0), COALESCE(SUM(bytes), 0) FROM collection"
        " WHERE owner = ? AND kind = 'mail' AND role <> ?",
        owner,
        RESTORED,
    )
    assert row is not None
    return int(row[0]), int(row[1])
