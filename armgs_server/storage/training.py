# SPDX-License-Identifier: Apache-2.0
"""Messages that people have called junk, or not junk, until the filter has learned them.

Written in the transaction that moves or marks them; taken by lease, as the queue is: a process that dies
gives its rows back when the lease is over. The bytes stay while a row names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from armgs_server.storage import blobs, clock
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

# Published on the bus when something new waits.
TOPIC = "training"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One message of one owner."""

    owner: int
    blob: bytes
    is_spam: bool
    created: int


def lesson_of_move(origin: Collection, target: Collection) -> bool | None:
    """Whether a message that goes there is spam, is none, or teaches nothing."""
    if target.role == "junk":
        return True if origin.role != "junk" else None
    return False if origin.role == "junk" and target.role != "trash" else None


def lesson_of_keywords(keywords: Iterable[str]) -> bool | None:
    """$Junk and $NotJunk (registered for IMAP); both at once say nothing."""
    said = {keyword.lower() for keyword in keywords} & {"$junk", "$notjunk"}
    return "$junk" in said if len(said) == 1 else None


async def add(tx: Tx, owner: int, digests: Sequence[bytes], *, is_spam: bool) -> None:
    """The last word of the owner on a message counts."""
    now = clock.now()
    for digest in dict.fromkeys(digests):
        changed = await tx.execute(
            "UPDATE training SET spam = ?, created = ?, due = ? WHERE owner = ? AND blob = ?",
            int(is_spam),
            now,
            now,
            owner,
            digest,
        )
        if not changed:
            await blobs.retain_existing(tx, [digest])
            await tx.execute(
                "INSERT INTO training (owner, blob, spam, created, due) VALUES (?, ?, ?, ?, ?)",
                owner,
                digest,
                int(is_spam),
                now,
                now,
            )
    tx.publish(TOPIC, b"")


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Lesson]:
    """Takes up to `limit` rows; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE training SET due = ? WHERE due <= ?"
        " AND (owner, blob) IN (SELECT owner, blob FROM training WHERE due <= ? ORDER BY due LIMIT ?)"
        " RETURNING owner, blob, spam, created",
        now + lease,
        now,
        now,
        limit,
    )
    return [Lesson(owner, bytes(blob), bool(spam), created) for owner, blob, spam, created in rows]


async def finish(tx: Tx, lessons: Iterable[Lesson]) -> None:
    """Removes rows that are learned; one that was written anew meanwhile stays for its new word."""
    for lesson in lessons:
        gone = await tx.execute(
            "DELETE FROM training WHERE owner = ? AND blob = ? AND created = ?",
            lesson.owner,
            lesson.blob,
            lesson.created,
        )
        if gone:
            await blobs.release(tx, [lesson.blob])


async def postpone(tx: Tx, lessons: Iterable[Lesson], due: int) -> None:
    """Gives rows back until then."""
    await tx.executemany(
        "UPDATE training SET due = ? WHERE owner = ? AND blob = ?",
        [(due, lesson.owner, lesson.blob) for lesson in lessons],
    )


async def remove_of(tx: Tx, owner: int) -> None:
    """Drops what waits of a deleted owner."""
    rows = await tx.rows("DELETE FROM training WHERE owner = ? RETURNING blob", owner)
    await blobs.release(tx, [bytes(row[0]) for row in rows])
