# SPDX-License-Identifier: Apache-2.0
"""Invitations to a calendar or an address book: who was asked, and what has become of it.

What an accepted one permits is a grant like any other (`directory.access`), and that grant alone counts; a
row only holds what a grant cannot: that nobody has answered yet, or has declined, and what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from armgs_server.storage import collections
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

# In the data of a collection that somebody was invited to: only then are there rows to read.
MARK = "shared"
NO_RESPONSE, ACCEPTED, DECLINED = "noresponse", "accepted", "declined"
_COLUMNS = "owner, collection, sharee, access, status, summary"


class Share(NamedTuple):
    """One row; `access` is read or read-write."""

    owner: int
    collection: int
    sharee: int
    access: str
    status: str
    summary: str


async def of(tx: Tx, owner: int, collection: int) -> list[Share]:
    """Everybody invited to a collection."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM share WHERE owner = ? AND collection = ? ORDER BY sharee", owner, collection
    )
    return [Share(*row) for row in rows]


async def of_sharee(tx: Tx, sharee: int) -> list[Share]:
    """Everything that somebody was invited to."""
    rows = await tx.rows(f"SELECT {_COLUMNS} FROM share WHERE sharee = ? ORDER BY owner, collection", sharee)
    return [Share(*row) for row in rows]


async def put(tx: Tx, share: Share) -> None:
    """Adds a row, or replaces the one for the same collection and person."""
    await tx.execute(
        f"INSERT INTO share ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, collection, sharee) DO UPDATE SET"
        " access = excluded.access, status = excluded.status, summary = excluded.summary",
        *share,
    )


async def remove(tx: Tx, collection: Collection, sharees: Sequence[int]) -> None:
    """Takes rows away; those that are not there count as well."""
    await tx.executemany(
        "DELETE FROM share WHERE owner = ? AND collection = ? AND sharee = ?",
        [(collection.owner, collection.id, sharee) for sharee in sharees],
    )


async def mark(tx: Tx, collection: Collection) -> None:
    """Says in the collection whether there are rows; a change of the collection, which its clients see."""
    data = {key: value for key, value in collection.data.items() if key != MARK}
    if await of(tx, collection.owner, collection.id):
        data[MARK] = True
    await collections.update(tx, collection, data=data)
