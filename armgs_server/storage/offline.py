# SPDX-License-Identifier: Apache-2.0
"""XEP-0160: messages that no session of their recipient took yet, in the order they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

# What is taken at once: far less than a client's connection may hold unsent.
PAGE_SIZE = 256 * 1024
PAGE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class OfflineMessage:
    """One waiting `<message/>`; `sent` is when the server received it."""

    id: int
    sent: int
    stanza: bytes


async def append(tx: Tx, owner: int, stanza: bytes, *, limit: int, sent: int = 0) -> bool:
    """Keeps one more; False when `limit` messages wait already."""
    if await count(tx, owner) >= limit:
        return False
    await tx.execute(
        "INSERT INTO offline (owner, id, sent, stanza) VALUES (?, ?, ?, ?)",
        owner,
        clock.unique_id(),
        sent or clock.now(),
        stanza,
    )
    return True


async def count(tx: Tx, owner: int) -> int:
    return int(await tx.value("SELECT COUNT(*) FROM offline WHERE owner = ?", owner))


async def waiting(tx: Tx, owner: int) -> list[OfflineMessage]:
    """All of them, in order; they stay."""
    rows = await tx.rows("SELECT id, sent, stanza FROM offline WHERE owner = ? ORDER BY id", owner)
    return [OfflineMessage(id_, sent, bytes(stanza)) for id_, sent, stanza in rows]


async def remove(tx: Tx, owner: int, ids: Sequence[int]) -> None:
    """Those need not be delivered any more."""
    await tx.executemany("DELETE FROM offline WHERE owner = ? AND id = ?", [(owner, id_) for id_ in ids])


async def take(tx: Tx, owner: int, size: int = PAGE_SIZE) -> list[OfflineMessage]:
    """Removes and returns the oldest ones: at most `size` octets, but at least one; [] when none waits."""
    rows = await tx.rows(
        "SELECT id, LENGTH(stanza) FROM offline WHERE owner = ? ORDER BY id LIMIT ?", owner, PAGE_LENGTH
    )
    last, total = 0, 0
    for id_, length in rows:
        total += length
        if last and total > size:
            break
        last = id_
    taken = await tx.rows(
        "DELETE FROM offline WHERE owner = ? AND id <= ? RETURNING id, sent, stanza", owner, last
    )
    return [OfflineMessage(id_, sent, bytes(stanza)) for id_, sent, stanza in sorted(taken)]
