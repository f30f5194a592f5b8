# SPDX-License-Identifier: Apache-2.0
"""What COPY and MOVE do in the store, inside their transaction (RFC 4918 §9.8, §9.9)."""

import re
from typing import Any

from armgs_server.dav.errors import DavError
from armgs_server.dav.features import Tables
from armgs_server.dav.resources import Found, Place
from armgs_server.directory import birthdays
from armgs_server.storage import collections, items, locks, properties, transfer, trees, versions
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx
from armgs_server.storage.versions import Rules

PAGE = 500
# Of one COPY, or MOVE to another owner: everybody else's writes wait meanwhile, about a second for this many.
MAX_COPIED = 20_000
# What programs call the old file while they save.
_TEMPORARY = re.compile(r"~.*|.*\.(?:tmp|bak)|[0-9A-F]{8}", re.IGNORECASE)


async def copy_member(
    tx: Tx, origin: Found, goal: Found, name: str, tables: Tables, checked: Any, rules: Rules | None
) -> None:
    """A member with its dead properties; over another member it gives that one new bytes."""
    source, target = origin.item, goal.chain[-1]
    assert source is not None
    ref = BlobRef(source.blob, source.size, None)
    if goal.item is not None:
        made = await items.replace(tx, goal.item, ref, source.content_type, rules)
    else:
        made = await items.add(tx, target, ref, name=name, content_type=source.content_type)
    await properties.copy(tx, _key(source), _key(made))
    index = tables.kinds[target.kind].index
    if index is not None:
        if checked is None:
            # The same collection: a second object with the same UID, which no kind permits.
            raise DavError(403, "A copy inside the same collection would have the same UID.")
        await index(tx, target, made, checked)


async def arrive_member(
    tx: Tx,
    origin: Found,
    goal: Found,
    name: str,
    tables: Tables,
    arrived: tuple[BlobRef, Any],
    *,
    is_move: bool,
) -> None:
    """A member whose bytes became others on the way, with its dead properties."""
    source, target, (ref, checked) = origin.item, goal.chain[-1], arrived
    index = tables.kinds[target.kind].index
    assert source is not None and index is not None
    if goal.item is not None:
        made = await items.replace(tx, goal.item, ref, source.content_type)
    else:
        made = await items.add(tx, target, ref, name=name, content_type=source.content_type)
    await properties.copy(tx, _key(source), _key(made))
    await index(tx, target, made, checked)
    if is_move:
        await items.remove(tx, origin.chain[-1], [source.uid])


async def move_member(
    tx: Tx, origin: Found, goal: Found, name: str, tables: Tables, checked: Any, rules: Rules | None
) -> None:
    """A member with its dead properties, without its locks (§7.5)."""
    source, before, target = origin.item, origin.chain[-1], goal.chain[-1]
    assert source is not None
    if (before.owner, before.id) == (target.owner, target.id):
        await locks.remove(tx, source.owner, source.collection, [source.uid])
        moved = await items.rename(tx, source, name)
        if rules is not None:
            await _take_past(tx, moved, rules)
        return
    kind = tables.kinds[target.kind]
    if kind.index is None or before.kind == target.kind:
        made = (await transfer.move(tx, [source], before, target, [name]))[0]
    else:
        ref = BlobRef(source.blob, source.size, None)
        made = await items.add(tx, target, ref, name=name, content_type=source.content_type)
        await properties.copy(tx, _key(source), _key(made))
        await items.remove(tx, before, [source.uid])
    if kind.index is not None:
        await kind.index(tx, target, made, checked)


async def _take_past(tx: Tx, moved: Item, rules: Rules) -> None:
    """COMPAT Microsoft Office on a drive: it writes a new file, moves the old one to a temporary name, the
    new one to the old one's name, and deletes the old one. The past stays with the name then."""
    uid = await versions.last_of_name(tx, moved)
    old = await items.get(tx, moved.owner, moved.collection, uid) if uid is not None else None
    if old is not None and _TEMPORARY.fullmatch(old.name or ""):
        await versions.inherit(tx, old, moved, rules)


async def move_collection(tx: Tx, source: Collection, goal: Found, place: Place) -> None:
    """Within an owner's tree a rename; to another owner a copy and a removal."""
    parent = goal.chain[-1].id if goal.chain else 0
    if source.owner == place.owner:
        for lock in await locks.below(tx, source.owner, source.id):
            await locks.release(tx, lock)
        await locks.remove(tx, source.owner, source.id, [0])
        await trees.rename(tx, source, parent=parent, name=place.names[-1])
    else:
        await _copy_tree(tx, source, place.owner, parent, place.names[-1], deep=True)
        await _show_days(tx, source, place.owner)
        await trees.delete(tx, source)


async def copy_collection(tx: Tx, source: Collection, goal: Found, place: Place, *, deep: bool) -> None:
    """The collection with its properties; deep: with everything below."""
    parent = goal.chain[-1].id if goal.chain else 0
    await _copy_tree(tx, source, place.owner, parent, place.names[-1], deep=deep)
    await _show_days(tx, source, place.owner)


async def _show_days(tx: Tx, source: Collection, owner: int) -> None:
    """The birthdays of a book that somebody has got."""
    if source.kind == "addressbook" and source.owner != owner:
        await birthdays.refill(tx, owner)


async def _copy_tree(
    tx: Tx, source: Collection, owner: int, parent: int, name: str, *, deep: bool, copied: int = 0
) -> int:
    """Copies a tree and returns how many resources `copied` has grown to; 403 above MAX_COPIED."""
    copied += 1 + (source.items if deep else 0)
    if copied > MAX_COPIED:
        raise DavError(403, f"More than {MAX_COPIED} resources cannot be copied at once.")
    made = await collections.create(tx, owner, source.kind, name, parent=parent, data=source.data)
    await properties.copy(tx, (source.owner, source.id, 0), (made.owner, made.id, 0))
    if not deep:
        return copied
    after = 0
    while page := await items.scan(tx, source.owner, source.id, after, PAGE):
        await transfer.copy(tx, page, made)
        after = page[-1].uid
    for child in await collections.children(tx, source.owner, source.id, source.kind):
        copied = await _copy_tree(tx, child, owner, made.id, child.name, deep=True, copied=copied)
    return copied


def _key(item: Item) -> tuple[int, int, int]:
    return item.owner, item.collection, item.uid
