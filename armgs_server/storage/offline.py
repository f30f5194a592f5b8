# SPDX-License-Identifier: Apache-2.0
"""XEP-0160: messages that no session of their recipient took yet, in the order they came."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx


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


async def take(tx: Tx, owner: int) -> list[OfflineMessage]:
    """Removes and returns all of them."""
    rows = await tx.rows("DELETE FROM offline WHERE owner = ? RETURNING id, sent, stanza", owner)
    return [OfflineMessage(id_, sent, bytes(stanza)) for id_, sent, stanza in sorted(rows)]
