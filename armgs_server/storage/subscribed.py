# SPDX-License-Identifier: Apache-2.0
"""Calendars that are copies of one on the web: when each is to be fetched again.

As with the queue, whoever takes a row moves it a lease into the future, so that one process fetches it, and
another one does should that one die.
"""

from __future__ import annotations

from typing import NamedTuple

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

KIND = "subscribed"
# Published on the bus when there is a new one.
TOPIC = "subscribed"
_COLUMNS = "owner, collection, due, failures, etag, error"


class Subscription(NamedTuple):
    """One row of `subscription`; `etag` and `error` are of the last time."""

    owner: int
    collection: int
    due: int
    failures: int
    etag: str
    error: str


async def add(tx: Tx, owner: int, collection: int) -> None:
    """A new one, to be fetched at once."""
    await tx.execute(
        f"INSERT INTO subscription ({_COLUMNS}) VALUES (?, ?, ?, 0, '', '')", owner, collection, clock.now()
    )
    tx.publish(TOPIC, b"")


async def get(tx: Tx, owner: int, collection: int) -> Subscription | None:
    """Of one calendar."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM subscription WHERE owner = ? AND collection = ?", owner, collection
    )
    return None if row is None else Subscription(*row)


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Subscription]:
    """Takes up to `limit` that are due; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE subscription SET due = ? WHERE due <= ? AND (owner, collection) IN"
        " (SELECT owner, collection FROM subscription WHERE due <= ? ORDER BY due LIMIT ?)"
        f" RETURNING {_COLUMNS}",
        *(now + lease, now, now, limit),
    )
    return list(map(Subscription._make, rows))


async def fetched(tx: Tx, taken: Subscription, due: int, etag: str) -> None:
    """It is up to date."""
    await _put(tx, taken, due, 0, etag, "")


async def failed(tx: Tx, taken: Subscription, due: int, error: str) -> None:
    """It stays as it is until then."""
    await _put(tx, taken, due, taken.failures + 1, taken.etag, error[:200])


async def next_due(tx: Tx) -> int | None:
    """When the next one is."""
    value = await tx.value("SELECT MIN(due) FROM subscription")
    return None if value is None else int(value)


async def _put(tx: Tx, taken: Subscription, due: int, failures: int, etag: str, error: str) -> None:
    await tx.execute(
        "UPDATE subscription SET due = ?, failures = ?, etag = ?, error = ? WHERE owner = ?"
        " AND collection = ? AND due = ?",
        *(due, failures, etag, error, taken.owner, taken.collection, taken.due),
    )
