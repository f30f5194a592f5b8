# SPDX-License-Identifier: Apache-2.0
"""MTA-STS policies of other domains, kept as long as they say (RFC 8461 §5.1), as texts."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A policy as it was fetched. `identity` is what the domain's record called it then."""

    domain: str
    identity: str
    text: str
    expires: int


async def get(tx: Tx, domain: str, now: int) -> KeptPolicy | None:
    """The policy that holds for a domain now."""
    row = await tx.row(
        "SELECT domain, identity, text, expires FROM sts_policy WHERE domain = ? AND expires > ?", domain, now
    )
    return KeptPolicy(*row) if row is not None else None


async def put(tx: Tx, policy: KeptPolicy) -> None:
    """Keeps a policy in place of an older one."""
    await tx.execute(
        "INSERT INTO sts_policy (domain, identity, text, expires) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (domain) DO UPDATE SET identity = excluded.identity, text = excluded.text,"
        " expires = excluded.expires",
        policy.domain,
        policy.identity,
        policy.text,
        policy.expires,
    )


async def expire(tx: Tx, now: int) -> int:
    """Forgets what holds no more; how many."""
    return await tx.execute("DELETE FROM sts_policy WHERE expires <= ?", now)
