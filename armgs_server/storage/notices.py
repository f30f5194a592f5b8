# SPDX-License-Identifier: Apache-2.0
"""Short texts of the server for somebody's chat, until whoever speaks it has sent them (RFC 5437).

Written in the transaction of what they tell of; taken by lease, as the mail queue is.
"""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server import trace_id
from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

# Published on the bus when something new waits.
TOPIC = "notices"


@dataclass(frozen=True, slots=True)
class Notice:
    """One text, in whose name and for which address (both mail address and JID).

    `trace`: the id of what it tells of (trace_id).
    """

    owner: int
    id: int
    recipient: str
    subject: str
    text: str
    trace: str


async def add(tx: Tx, owner: int, recipient: str, subject: str, text: str, now: int) -> None:
    """Sent as soon as somebody takes it."""
    await tx.execute(
        "INSERT INTO notice (owner, id, recipient, subject, text, due, trace) VALUES (?, ?, ?, ?, ?, ?, ?)",
        owner,
        clock.unique_id(),
        recipient,
        subject,
        text,
        now,
        trace_id.current(),
    )
    tx.publish(TOPIC, b"")


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Notice]:
    """Takes up to `limit` of them; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE notice SET due = ? WHERE due <= ?"
        " AND (owner, id) IN (SELECT owner, id FROM notice WHERE due <= ? ORDER BY due LIMIT ?)"
        " RETURNING owner, id, recipient, subject, text, trace",
        now + lease,
        now,
        now,
        limit,
    )
    return sorted((Notice(*row) for row in rows), key=lambda notice: notice.id)


async def finish(tx: Tx, notice: Notice) -> None:
    """It is sent; one already gone stays gone."""
    await tx.execute("DELETE FROM notice WHERE owner = ? AND id = ?", notice.owner, notice.id)
