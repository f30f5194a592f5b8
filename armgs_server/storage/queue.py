# SPDX-License-Identifier: Apache-2.0
"""Mail on its way to other domains: one row for each recipient, the message itself a counted blob.

Any number of workers may take from it: `claim` moves `next_attempt` of what it returns a lease into the
future, so nobody else takes it meanwhile, and a worker that dies gives it back when the lease is over.
A row leaves by `finish` only, in the transaction that records its outcome.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from armgs_server import trace_id
from armgs_server.storage import blobs, clock
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.tx import Row, Tx

# Published on the bus when something new waits.
TOPIC = "queue"
# `next_attempt` of what is held: it is not tried until somebody releases it.
HELD = 1 << 60
COLUMNS = (
    "owner, id, sender, recipient, domain, blob, created, next_attempt, attempts, expires, last_error, data"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient of one message. `data` holds what only SMTP knows (DSN parameters, SMTPUTF8 …)."""

    owner: int
    id: int
    sender: str
    recipient: str
    domain: str
    blob: bytes
    created: int
    next_attempt: int
    attempts: int
    expires: int
    last_error: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_held(self) -> bool:
        """Whether it waits for somebody to release it."""
        return self.next_attempt >= HELD


@dataclass(frozen=True, slots=True)
class Destination:
    """A recipient to enqueue: the address, the domain to look up, and SMTP's own data."""

    recipient: str
    domain: str
    data: Mapping[str, Any] = field(default_factory=dict)


async def enqueue(
    tx: Tx,
    ref: BlobRef,
    destinations: Sequence[Destination],
    *,
    owner: int,
    sender: str,
    now: int,
    lifetime: int,
    due: int | None = None,
) -> list[int]:
    """Adds a message for all its destinations; due now or at `due`, given up `lifetime` later; the ids.

    `data["id"]` is the id of what the message came by (trace_id), where that has one.
    """
    first = now if due is None else due
    expires = max(now, first if first < HELD else 0) + lifetime
    await blobs.retain(tx, ref, len(destinations))
    ids = [clock.unique_id() for _ in destinations]
    origin = {"id": trace_id.current()} if trace_id.has_begun() else {}
    await tx.executemany(
        f"INSERT INTO queue ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, '', ?)",
        [
            (
                owner,
                id_,
                sender,
                destination.recipient,
                destination.domain,
                ref.hash,
                now,
                first,
                expires,
                json.dumps({**origin, **destination.data}, ensure_ascii=False),
            )
            for id_, destination in zip(ids, destinations, strict=True)
        ],
    )
    tx.publish(TOPIC, b"")
    return ids


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Entry]:
    """Takes up to `limit` rows that are due, the longest waiting first; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE queue SET next_attempt = ? WHERE next_attempt <= ?"
        " AND (owner, id) IN (SELECT owner, id FROM queue WHERE next_attempt <= ?"
        " ORDER BY next_attempt LIMIT ?)"
        f" RETURNING {COLUMNS}",
        now + lease,
        now,
        now,
        limit,
    )
    return sorted((_entry(row) for row in rows), key=lambda entry: entry.id)


async def next_due(tx: Tx) -> int | None:
    """When the next row is due; None when the queue is empty."""
    value = await tx.value("SELECT MIN(next_attempt) FROM queue")
    return None if value is None else int(value)


async def postpone(tx: Tx, entry: Entry, next_attempt: int, error: str) -> None:
    """Gives a row back after an attempt that failed, to be tried at `next_attempt` unless it is held."""
    await tx.execute(
        f"UPDATE queue SET next_attempt = CASE WHEN next_attempt >= {HELD} THEN next_attempt ELSE ? END,"
        " attempts = attempts + 1, last_error = ? WHERE owner = ? AND id = ?",
        next_attempt,
        error,
        entry.owner,
        entry.id,
    )


async def annotate(tx: Tx, entry: Entry, data: Mapping[str, Any]) -> None:
    """Replaces SMTP's own data of a row."""
    await tx.execute(
        "UPDATE queue SET data = ? WHERE owner = ? AND id = ?",
        json.dumps(dict(data), ensure_ascii=False),
        entry.owner,
        entry.id,
    )


async def give_back(tx: Tx, entries: Iterable[Entry], next_attempt: int) -> None:
    """Gives rows back that were not tried at all; what somebody holds meanwhile stays held."""
    await tx.executemany(
        f"UPDATE queue SET next_attempt = ? WHERE owner = ? AND id = ? AND next_attempt < {HELD}",
        [(next_attempt, entry.owner, entry.id) for entry in entries],
    )


