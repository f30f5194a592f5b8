# SPDX-License-Identifier: Apache-2.0
"""Earlier states of files: what a file's bytes were before others took their place.

Rows beside the item, not items: no collection changes by them, so no client that follows a folder hears of
them. They move with their file inside its owner's tree and go with it; to another owner they do not go.
`items.replace` keeps a state where it is given `Rules`. Where there are more than the rules allow, the one
goes that is missed least: what remains is dense for today and sparse for last month.

Unless the rules count them in the quota, an owner with a quota may have as much in them again.
What is removed here passes `keeping`, as everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from armgs_server.storage import blobs, clock, keeping
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.config import DavSettings
    from armgs_server.storage.blobs import BlobRef
    from armgs_server.storage.collections import Collection
    from armgs_server.storage.items import Item

KIND = "files"
BATCH = 200
JUST_NOW = 8  # changes of a folder
_COLUMNS = (
    "owner, collection, uid, number, blob, size, content_type, modseq, created, modified, ended, charged,"
    " was_in, was_uid"
)


class Rules(NamedTuple):
    """How many states of one file are kept (0: none), and whether the quota counts them."""

    limit: int
    is_charged: bool


class State(NamedTuple):
    """One row. It was the file from `modified` to `ended`; `modseq` is what the item had, `was_in` and
    `was_uid` where it was then."""

    owner: int
    collection: int
    uid: int
    number: int
    blob: bytes
    size: int
    content_type: str
    modseq: int
    created: int
    modified: int
    ended: int
    charged: int
    was_in: int
    was_uid: int


def rules(settings: DavSettings) -> Rules:
    """As they are set."""
    return Rules(settings.version_count if settings.version_days else 0, settings.version_quota)


async def of(tx: Tx, owner: int, collection: int, uid: int) -> list[State]:
    """The earlier states of a file, the oldest first."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM version WHERE owner = ? AND collection = ? AND uid = ?"
        " ORDER BY modified, number",
        *(owner, collection, uid),
    )
    return list(map(State._make, rows))


async def get(tx: Tx, owner: int, collection: int, uid: int, number: int) -> State | None:
    """One of them."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM version WHERE owner = ? AND collection = ? AND uid = ? AND number = ?",
        *(owner, collection, uid, number),
    )
    return None if row is None else State(*row)


async def has_any(tx: Tx, owner: int) -> bool:
    """Whether any file of the owner's has earlier states."""
    return bool(await tx.value("SELECT versions FROM account WHERE owner = ?", owner))


async def uids(tx: Tx, owner: int, collection: int) -> list[int]:
    """The files of a folder that have some."""
    rows = await tx.rows(
        "SELECT DISTINCT uid FROM version WHERE owner = ? AND collection = ? ORDER BY uid", owner, collection
    )
    return [row[0] for row in rows]


async def folders(tx: Tx, owner: int) -> set[int]:
    """The folders in which, or below which, a file has some."""
    rows = await tx.rows("SELECT id, parent FROM collection WHERE owner = ? AND kind = ?", owner, KIND)
    parents = {row[0]: row[1] for row in rows}
    found: set[int] = set()
    for (number,) in await tx.rows("SELECT DISTINCT collection FROM version WHERE owner = ?", owner):
        while number in parents and number not in found:
            found.add(number)
            number = parents[number]
    return found


async def keep(tx: Tx, item: Item, ref: BlobRef, rules: Rules) -> bool:
    """Before `ref` takes the place of the item's bytes: True where the item's reference is the state's now.

    An empty file is nothing to keep (clients make one to lock it), nor is one that gets the same bytes.
    """
    if not (rules.limit and item.size) or item.blob == ref.hash:
        return False
    key = (item.owner, item.collection, item.uid)
    rows = await tx.rows(
        "SELECT number, modified FROM version WHERE owner = ? AND collection = ? AND uid = ?"
        " ORDER BY modified, number",
        *key,
    )
    state = State(
        *key,
        max((row[0] for row in rows), default=0) + 1,
        item.blob,
        item.size,
        item.content_type,
        item.modseq,
        item.created,
        item.modified,
        clock.now(),
        int(rules.is_charged),
        *key[1:],
    )
    places = ", ".join("?" * len(state))
    await tx.execute(f"INSERT INTO version ({_COLUMNS}) VALUES ({places})", *state)
    account = await tx.row(
        "UPDATE account SET versions = versions + ?, bytes = bytes + ? WHERE owner = ?"
        " RETURNING quota, bytes, versions",
        *(state.size, state.size * state.charged, item.owner),
    )
    present = [(row[0], row[1]) for row in rows] + [(state.number, state.modified)]
    while len(present) > rules.limit:
        number, _ = present.pop(least([modified for _, modified in present], state.ended))
        await remove(tx, [found for found in [await get(tx, *key, number)] if found is not None])
    if account is not None and account[0]:
        await _make_room(tx, item.owner, ref.size - item.size if rules.is_charged else None)
    return True


def least(moments: Sequence[int], now: int) -> int:
    """Which of the states that began then, the oldest first, is missed least: the gap it leaves is small for
    its age.

    The first stays as long as there is room for two, and so does the last.
    """
    if len(moments) <= 2:
        return 0
    gaps = [
        (after - before) / (now - before + 1)
        for before, after in zip(moments, [*moments[2:], now], strict=False)
    ]
    return 1 + gaps.index(min(gaps))


