# SPDX-License-Identifier: Apache-2.0
"""What became of mail under other domains, counted by day until it is reported to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

DAY = 24 * 60 * clock.MINUTE


class Counted(NamedTuple):
    """What is counted together."""

    domain: str
    day: int
    detail: str


async def add(tx: Tx, counts: Mapping[Counted, int]) -> None:
    """Adds to what is there."""
    await tx.executemany(
        "INSERT INTO dmarc_result (domain, day, detail, messages) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (domain, day, detail)"
        " DO UPDATE SET messages = dmarc_result.messages + excluded.messages",
        [(*key, count) for key, count in sorted(counts.items())],
    )


async def complete(tx: Tx, today: int, limit: int) -> list[tuple[str, int]]:
    """Domains and days that are over, the oldest first."""
    rows = await tx.rows(
        "SELECT domain, day FROM dmarc_result WHERE day < ?"
        " GROUP BY domain, day ORDER BY day, domain LIMIT ?",
        today,
        limit,
    )
    return [(domain, day) for domain, day in rows]


async def details(tx: Tx, domain: str, day: int, limit: int) -> list[tuple[str, int]]:
    """What was counted, the most frequent first."""
    rows = await tx.rows(
        "SELECT detail, messages FROM dmarc_result WHERE domain = ? AND day = ?"
        " ORDER BY messages DESC, detail LIMIT ?",
        domain,
        day,
        limit,
    )
    return [(detail, messages) for detail, messages in rows]


async def remove(tx: Tx, domain: str, day: int) -> int:
    """How many rows there were: nothing, where another process has reported them."""
    return await tx.execute("DELETE FROM dmarc_result WHERE domain = ? AND day = ?", domain, day)
