# SPDX-License-Identifier: Apache-2.0
"""How TLS with other domains' mail servers went, counted by day until it is reported (RFC 8460)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from armgs_server.storage.tx import Tx

# A domain's counts are dropped unreported after this many days.
KEPT_DAYS = 3


@dataclass(frozen=True, slots=True)
class Observed:
    """One way in which sessions with a host went. `kind` is a result type of §4.3, or "" for success."""

    day: int  # since 1970, UTC
    domain: str
    policy: str  # sts tlsa
    host: str
    kind: str


async def add(tx: Tx, counts: Mapping[Observed, int]) -> None:
    """Adds sessions to those that were counted before."""
    await tx.executemany(
        "INSERT INTO tls_result (domain, day, policy, host, kind, sessions) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (domain, day, policy, host, kind) DO UPDATE"
        " SET sessions = tls_result.sessions + excluded.sessions",
        [(each.domain, each.day, each.policy, each.host, each.kind, count) for each, count in counts.items()],
    )


async def days_before(tx: Tx, today: int) -> list[tuple[str, int]]:
    """Domains and days that are over and not reported."""
    rows = await tx.rows("SELECT DISTINCT domain, day FROM tls_result WHERE day < ? ORDER BY 1, 2", today)
    return [(row[0], int(row[1])) for row in rows]


async def of_day(tx: Tx, domain: str, day: int) -> dict[Observed, int]:
    """What was counted for a domain on a day."""
    rows = await tx.rows(
        "SELECT policy, host, kind, sessions FROM tls_result WHERE domain = ? AND day = ? ORDER BY 1, 2, 3",
        domain,
        day,
    )
    return {Observed(day, domain, row[0], row[1], row[2]): int(row[3]) for row in rows}


async def finish(tx: Tx, domain: str, day: int) -> bool:
    """Forgets a day; False when another process has done so, and reported it."""
    return await tx.execute("DELETE FROM tls_result WHERE domain = ? AND day = ?", domain, day) > 0
