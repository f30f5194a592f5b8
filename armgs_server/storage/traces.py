# SPDX-License-Identifier: Apache-2.0
"""What an owner's mail rules have done lately: whom they have answered, which messages they have seen
(RFC 5230 §4.2, RFC 7352), how often they have sent something today. Each trace has an end."""

from __future__ import annotations

from armgs_server.storage.tx import Tx


async def is_there(tx: Tx, owner: int, kind: str, key: str, now: int) -> bool:
    """Whether the trace was left and has not ended."""
    found = await tx.value(
        "SELECT 1 FROM sieve_trace WHERE owner = ? AND kind = ? AND key = ? AND expires > ?",
        owner,
        kind,
        key,
        now,
    )
    return found is not None


async def leave(
    tx: Tx, owner: int, kind: str, key: str, expires: int, now: int, *, again: bool = False
) -> bool:
    """Whether the trace is new; one that is there keeps its end, unless `again`."""
    sql = (
        "INSERT INTO sieve_trace (owner, kind, key, expires) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (owner, kind, key) DO UPDATE SET expires = excluded.expires"
    )
    if again:
        return await tx.execute(sql, owner, kind, key, expires) > 0
    return await tx.execute(sql + " WHERE sieve_trace.expires <= ?", owner, kind, key, expires, now) > 0


async def count(tx: Tx, owner: int, kind: str, now: int, limit: int) -> int:
    """Traces of a kind that have not ended; counted no further than to `limit`."""
    rows = await tx.rows(
        "SELECT 1 FROM sieve_trace WHERE owner = ? AND kind = ? AND expires > ? LIMIT ?",
        owner,
        kind,
        now,
        limit,
    )
    return len(rows)


async def expire(tx: Tx, now: int) -> int:
    """Removes those that have ended; how many."""
    return await tx.execute("DELETE FROM sieve_trace WHERE expires <= ?", now)
