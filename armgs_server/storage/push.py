# SPDX-License-Identifier: Apache-2.0
"""XEP-0357: which push services a person has notified, each with its node and the session that asked."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class Registration:
    """One device, mostly; `options` is a form for the service, as it came, empty for none."""

    service: str
    node: str
    resource: str
    options: bytes
    created: int = 0


async def put(tx: Tx, owner: int, registration: Registration) -> None:
    """Adds one; the last request holds for the same service and node."""
    await tx.execute(
        "INSERT INTO push (owner, service, node, resource, options, created) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, service, node)"
        " DO UPDATE SET resource = excluded.resource, options = excluded.options",
        owner,
        registration.service,
        registration.node,
        registration.resource,
        registration.options,
        registration.created or clock.now(),
    )


async def remove(tx: Tx, owner: int, service: str, node: str | None = None) -> int:
    """One of them, or all at that service; how many."""
    if node is None:
        return await tx.execute("DELETE FROM push WHERE owner = ? AND service = ?", owner, service)
    return await tx.execute(
        "DELETE FROM push WHERE owner = ? AND service = ? AND node = ?", owner, service, node
    )


async def of(tx: Tx, owner: int) -> tuple[Registration, ...]:
    """All of somebody's, the oldest first."""
    rows = await tx.rows(
        "SELECT service, node, resource, options, created FROM push WHERE owner = ? ORDER BY created", owner
    )
    return tuple(
        Registration(service, node, resource, bytes(options), created)
        for service, node, resource, options, created in rows
    )
