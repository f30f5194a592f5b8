# SPDX-License-Identifier: Apache-2.0
"""Copies and moves of items between collections: by reference, index rows and properties included."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.errors import NotFound
from armgs_server.storage import accounts, blobs, clock, items, keeping, versions
from armgs_server.storage.collections import INDEX_COLUMNS, INDEX_TABLES, Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx


async def copy(
    tx: Tx, source: Sequence[Item], target: Collection, names: Sequence[str | None] | None = None
) -> list[Item]:
    """Copies by reference, index rows and properties included; the new items in the order of `source`.

    OverQuota; AlreadyExists when a name is taken. Another owner's account is charged by what it gets.
    """
    if not source:
        return []
    await accounts.charge_in(tx, target, len(source), sum(item.size for item in source))
    await blobs.retain_existing(tx, [item.blob for item in source])
    return await _arrive(tx, source, target, names)


async def move(
    tx: Tx,
    source: Sequence[Item],
    origin: Collection,
    target: Collection,
    names: Sequence[str | None] | None = None,
) -> list[Item]:
    """Moves to another collection under new uids; the bytes stay where they are (RFC 6851, DAV MOVE)."""
    if not source:
        return []
    size = sum(item.size for item in source)
    if target.owner != origin.owner:
        await keeping.keep(tx, origin, [item.uid for item in source])
    if target.owner != origin.owner or target.is_charged != origin.is_charged:
        await accounts.charge_in(tx, target, len(source), size)
        await accounts.charge_in(tx, origin, -len(source), -size)
    arrived = await _arrive(tx, source, target, names)
    if origin.kind == versions.KIND:
        await versions.follow(tx, list(zip(source, arrived, strict=True)))
    await items.leave(tx, origin, source)
    return arrived


async def _arrive(
    tx: Tx, source: Sequence[Item], target: Collection, names: Sequence[str | None] | None
) -> list[Item]:
    row = await tx.row(
        "UPDATE collection SET uid_next = uid_next + ?, modseq = modseq + 1, items = items + ?,"
        " bytes = bytes + ?, unseen = unseen + ? WHERE owner = ? AND id = ? RETURNING uid_next, modseq",
        len(source),
        len(source),
        sum(item.size for item in source),
        items.unseen_among(target, source),
        target.owner,
        target.id,
    )
    if row is None:
        raise NotFound()
    uid, modseq = row[0] - len(source), row[1]
    arrived = clock.now()
    made: list[Item] = []
    for place, item in enumerate(source):
        name = item.name if names is None else names[place]
        copied = Item(
            target.owner,
            target.id,
            uid + place,
            name,
            item.blob,
            item.size,
            item.content_type,
            modseq,
            item.created,
            arrived if target.kind == "mail" else item.modified,  # RFC 8514: when it came here
            item.flags,
            item.keywords,
        )
        await items.insert(tx, copied)
        made.append(copied)
    for table in INDEX_TABLES.get(target.kind, ()):
        columns = INDEX_COLUMNS[table]
        await tx.executemany(
            f"INSERT INTO {table} (owner, collection, uid, {columns})"
            f" SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), {columns} FROM {table}"
            " WHERE owner = ? AND collection = ? AND uid = ?",
            [
                (new.owner, new.collection, new.uid, old.owner, old.collection, old.uid)
                for old, new in zip(source, made, strict=True)
            ],
        )
    tx.changed(target.owner, target.id, modseq)
    return made
