# SPDX-License-Identifier: Apache-2.0
"""Keys that sign ID tokens of OpenID Connect, as rows: functions of one transaction."""

from __future__ import annotations

from typing import NamedTuple

from armgs_server.storage.tx import Tx


class OAuthKey(NamedTuple):
    """`private` is PEM; it signs from `starts` on and is published until `ends` (0: it has no successor)."""

    id: str
    private: str
    created: int
    starts: int
    ends: int

    def __repr__(self) -> str:
        """Nothing secret: this may get into a log."""
        return f"OAuthKey({self.id})"


async def published(tx: Tx, now: int) -> list[OAuthKey]:
    """All that tokens may be signed by, or will be, in the order in which they sign."""
    rows = await tx.rows(
        "SELECT id, private, created, starts, ends FROM oauth_key WHERE ends = 0 OR ends > ?"
        " ORDER BY starts, id",
        now,
    )
    return [OAuthKey(*row) for row in rows]


async def add(tx: Tx, key: OAuthKey) -> None:
    """A new one."""
    await tx.execute(
        "INSERT INTO oauth_key (id, private, created, starts, ends) VALUES (?, ?, ?, ?, ?)", *key
    )


async def retire(tx: Tx, ends: int) -> int:
    """Those without a successor have one now: published until then; how many."""
    return await tx.execute("UPDATE oauth_key SET ends = ? WHERE ends = 0", ends)


async def remove_all(tx: Tx) -> int:
    """How many there were."""
    return await tx.execute("DELETE FROM oauth_key")


async def expire(tx: Tx, now: int) -> int:
    """Removes those whose last token is over; how many."""
    return await tx.execute("DELETE FROM oauth_key WHERE ends > 0 AND ends <= ?", now)
