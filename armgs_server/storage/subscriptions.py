# SPDX-License-Identifier: Apache-2.0
"""Mailbox names an owner is subscribed to although no such mailbox is there (RFC 3501 §6.3.6).

Mailboxes that exist carry their subscription themselves (`collection.subscribed`). A name whose mailbox
is deleted is kept here, until it is made again or unsubscribed.
"""

from __future__ import annotations

import json

from armgs_server.storage import documents
from armgs_server.storage.tx import Tx

DOCUMENT = "mail-subscriptions"
# Names that are kept; of more the oldest are forgotten.
MAX_NAMES = 1000


async def names(tx: Tx, owner: int) -> list[str]:
    """The names, the oldest first."""
    value = await documents.get(tx, owner, DOCUMENT)
    return [] if value is None else [str(name) for name in json.loads(value)]


async def add(tx: Tx, owner: int, name: str) -> None:
    """A subscribed mailbox was deleted."""
    kept = [each for each in await names(tx, owner) if each != name]
    await _put(tx, owner, [*kept, name][-MAX_NAMES:])


async def discard(tx: Tx, owner: int, name: str) -> bool:
    """The name was unsubscribed, or its mailbox is back; whether it was here."""
    before = await names(tx, owner)
    if name not in before:
        return False
    await _put(tx, owner, [each for each in before if each != name])
    return True


async def _put(tx: Tx, owner: int, kept: list[str]) -> None:
    if kept:
        await documents.put(tx, owner, DOCUMENT, json.dumps(kept, ensure_ascii=False).encode("utf-8"))
    else:
        await documents.delete(tx, owner, DOCUMENT)
