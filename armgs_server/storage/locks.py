# SPDX-License-Identifier: Apache-2.0
"""Write locks on items and collections (RFC 4918 §6, §7), in the store's words.

A lock lies on an item or, with uid 0, on a collection; a deep one covers everything below. Expired rows
count as absent and are removed when somebody locks in the same collection. Exclusive and shared follow
RFC 4918 §6.2: any number of shared locks together, an exclusive one alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from armgs_server.errors import Conflict
from armgs_server.storage import clock, lock_waits
from armgs_server.storage.tx import Row, Tx

COLUMNS = "owner, collection, uid, token, scope, deep, principal, holder, expires, root"
# Identifiers in one query: both engines allow more.
BATCH = 500
MAX_SHARED = 100  # locks on one item or below one deep lock


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock. `principal` took it, `holder` is what the client said about itself, `root` its href."""

    owner: int
    collection: int
    uid: int
    token: str
    scope: str
    deep: int
    principal: int
    holder: str
    expires: int
    root: str

    def covers(self, chain: Sequence[int], uid: int) -> bool:
        """Whether it protects the item, or with uid 0 the collection, at the end of `chain` of ids."""
        if self.collection == chain[-1] and self.uid == uid:
            return True
        return bool(self.deep) and self.uid == 0 and self.collection in chain


async def in_collections(tx: Tx, owner: int, collections: Sequence[int]) -> list[Lock]:
    """All live locks on these collections and on their items."""
    found: list[Lock] = []
    now = clock.now()
    for start in range(0, len(collections), BATCH):
        batch = collections[start : start + BATCH]
        places = ", ".join("?" * len(batch))
        rows = await tx.rows(
            f"SELECT {COLUMNS} FROM lock WHERE owner = ? AND collection IN ({places}) AND expires > ?"
            " ORDER BY collection, uid, token",
            owner,
            *batch,
            now,
        )
        found.extend(_from_row(row) for row in rows)
    return found


async def of_owner(tx: Tx, owner: int) -> list[Lock]:
    """All live locks on what an owner has."""
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM lock WHERE owner = ? AND expires > ? ORDER BY collection, uid, token",
        *(owner, clock.now()),
    )
    return [_from_row(row) for row in rows]


async def covering(tx: Tx, owner: int, chain: Sequence[int], uid: int = 0) -> list[Lock]:
    """The live locks that protect the item, or with uid 0 the collection, at the end of `chain`."""
    places = ", ".join("?" * len(chain))
    rows = await tx.rows(
        f"SELECT {COLUMNS} FROM lock WHERE owner = ? AND collection IN ({places}) AND uid IN (0, ?)"
        " AND expires > ? ORDER BY collection, uid, token",
        owner,
        *chain,
        uid,
        clock.now(),
    )
    return [lock for lock in map(_from_row, rows) if lock.covers(chain, uid)]


async def below(tx: Tx, owner: int, collection: int) -> list[Lock]:
    """The live locks on anything inside a collection, however deep, without those on itself."""
    tree = [collection]
    level = [collection]
    while level:
        children: list[int] = []
        for start in range(0, len(level), BATCH):
            batch = level[start : start + BATCH]
            places = ", ".join("?" * len(batch))
            rows = await tx.rows(
                f"SELECT id FROM collection WHERE owner = ? AND parent IN ({places})", owner, *batch
            )
            children.extend(row[0] for row in rows)
        tree.extend(children)
        level = children
    found = await in_collections(tx, owner, tree)
    return [lock for lock in found if not (lock.collection == collection and lock.uid == 0)]


async def take(tx: Tx, lock: Lock, chain: Sequence[int]) -> list[Lock]:
    """Adds a lock on the end of `chain`; the conflicting locks where there are some, and then adds none.

    A deep lock on a collection conflicts with locks below it as well (RFC 4918 §9.10.3, §7.4).
    """
    over = await tx.rows(
        "DELETE FROM lock WHERE owner = ? AND collection = ? AND expires <= ? RETURNING uid",
        lock.owner,
        lock.collection,
        clock.now(),
    )
    for (uid,) in over:
        if uid != lock.uid:
            await lock_waits.free(tx, lock.owner, lock.collection, uid)
    present = await covering(tx, lock.owner, chain, lock.uid)
    if lock.deep and lock.uid == 0:
        present += await below(tx, lock.owner, lock.collection)
    conflicts = [other for other in present if "exclusive" in (lock.scope, other.scope)]
    if conflicts:
        return conflicts
    if len(present) >= MAX_SHARED:
        raise Conflict("too many locks")
    await tx.execute(
        f"INSERT INTO lock ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        lock.owner,
        lock.collection,
        lock.uid,
        lock.token,
        lock.scope,
        lock.deep,
        lock.principal,
        lock.holder,
        lock.expires,
        lock.root,
    )
    if lock.uid:
        await lock_waits.done(tx, lock.owner, lock.collection, lock.uid, lock.principal)
    return []


async def refresh(tx: Tx, lock: Lock, expires: int) -> Lock:
    """Gives a lock a new end. Conflict where it is gone."""
    touched = await tx.execute(
        "UPDATE lock SET expires = ? WHERE owner = ? AND collection = ? AND uid = ? AND token = ?",
        expires,
        lock.owner,
        lock.collection,
        lock.uid,
        lock.token,
    )
    if not touched:
        raise Conflict("the lock is gone")
    return replace(lock, expires=expires)


async def change_root(tx: Tx, owner: int, collection: int, uid: int, root: str) -> None:
    """The locks on one item have their root under another href: it was renamed under them."""
    await tx.execute(
        "UPDATE lock SET root = ? WHERE owner = ? AND collection = ? AND uid = ?",
        *(root, owner, collection, uid),
    )


async def release(tx: Tx, lock: Lock) -> None:
    """Removes one lock; whoever waits for the item is told."""
    await tx.execute(
        "DELETE FROM lock WHERE owner = ? AND collection = ? AND uid = ? AND token = ?",
        lock.owner,
        lock.collection,
        lock.uid,
        lock.token,
    )
    if lock.uid:
        await lock_waits.free(tx, lock.owner, lock.collection, lock.uid)


async def remove_expired(tx: Tx, now: int) -> int:
    """Rows of locks that are over, of all owners; how many."""
    over = await tx.rows("DELETE FROM lock WHERE expires < ? RETURNING owner, collection, uid", now)
    for key in sorted({(owner, collection, uid) for owner, collection, uid in over if uid}):
        await lock_waits.free(tx, *key)
    return len(over)


async def remove(tx: Tx, owner: int, collection: int, uids: Iterable[int]) -> None:
    """Removes every lock on these items; uid 0 is the collection itself."""
    keys = [(owner, collection, uid) for uid in uids]
    await tx.executemany("DELETE FROM lock WHERE owner = ? AND collection = ? AND uid = ?", keys)
    await lock_waits.remove(tx, owner, collection, [uid for _, _, uid in keys])


def _from_row(row: Row) -> Lock:
    return Lock(*row)
