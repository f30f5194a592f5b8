# SPDX-License-Identifier: Apache-2.0
"""Mailbox access keys (RFC 4467 §5): each person has one for each mailbox, made when it is first needed.

A key that is thrown away takes all URLs with it that were made with it.
"""

from __future__ import annotations

import secrets

from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

SIZE = 32  # RFC 4467 §5 asks for 128 bits at least


async def make(tx: Tx, person: int, mailbox: Collection) -> bytes:
    """The key, made where there is none."""
    await tx.execute(
        "INSERT INTO url_key (owner, mailbox_owner, collection, value) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (owner, mailbox_owner, collection) DO NOTHING",
        person,
        mailbox.owner,
        mailbox.id,
        secrets.token_bytes(SIZE),
    )
    found = await get(tx, person, mailbox)
    assert found is not None
    return found


async def get(tx: Tx, person: int, mailbox: Collection) -> bytes | None:
    """The key, where there is one."""
    found = await tx.value(
        "SELECT value FROM url_key WHERE owner = ? AND mailbox_owner = ? AND collection = ?",
        person,
        mailbox.owner,
        mailbox.id,
    )
    return None if found is None else bytes(found)


async def reset(tx: Tx, person: int, mailbox: Collection | None) -> None:
    """Throws away the person's key of a mailbox, or all of them."""
    if mailbox is None:
        await tx.execute("DELETE FROM url_key WHERE owner = ?", person)
    else:
        await tx.execute(
            "DELETE FROM url_key WHERE owner = ? AND mailbox_owner = ? AND collection = ?",
            person,
            mailbox.owner,
            mailbox.id,
        )
