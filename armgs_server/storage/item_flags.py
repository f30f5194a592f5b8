# SPDX-License-Identifier: Apache-2.0
"""Flags and keywords of items (RFC 9051 §2.3.2); a mailbox counts what is unseen along with them."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.storage import collections, items
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx


async def set_flags(tx: Tx, collection: Collection, changes: Sequence[tuple[int, int, str]]) -> int:
    """Sets `(uid, flags, keywords)`, all under one new modseq, which it returns."""
    owner, number = collection.owner, collection.id
    modseq = await collections.bump(tx, owner, number)
    before = await _seen_among(tx, collection, [uid for uid, _, _ in changes])
    await tx.executemany(
        "UPDATE item SET flags = ?, keywords = ?, modseq = ? WHERE owner = ? AND collection = ? AND uid = ?",
        [(flags, keywords, modseq, owner, number, uid) for uid, flags, keywords in changes],
    )
    after = await _seen_among(tx, collection, [uid for uid, _, _ in changes])
    if before != after:
        await items.count(tx, collection, 0, 0, before - after)
    return modseq


async def _seen_among(tx: Tx, collection: Collection, uids: Sequence[int]) -> int:
    if collection.kind != "mail":
        return 0
    seen = 0
    for part in items.parts(uids):
        seen += await tx.value(
            "SELECT COUNT(*) FROM item WHERE owner = ? AND collection = ?"
            f" AND uid IN ({items.places(part)}) AND (flags & 1) = 1",
            collection.owner,
            collection.id,
            *part,
        )
    return seen
