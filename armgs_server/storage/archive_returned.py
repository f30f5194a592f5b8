# SPDX-License-Identifier: Apache-2.0
"""Archived chat that comes back from a backup, under the ids that it had: who knows one finds it again."""

from __future__ import annotations

from collections.abc import Sequence

from armgs_server.storage import fulltext
from armgs_server.storage.fulltext import CHAT
from armgs_server.storage.items import places
from armgs_server.storage.tx import Row, Tx

_COLUMNS = "id, peer, resource, sent, stanza_id, stanza"


async def page(tx: Tx, owner: int, after: int, limit: int) -> list[Row]:
    """Rows as `put` takes them, in the order of ids."""
    return await tx.rows(
        f"SELECT {_COLUMNS} FROM archive WHERE owner = ? AND id > ? ORDER BY id LIMIT ?", owner, after, limit
    )


async def missing(tx: Tx, owner: int, rows: Sequence[Row]) -> list[Row]:
    """Those that are not in the archive."""
    found = await tx.rows(
        f"SELECT id FROM archive WHERE owner = ? AND id IN ({places([0] * len(rows))})",
        owner,
        *(row[0] for row in rows),
    )
    there = {row[0] for row in found}
    return [row for row in rows if row[0] not in there]


async def put(tx: Tx, owner: int, rows: Sequence[Row]) -> None:
    """Adds rows that are missing; their words are read again, with all that came after them."""
    await tx.executemany(
        f"INSERT INTO archive (owner, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(owner, *row) for row in rows],
    )
    first, last = min(row[0] for row in rows), max(row[0] for row in rows)
    if await fulltext.end(tx, owner, CHAT) >= first:
        await fulltext.begin(tx, owner, CHAT)
        await fulltext.advance(tx, owner, CHAT, first - 1)
    # PostgreSQL draws the next id above this one.
    await tx.execute(
        "INSERT INTO archive_end (owner, last) VALUES (?, ?) ON CONFLICT (owner)"
        " DO UPDATE SET last = excluded.last WHERE archive_end.last < excluded.last",
        owner,
        last,
    )