async def _make_room(tx: Tx, owner: int, growth: int | None) -> None:
    """The owner's oldest go until the quota holds: it counts them (and the growth that is to come), or allows
    as much again for them."""
    row = await tx.row("SELECT quota, bytes, versions FROM account WHERE owner = ?", owner)
    if row is None or not row[0]:
        return
    quota, used, kept = row
    excess = kept - quota if growth is None else used + growth - quota
    while excess > 0:
        rows = await tx.rows(
            f"SELECT {_COLUMNS} FROM version WHERE owner = ? ORDER BY ended, collection, uid, number LIMIT ?",
            *(owner, BATCH),
        )
        oldest: list[State] = []
        for each in map(State._make, rows):
            if excess > 0:
                oldest.append(each)
                excess -= each.size
        if not oldest:
            return
        await remove(tx, oldest)


async def inherit(tx: Tx, old: Item, new: Item, rules: Rules) -> None:
    """Before a file that is moved takes another's place: that one and its earlier states become its own."""
    if old.owner != new.owner or not rules.limit:
        return
    if await keep(tx, old, blobs.BlobRef(new.blob, new.size, None), rules):
        await blobs.retain_existing(tx, [old.blob])  # the removal of the old one lets go of its own
    last = await tx.value(
        "SELECT COALESCE(MAX(number), 0) FROM version WHERE owner = ? AND collection = ? AND uid = ?",
        *(new.owner, new.collection, new.uid),
    )
    await tx.execute(
        "UPDATE version SET collection = ?, uid = ?, number = number + ?"
        " WHERE owner = ? AND collection = ? AND uid = ?",
        *(new.collection, new.uid, last, old.owner, old.collection, old.uid),
    )


async def last_of_name(tx: Tx, item: Item) -> int | None:
    """Which other file of the folder had the item's name until just now."""
    row = await tx.row(
        "SELECT uid FROM tombstone WHERE owner = ? AND collection = ? AND modseq > ? AND name = ?"
        " AND uid NOT IN (0, ?) ORDER BY modseq DESC LIMIT 1",
        *(item.owner, item.collection, item.modseq - JUST_NOW, item.name, item.uid),
    )
    return None if row is None else row[0]


async def follow(tx: Tx, moved: Sequence[tuple[Item, Item]]) -> None:
    """Files have moved to another folder: to one of another owner their earlier states do not go along."""
    for old, new in moved:
        if old.owner != new.owner:
            await remove(tx, await of(tx, old.owner, old.collection, old.uid))
    await tx.executemany(
        "UPDATE version SET collection = ?, uid = ? WHERE owner = ? AND collection = ? AND uid = ?",
        [
            (new.collection, new.uid, old.owner, old.collection, old.uid)
            for old, new in moved
            if old.owner == new.owner
        ],
    )


async def remove_of(tx: Tx, collection: Collection, uids: Sequence[int] | None = None) -> None:
    """All of some files of a folder, or of everything in it; while the files are still there."""
    if collection.kind != KIND:
        return
    where, values = "owner = ? AND collection = ?", (collection.owner, collection.id)
    if uids is None:
        rows = await tx.rows(f"SELECT {_COLUMNS} FROM version WHERE {where}", *values)
        await remove(tx, list(map(State._make, rows)))
        return
    for start in range(0, len(uids), BATCH):
        part = uids[start : start + BATCH]
        places = ", ".join("?" * len(part))
        rows = await tx.rows(
            f"SELECT {_COLUMNS} FROM version WHERE {where} AND uid IN ({places})", *values, *part
        )
        await remove(tx, list(map(State._make, rows)))


async def remove(tx: Tx, states: Sequence[State]) -> None:
    """Lets go of states; what a hold or a rule wants is kept."""
    if not states:
        return
    await tx.executemany(
        "DELETE FROM version WHERE owner = ? AND collection = ? AND uid = ? AND number = ?",
        [state[:4] for state in states],
    )
    for owner in {state.owner for state in states}:
        own = [state for state in states if state.owner == owner]
        await _count(
            tx, owner, -sum(each.size for each in own), -sum(each.size * each.charged for each in own)
        )
        taken = await keeping.keep_states(tx, own)
        await blobs.release(tx, [each.blob for each in own if each not in taken])


async def expire(tx: Tx, owner: int, days: int, limit: int = BATCH) -> int:
    """Those of an owner that ended longer ago, at most `limit`; how many."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM version WHERE owner = ? AND ended < ? ORDER BY ended LIMIT ?",
        *(owner, clock.now() - days * clock.DAY, limit),
    )
    await remove(tx, list(map(State._make, rows)))
    return len(rows)


async def owners(tx: Tx, after: int, limit: int = BATCH) -> list[int]:
    """A page of those who have some."""
    rows = await tx.rows(
        "SELECT owner FROM account WHERE versions > 0 AND owner > ? ORDER BY owner LIMIT ?", after, limit
    )
    return [row[0] for row in rows]


async def _count(tx: Tx, owner: int, size: int, charged: int) -> None:
    await tx.execute(
        "UPDATE account SET versions = versions + ?, bytes = bytes + ? WHERE owner = ?", size, charged, owner
    )
