# SPDX-License-Identifier: Apache-2.0
"""Hashes of passwords that somebody had, kept where the policy lets none be taken again, and only so many."""

from __future__ import annotations

from armgs_server.storage.tx import Tx


async def remember(tx: Tx, person: int, count: int) -> None:
    """Before it is replaced the password becomes a former one; `count` of them are kept."""
    if count > 0:
        await tx.execute(
            "UPDATE credential SET kind = 'former', name = CAST(created AS TEXT)"
            " WHERE principal = ? AND kind = 'argon2'",
            person,
        )
    await tx.execute(
        "DELETE FROM credential WHERE principal = ? AND kind = 'former' AND name NOT IN (SELECT name"
        " FROM credential WHERE principal = ? AND kind = 'former' ORDER BY created DESC LIMIT ?)",
        person,
        person,
        max(count, 0),
    )


async def last(tx: Tx, person: int, limit: int) -> list[str]:
    """Hashes of the password and of those before it, the newest first."""
    rows = await tx.rows(
        "SELECT value FROM credential WHERE principal = ? AND kind IN ('argon2', 'former')"
        " ORDER BY created DESC LIMIT ?",
        person,
        limit,
    )
    return [str(value) for (value,) in rows]