async def finish(tx: Tx, entries: Iterable[Entry]) -> None:
    """Removes rows whose message is delivered or returned; a row already gone stays gone."""
    for entry in entries:
        gone = await tx.execute("DELETE FROM queue WHERE owner = ? AND id = ?", entry.owner, entry.id)
        if gone:
            await blobs.release(tx, [entry.blob])


async def withdraw(tx: Tx, owner: int, id_: int, due: int) -> int:
    """Removes a row that nobody has tried yet; how many."""
    rows = await tx.rows(
        "DELETE FROM queue WHERE owner = ? AND id = ? AND attempts = 0 AND next_attempt = ? RETURNING blob",
        *(owner, id_, due),
    )
    await blobs.release(tx, [row[0] for row in rows])
    return len(rows)


async def hold(tx: Tx, entries: Iterable[Entry]) -> None:
    """Rows are not tried until they are released. One being sent just now may still be delivered."""
    await _move(tx, entries, HELD)


async def retry(tx: Tx, entries: Sequence[Entry], now: int, lifetime: int) -> None:
    """Rows are tried at once, held or not, and have at least `lifetime` from now on."""
    await _move(tx, entries, now)
    await tx.executemany(
        "UPDATE queue SET expires = ? WHERE owner = ? AND id = ? AND expires < ?",
        [(now + lifetime, entry.owner, entry.id, now + lifetime) for entry in entries],
    )
    tx.publish(TOPIC, b"")


async def scan(
    tx: Tx, *, recipient: str = "", sender: str = "", domain: str = "", limit: int = 1000
) -> list[Entry]:
    """What waits, the oldest first; all of it, or that of one recipient, sender or domain."""
    conditions: list[str] = []
    values: list[str] = []
    for column, value in (("recipient", recipient), ("sender", sender), ("domain", domain)):
        if value:
            conditions.append(f"{column} = ?")
            values.append(value)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = await tx.rows(f"SELECT {COLUMNS} FROM queue{where} ORDER BY id LIMIT ?", *values, limit)
    return [_entry(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Recipients that wait in all, those of them that are held, since when the oldest of the others does."""

    count: int
    held: int
    oldest: int  # 0 = none


async def waiting(tx: Tx) -> Waiting:
    """The queue as a whole."""
    row = await tx.row(
        "SELECT COUNT(*), COUNT(CASE WHEN next_attempt >= ? THEN 1 END),"
        " COALESCE(MIN(CASE WHEN next_attempt < ? THEN created END), 0) FROM queue",
        HELD,
        HELD,
    )
    assert row is not None, "an aggregate has a row"
    return Waiting(*row)


async def get(tx: Tx, id_: int) -> Entry | None:
    """One row by its number."""
    row = await tx.row(f"SELECT {COLUMNS} FROM queue WHERE id = ?", id_)
    return _entry(row) if row is not None else None


async def find(tx: Tx, recipient: str, blob: bytes) -> Entry | None:
    """The last row of a message to a recipient."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM queue WHERE recipient = ? AND blob = ? ORDER BY id DESC LIMIT 1",
        recipient,
        blob,
    )
    return _entry(row) if row is not None else None


async def release_expired(tx: Tx, now: int) -> int:
    """What was held for a moderator until its time was over is tried, which ends it; how many.

    What an administrator holds is held until it is released.
    """
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM queue WHERE next_attempt >= ? AND expires <= ? LIMIT 1000", HELD, now
    )
    over = [entry for entry in map(_entry, rows) if "list" in entry.data]
    await _move(tx, over, now)
    if over:
        tx.publish(TOPIC, b"")
    return len(over)


async def _move(tx: Tx, entries: Iterable[Entry], next_attempt: int) -> None:
    await tx.executemany(
        "UPDATE queue SET next_attempt = ? WHERE owner = ? AND id = ?",
        [(next_attempt, entry.owner, entry.id) for entry in entries],
    )


async def remove_of(tx: Tx, owner: int) -> None:
    """Drops everything a deleted owner still had to send."""
    rows = await tx.rows("DELETE FROM queue WHERE owner = ? RETURNING blob", owner)
    await blobs.release(tx, [row[0] for row in rows])


def _entry(row: Row) -> Entry:
    values: list[Any] = [*row[:-1], json.loads(row[-1])]
    return Entry(*values)
