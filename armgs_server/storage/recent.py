# SPDX-License-Identifier: Apache-2.0
"""\\Recent (RFC 3501 §2.3.2): how far clients that changed a mailbox have been told of its messages.

A message from the boundary on has been told to nobody; who claims it, has it as \\Recent, and nobody else.
"""

from __future__ import annotations

from armgs_server.storage.tx import Tx


async def boundary(tx: Tx, owner: int, collection: int) -> int:
    """The smallest uid that nobody has claimed."""
    uid = await tx.value("SELECT uid FROM recent WHERE owner = ? AND collection = ?", owner, collection)
    return 1 if uid is None else int(uid)


async def claim(tx: Tx, owner: int, collection: int, end: int) -> int:
    """Claims all uids below `end`; those from the returned one on are the claimer's."""
    first = await boundary(tx, owner, collection)
    if first < end:
        await tx.execute(
            "INSERT INTO recent (owner, collection, uid) VALUES (?, ?, ?)"
            " ON CONFLICT (owner, collection) DO UPDATE SET uid = excluded.uid",
            owner,
            collection,
            end,
        )
    return first


async def count(tx: Tx, owner: int, collection: int) -> int:
    """Messages that nobody has claimed."""
    found: int = await tx.value(
        "SELECT COUNT(*) FROM item WHERE owner = ? AND collection = ? AND uid >= ?",
        owner,
        collection,
        await boundary(tx, owner, collection),
    )
    return found
