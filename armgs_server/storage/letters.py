# SPDX-License-Identifier: Apache-2.0
"""Short texts of the server for somebody's mailbox, until whoever speaks mail has placed them.

Written in the transaction of what they tell of; taken by lease, as the notices for chat are
(storage.notices).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

# Published on the bus when something new waits.
TOPIC: Final = "letters"


@dataclass(frozen=True, slots=True)
class Letter:
    """One text for `owner`, from `author`; the Message-IDs stand in angle brackets, or are ""."""

    owner: int
    author: str
    subject: str
    text: str
    message_id: str = ""
    in_reply_to: str = ""
    id: int = 0  # given when it is added


_COLUMNS: Final = "owner, author, subject, text, message_id, in_reply_to, id"


async def add(tx: Tx, letter: Letter, now: int) -> None:
    """Placed as soon as somebody takes it."""
    await tx.execute(
        f"INSERT INTO letter ({_COLUMNS}, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        letter.owner,
        letter.author,
        letter.subject,
        letter.text,
        letter.message_id,
        letter.in_reply_to,
        clock.unique_id(),
        now,
    )
    tx.publish(TOPIC, b"")


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Letter]:
    """Takes up to `limit` of them; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE letter SET due = ? WHERE due <= ?"
        " AND (owner, id) IN (SELECT owner, id FROM letter WHERE due <= ? ORDER BY due LIMIT ?)"
        f" RETURNING {_COLUMNS}",
        now + lease,
        now,
        now,
        limit,
    )
    return sorted((Letter(*row) for row in rows), key=lambda letter: letter.id)


async def finish(tx: Tx, letter: Letter) -> bool:
    """Whether it was there still: who takes it out places it."""
    return await tx.execute("DELETE FROM letter WHERE owner = ? AND id = ?", letter.owner, letter.id) > 0
