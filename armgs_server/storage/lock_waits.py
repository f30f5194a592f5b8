# SPDX-License-Identifier: Apache-2.0
"""Who was refused a lock on an item, and is told in chat when it is free (storage.notices).

One row for each item and person; it goes when that person gets the lock, and with the item.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from armgs_server.storage import clock, notices
from armgs_server.storage.tx import Tx


@dataclass(frozen=True, slots=True)
class Wait:
    """`recipient` is told `text`, under `subject`."""

    owner: int
    collection: int
    uid: int
    person: int
    recipient: str
    subject: str
    text: str


async def add(tx: Tx, wait: Wait) -> bool:
    """Whether the person was not waiting already."""
    touched = await tx.execute(
        "INSERT INTO lock_wait (owner, collection, uid, person, recipient, subject, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, collection, uid, person) DO NOTHING",
        wait.owner,
        wait.collection,
        wait.uid,
        wait.person,
        wait.recipient,
        wait.subject,
        wait.text,
    )
    return touched > 0


async def done(tx: Tx, owner: int, collection: int, uid: int, person: int) -> None:
    """The person has the lock now."""
    await tx.execute(
        "DELETE FROM lock_wait WHERE owner = ? AND collection = ? AND uid = ? AND person = ?",
        *(owner, collection, uid, person),
    )


async def free(tx: Tx, owner: int, collection: int, uid: int) -> None:
    """A lock on the item is gone: where it was the last one, whoever waits is told."""
    key = owner, collection, uid
    held = "SELECT 1 FROM lock WHERE owner = ? AND collection = ? AND uid = ? AND expires > ? LIMIT 1"
    now = clock.now()
    if await tx.value(held, *key, now) is not None:
        return
    rows = await tx.rows(
        "DELETE FROM lock_wait WHERE owner = ? AND collection = ? AND uid = ?"
        " RETURNING person, recipient, subject, text",
        *key,
    )
    for person, recipient, subject, text in sorted(rows):
        await notices.add(tx, person, recipient, subject, text, now)


async def remove(tx: Tx, owner: int, collection: int, uids: Iterable[int]) -> None:
    """The items are no more."""
    await tx.executemany(
        "DELETE FROM lock_wait WHERE owner = ? AND collection = ? AND uid = ?",
        [(owner, collection, uid) for uid in uids],
    )
