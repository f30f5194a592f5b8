# SPDX-License-Identifier: Apache-2.0
"""`Restored`: where a person finds the mail that was expunged, in any client, and takes it back by moving it.

Below it is a mailbox for each one that lost something, by the same name. They are ordinary mailboxes that
only this module fills: what comes here keeps its flags, but for \\Deleted, and leaves when it is moved out,
expunged once more, or when its days are over. No quota counts it; so that nobody keeps a second mailbox
here, an owner with a quota has at most as much here as the quota allows, and what is beyond is removed.
Drafts that a client saves over and over are removed at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from armgs_server.storage import accounts, clock, collections, items, mailboxes, transfer, trees
from armgs_server.storage.collections import RESTORED, Collection
from armgs_server.storage.items import Flags, Item
from armgs_server.storage.tx import Tx

NAME = "Restored"
KIND = "mail"
BATCH = 500


def is_inside(collection: Collection) -> bool:
    """Whether a mailbox is one of those that hold what was expunged."""
    return collection.role == RESTORED


async def throw(tx: Tx, origin: Collection, uids: Sequence[int]) -> int:
    """Expunges messages of a mailbox into its place here; the mailbox's modseq after it."""
    source = await items.by_uids(tx, origin.owner, origin.id, uids)
    gone = [item for item in source if _is_draft(origin, item)]
    kept = [item for item in source if not _is_draft(origin, item)]
    if is_inside(origin) or not await _has_room(tx, origin.owner, kept):
        gone, kept = source, []
    if kept:
        place = await _place(tx, origin)
        shown = [item._replace(flags=item.flags & ~Flags.DELETED) for item in kept]
        await transfer.move(tx, shown, origin, place)
    return await items.remove(tx, origin, [item.uid for item in gone])


async def throw_all(tx: Tx, origin: Collection) -> None:
    """Everything that is in a mailbox, which is about to be deleted."""
    while page := await items.scan(tx, origin.owner, origin.id, limit=BATCH):
        await throw(tx, origin, [item.uid for item in page])


async def mailboxes_of(tx: Tx, owner: int) -> list[tuple[Collection, tuple[str, ...]]]:
    """The mailboxes here, each with the path of the mailbox that lost what is in it."""
    found: list[tuple[Collection, tuple[str, ...]]] = []
    for each in await collections.all_of(tx, owner, KIND):
        if is_inside(each) and each.parent:
            chain = await collections.ancestors(tx, each)
            found.append((each, tuple(above.name for above in reversed(chain[:-1]))))
    return found


async def due(
    tx: Tx, days: int, after: tuple[int, int] = (0, 0), limit: int = BATCH
) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """A page of all mailboxes here: those that have something expunged longer ago, and where to go on.

    What lies in one is in the order in which it came, so its first message tells.
    """
    rows = await tx.rows(
        "SELECT owner, id, items, (SELECT modified FROM item WHERE item.owner = collection.owner"
        " AND item.collection = collection.id ORDER BY uid LIMIT 1) FROM collection"
        " WHERE role = 'restored' AND (owner, id) > (?, ?) ORDER BY owner, id LIMIT ?",
        *after,
        limit,
    )
    before = clock.now() - days * clock.DAY
    old = [(row[0], row[1]) for row in rows if row[3] is not None and row[3] < before]
    return old, (rows[-1][0], rows[-1][1]) if len(rows) == limit else None


async def expire(tx: Tx, owner: int, number: int, days: int, limit: int = BATCH) -> int:
    """Removes what was expunged longer ago from one mailbox here; how many, at most `limit`.

    The mailbox goes with its last message.
    """
    before = clock.now() - days * clock.DAY
    if await tx.row("SELECT 1 FROM collection WHERE owner = ? AND id = ?", owner, number) is None:
        return 0
    place = await collections.get(tx, owner, number)
    page = await items.scan(tx, owner, number, limit=limit)
    old = [item.uid for item in takewhile(lambda item: item.modified < before, page)]
    if old:
        await items.remove(tx, place, old)
    if place.items == len(old) and not await collections.children(tx, owner, number, KIND):
        await trees.delete(tx, place)
        await mailboxes.prune(tx, owner, place.parent)
    return len(old)


def _is_draft(origin: Collection, item: Item) -> bool:
    return origin.role == "drafts" and bool(item.flags & Flags.DRAFT)


async def _has_room(tx: Tx, owner: int, arriving: Sequence[Item]) -> bool:
    usage = await accounts.usage(tx, owner)
    if not usage.quota:
        return True
    there = await tx.value(
        "SELECT COALESCE(SUM(bytes), 0) FROM collection WHERE owner = ? AND kind = ? AND role = ?",
        owner,
        KIND,
        RESTORED,
    )
    return int(there) + sum(item.size for item in arriving) <= usage.quota


async def _place(tx: Tx, origin: Collection) -> Collection:
    """The mailbox here that stands for another."""
    path = [above.name for above in reversed(await collections.ancestors(tx, origin))]
    top = await collections.by_role(tx, origin.owner, KIND, RESTORED)
    place = None if top is None else await collections.by_path(tx, origin.owner, KIND, path, top.id)
    if place is None:
        await accounts.hold(tx, [origin.owner])  # whoever expunges elsewhere makes the same ones
        place = await _make(tx, origin.owner, path)
    if mailboxes.is_empty_name(place):
        place = await mailboxes.revive(tx, place, RESTORED, 1)
    return place


async def _make(tx: Tx, owner: int, path: Sequence[str]) -> Collection:
    place = await _top(tx, owner)
    for level, name in enumerate(path, 1):
        below = await collections.find(tx, owner, KIND, name, place.id)
        place = below or await collections.create(
            tx,
            owner,
            KIND,
            name,
            parent=place.id,
            role=RESTORED,
            data={mailboxes.MARK: True} if level < len(path) else {},
            subscribed=int(level == len(path)),
        )
    return place


async def _top(tx: Tx, owner: int) -> Collection:
    """`Restored`, a name without a mailbox; another name where the owner has a mailbox of that one."""
    name, number = NAME, 1
    while (found := await collections.find(tx, owner, KIND, name)) is not None:
        if is_inside(found):
            return found
        number += 1
        name = f"{NAME} {number}"
    return await collections.create(tx, owner, KIND, name, role=RESTORED, data={mailboxes.MARK: True})
