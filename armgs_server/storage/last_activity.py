# SPDX-License-Identifier: Apache-2.0
"""When somebody was last here to chat: from when to when (XEP-0012 §4, XEP-0133 §4.10)."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class LastActivity:
    """The session that ended last: when it began, and when it left."""

    came: int
    went: int


async def put(tx: Tx, owner: int, activity: LastActivity) -> None:
    """The last session of an owner has ended; nothing is kept of who has been deleted meanwhile."""
    if await tx.value("SELECT 1 FROM account WHERE owner = ?", owner) is None:
        return
    await tx.execute(
        "INSERT INTO last_activity (owner, came, went) VALUES (?, ?, ?)"
        " ON CONFLICT (owner) DO UPDATE SET came = excluded.came, went = excluded.went",
        owner,
        activity.came,
        activity.went,
    )


async def get(tx: Tx, owner: int) -> LastActivity | None:
    """None for who was never here."""
    row = await tx.row("SELECT came, went FROM last_activity WHERE owner = ?", owner)
    return LastActivity(*row) if row is not None else None
