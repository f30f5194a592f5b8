# SPDX-License-Identifier: Apache-2.0
"""Names without a mailbox: RFC 3501 §6.3.4, \\Noselect.

A mailbox that is deleted while others lie below it loses its messages and keeps its name. The name is a
collection marked in its data; it goes with the last one below it, or becomes a mailbox again.
"""

from __future__ import annotations

from armgs_server.errors import Conflict
from armgs_server.storage import clock, collections, items, trees
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

MARK = "noselect"
BATCH = 1000


def is_empty_name(collection: Collection) -> bool:
    """Whether it is a name only."""
    return MARK in collection.data


async def delete(tx: Tx, collection: Collection) -> None:
    """Deletes a mailbox, and names above it that are not needed any more. Conflict for one that is."""
    if await collections.children(tx, collection.owner, collection.id, collection.kind):
        if is_empty_name(collection):
            raise Conflict("there are mailboxes below it")
        await _empty(tx, collection)
        return
    await trees.delete(tx, collection)
    await prune(tx, collection.owner, collection.parent)


async def prune(tx: Tx, owner: int, above: int) -> None:
    """Lets go of names, from this one upwards, that have nothing below them."""
    while above:
        name = await collections.get(tx, owner, above)
        if not is_empty_name(name):
            return
        if await collections.children(tx, name.owner, name.id, name.kind):
            return
        above = name.parent
        await trees.delete(tx, name)


async def _empty(tx: Tx, collection: Collection) -> None:
    while page := await items.scan(tx, collection.owner, collection.id, limit=BATCH):
        await items.remove(tx, collection, [item.uid for item in page])
    data = {**collection.data, MARK: True}
    await collections.update(tx, collection, data=data, role="", subscribed=0)


async def revive(tx: Tx, collection: Collection, role: str, subscribed: int) -> Collection:
    """A mailbox of that name again, under a larger UIDVALIDITY (RFC 9051 §2.3.1.1)."""
    data = {name: value for name, value in collection.data.items() if name != MARK}
    made = await collections.update(tx, collection, data=data, role=role, subscribed=subscribed)
    await tx.execute(
        "UPDATE collection SET uid_validity = ? WHERE owner = ? AND id = ?",
        max(clock.now() // clock.SECOND + made.id, made.uid_validity + 1),
        made.owner,
        made.id,
    )
    return await collections.get(tx, made.owner, made.id)
