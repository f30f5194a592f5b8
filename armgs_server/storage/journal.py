# SPDX-License-Identifier: Apache-2.0
"""The journal of a department's mail: every message that its people send or get, as a chain.

An entry's hash is over the hash before it and all that the entry says, its message included; so none can be
changed or taken out without all that follow saying so. The journal only grows; its messages are the blobs
of the mailboxes, kept whatever happens there. Quotas do not count it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from armgs_server.storage import accounts, blobs, clock
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.tx import Tx

_COLUMNS = "owner, id, moment, sender, recipients, blob, size, hash"
NO_HASH = bytes(32)


class Entry(NamedTuple):
    """One message. `recipients`: a JSON array of forward-paths."""

    owner: int
    id: int
    moment: int
    sender: str
    recipients: str
    blob: bytes
    size: int
    hash: bytes

    def link(self, previous: bytes) -> bytes:
        """What its hash must be after another's."""
        said = [self.owner, self.id, self.moment, self.sender, self.recipients, self.blob.hex(), self.size]
        return hashlib.sha256(previous + json.dumps(said).encode()).digest()


async def append(tx: Tx, owner: int, ref: BlobRef, sender: str, recipients: Sequence[str]) -> None:
    """A message that the store takes in the same transaction."""
    await accounts.hold(tx, [owner])
    row = await tx.row("SELECT id, hash FROM journal WHERE owner = ? ORDER BY id DESC LIMIT 1", owner)
    last, previous = (0, NO_HASH) if row is None else (int(row[0]), bytes(row[1]))
    paths = json.dumps(recipients, ensure_ascii=False)
    entry = Entry(owner, last + 1, clock.now(), sender, paths, ref.hash, ref.size, b"")
    await blobs.retain(tx, ref)
    await tx.execute(
        f"INSERT INTO journal ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *entry[:-1], entry.link(previous)
    )


async def page(
    tx: Tx, owner: int, after: int = 0, limit: int = 500, *, since: int = 0, to: int = (1 << 63) - 1
) -> list[Entry]:
    """Entries in their order."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM journal WHERE owner = ? AND id > ? AND moment >= ? AND moment < ?"
        " ORDER BY id LIMIT ?",
        owner,
        after,
        since,
        to,
        limit,
    )
    return list(map(Entry._make, rows))


async def hash_before(tx: Tx, owner: int, id_: int) -> bytes:
    """The hash that an entry follows."""
    found = await tx.value("SELECT hash FROM journal WHERE owner = ? AND id = ?", owner, id_ - 1)
    return NO_HASH if found is None else bytes(found)


def first_broken(entries: Sequence[Entry], previous: bytes, expected: int) -> Entry | None:
    """The first entry that does not follow from the one before it."""
    for entry in entries:
        if entry.id != expected or entry.hash != entry.link(previous):
            return entry
        previous, expected = entry.hash, expected + 1
    return None
