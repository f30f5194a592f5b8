# SPDX-License-Identifier: Apache-2.0
"""What was deleted from an owner's files: kept in `.trash` at their root, a folder for each day.

It is an ordinary folder: listed, counted in the quota, restored from by moving, emptied by deleting. What
is deleted inside it is gone. A day's folder is removed when it is older than the days it is kept.
A folder that comes here is shared with nobody any more.
"""

from __future__ import annotations

from datetime import UTC, datetime

from armgs_server.storage import clock, collections, free_names, locks, transfer, trees
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

NAME = ".trash"
KIND = "files"
BATCH = 100


def is_inside(chain: tuple[Collection, ...]) -> bool:
    """Whether a collection, the last of its chain, is the trash or lies in it."""
    return len(chain) > 1 and chain[1].name == NAME


async def throw_item(tx: Tx, source: Collection, item: Item) -> None:
    """A file into today's folder; its properties go along, its locks do not."""
    day = await _today(tx, source.owner)
    name = await free_names.find(tx, day, item.name or "")
    await transfer.move(tx, [item], source, day, [name])


async def throw_tree(tx: Tx, source: Collection) -> None:
    """A folder with everything in it; one that is empty is not worth keeping."""
    if not source.items and not await collections.children(tx, source.owner, source.id, source.kind):
        await trees.delete(tx, source)
        return
    day = await _today(tx, source.owner)
    name = await free_names.find(tx, day, source.name)
    for lock in await locks.below(tx, source.owner, source.id):
        await locks.release(tx, lock)
    await locks.remove(tx, source.owner, source.id, [0])
    await _unshare(tx, source)
    await trees.rename(tx, source, parent=day.id, name=name)


async def _unshare(tx: Tx, source: Collection) -> None:
    """What is thrown away is its owner's alone, as if it were gone."""
    for child in await collections.children(tx, source.owner, source.id, source.kind):
        await _unshare(tx, child)
    if await tx.execute("DELETE FROM grant_ WHERE owner = ? AND collection = ?", source.owner, source.id):
        tx.publish("grants", b"%d" % source.owner)


async def expire(tx: Tx, days: int, limit: int = BATCH) -> int:
    """Removes folders of days that are over; how many, at most `limit`."""
    last = _day(clock.now() - days * clock.DAY)
    rows = await tx.rows(
        "SELECT child.owner, child.id FROM collection AS trash JOIN collection AS root"
        " ON root.owner = trash.owner AND root.id = trash.parent AND root.parent = 0"
        " JOIN collection AS child ON child.owner = trash.owner AND child.parent = trash.id"
        " WHERE trash.kind = ? AND trash.name = ? AND child.name < ? AND child.name LIKE '____-__-__'"
        " ORDER BY child.owner, child.id LIMIT ?",
        KIND,
        NAME,
        last,
        limit,
    )
    for owner, number in rows:
        await trees.delete(tx, await collections.get(tx, owner, number))
    return len(rows)


async def _today(tx: Tx, owner: int) -> Collection:
    root = await collections.find(tx, owner, KIND, "")
    assert root is not None, "what is thrown away lies below the root"
    bin_ = await collections.find(tx, owner, KIND, NAME, root.id)
    if bin_ is None:
        bin_ = await collections.create(tx, owner, KIND, NAME, parent=root.id)
    name = _day(clock.now())
    day = await collections.find(tx, owner, KIND, name, bin_.id)
    return day or await collections.create(tx, owner, KIND, name, parent=bin_.id)


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment // clock.SECOND, UTC).strftime("%Y-%m-%d")
