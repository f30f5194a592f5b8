# SPDX-License-Identifier: Apache-2.0
"""Mail with a calendar part that has come from elsewhere, until the calendars have looked at it (RFC 6047).

SMTP writes a row in the transaction that delivers the message; whoever runs the calendars takes the rows by
lease, as with the queue: one that dies gives them back when the lease is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from armgs_server import trace_id
from armgs_server.formats.mime import MessageIndex
from armgs_server.storage import blobs, clock
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.tx import Tx

# Published on the bus when something new waits.
TOPIC = "invitations"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message for one owner; `trace`: the message's id (trace_id)."""

    owner: int
    id: int
    blob: bytes
    trace: str


def is_one(index: MessageIndex) -> bool:
    """Whether a message has a calendar part."""
    return b'"calendar"' in index.bodystructure.lower()


async def add(tx: Tx, owners: Iterable[int], ref: BlobRef) -> None:
    """For each of these owners."""
    rows = [(owner, clock.unique_id(), ref.hash, clock.now(), trace_id.current()) for owner in owners]
    if rows:
        await blobs.retain(tx, ref, len(rows))
        await tx.executemany(
            "INSERT INTO invitation (owner, id, blob, due, trace) VALUES (?, ?, ?, ?, ?)", rows
        )
        tx.publish(TOPIC, b"")


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Waiting]:
    """Takes up to `limit` rows; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE invitation SET due = ? WHERE due <= ?"
        " AND (owner, id) IN (SELECT owner, id FROM invitation WHERE due <= ? ORDER BY due LIMIT ?)"
        " RETURNING owner, id, blob, trace",
        now + lease,
        now,
        now,
        limit,
    )
    return sorted((Waiting(*row) for row in rows), key=lambda waiting: waiting.id)


async def finish(tx: Tx, waiting: Waiting) -> None:
    """Removes a row that is dealt with; one already gone stays gone."""
    gone = await tx.execute("DELETE FROM invitation WHERE owner = ? AND id = ?", waiting.owner, waiting.id)
    if gone:
        await blobs.release(tx, [waiting.blob])


async def remove_of(tx: Tx, owner: int) -> None:
    """Drops what waits for a deleted owner."""
    rows = await tx.rows("DELETE FROM invitation WHERE owner = ? RETURNING blob", owner)
    await blobs.release(tx, [row[0] for row in rows])
