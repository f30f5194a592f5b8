# SPDX-License-Identifier: Apache-2.0
"""Collections: mailboxes, calendars, address books, folders and chats are the same thing here.

`modseq` is a collection's one clock. It moves when a member, a child collection or the collection's own
data changes; `bump` moves it and, on PostgreSQL, locks the row until the commit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from armgs_server.errors import AlreadyExists, Conflict, NotFound
from armgs_server.storage import clock
from armgs_server.storage.tx import Row, Tx

COLUMNS = (
    "owner, id, parent, kind, name, role, modseq, changed, uid_next, uid_validity,"
    " items, bytes, unseen, subscribed, data"
)
# Role of the mailboxes that hold what was removed (storage.restored); no quota counts them.
RESTORED = "restored"
# Role of the mailboxes that show chats (storage.chat_folders).
CHATS = "chats"
# Deeper trees are refused: paths are walked step by step.
MAX_DEPTH = 64
# What a kind keeps beside its items; emptied and copied with them.
INDEX_TABLES: Mapping[str, tuple[str, ...]] = {
    "mail": ("message",),
    **dict.fromkeys(("calendar", "tasks", "subscribed", "birthdays"), ("event", "instance", "property")),
    "addressbook": ("card", "property"),
    **dict.fromkeys(("files", "schedule-inbox", "schedule-outbox", "notifications"), ("property",)),
}

# Columns of the index tables after (owner, collection, uid); `instance` has its key in another order.
INDEX_COLUMNS: Mapping[str, str] = {
    "message": "envelope, bodystructure, body, parts, header_size, sent, subject, sender, recipients, cc,"
    " bcc, message_id, refs",
    "event": "component, ical_uid, summary, starts, ends, recurring, expanded_from, expanded",
    "instance": "starts, ends, busy, floating",
    "card": "card_uid, fn, search, days",
    "property": "name, value",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """One row of `collection`; `data` holds what only its kind knows (display name, colour …)."""

    owner: int
    id: int
    parent: int
    kind: str
    name: str
    role: str
    modseq: int
    changed: int
    uid_next: int
    uid_validity: int
    items: int
    bytes: int
    unseen: int
    subscribed: int
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_charged(self) -> bool:
        """Whether the account's sums count what is in it."""
        return self.role not in (RESTORED, CHATS)


def from_row(row: Row) -> Collection:
    """A Collection from COLUMNS."""
    *plain, data = row
    return Collection(*(*plain, json.loads(data)))


async def create(
    tx: Tx,
    owner: int,
    kind: str,
    name: str,
    *,
    parent: int = 0,
    role: str = "",
    data: Mapping[str, Any] | None = None,
    subscribed: int = 0,
) -> Collection:
    """A new, empty collection. AlreadyExists when the parent has a child or an item of that name."""
    changed = 0
    if parent:
        above = await get(tx, owner, parent)
        if await tx.row(
            "SELECT 1 FROM item WHERE owner = ? AND collection = ? AND name = ?", owner, parent, name
        ):
            raise AlreadyExists()
        changed = await bump(tx, above.owner, above.id)
    if await find(tx, owner, kind, name, parent) is not None:
        raise AlreadyExists()
    number = await _next_number(tx, owner)
    made = Collection(
        owner=owner,
        id=number,
        parent=parent,
        kind=kind,
        name=name,
        role=role,
        modseq=1,
        changed=changed,
        uid_next=1,
        # Both grow, so a name that comes back, even within a second, has a larger one (RFC 9051 §2.3.1.1).
        uid_validity=clock.now() // clock.SECOND + number,
        items=0,
        bytes=0,
        unseen=0,
        subscribed=subscribed,
        data=dict(data or {}),
    )
    await tx.execute(
        f"INSERT INTO collection ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)",
        made.owner,
        made.id,
        made.parent,
        made.kind,
        made.name,
        made.role,
        made.modseq,
        made.changed,
        made.uid_next,
        made.uid_validity,
        made.subscribed,
        json.dumps(made.data, ensure_ascii=False),
    )
    tx.changed(owner, made.id, made.modseq)
    return made


async def create_first(tx: Tx, owner: int, made: Sequence[tuple[str, str, str, int]]) -> None:
    """The first collections of an account that nobody knows yet: kind, name, role, subscribed of each.

    The account counts on behind them (`accounts.create`)."""
    validity = clock.now() // clock.SECOND
    await tx.executemany(
        f"INSERT INTO collection ({COLUMNS}) VALUES (?, ?, 0, ?, ?, ?, 1, 0, 1, ?, 0, 0, 0, ?, '{{}}')",
        [
            (owner, id_, kind, name, role, validity + id_, on)
            for id_, (kind, name, role, on) in enumerate(made, 1)
        ],
    )


async def _next_number(tx: Tx, owner: int) -> int:
    number = await tx.value(
        "UPDATE account SET next_collection = next_collection + 1 WHERE owner = ? RETURNING next_collection",
        owner,
    )
    if number is None:
        raise NotFound()
    return int(number) - 1


async def bump(tx: Tx, owner: int, collection: int) -> int:
    """Moves the clock by one; the new modseq."""
    modseq = await tx.value(
        "UPDATE collection SET modseq = modseq + 1 WHERE owner = ? AND id = ? RETURNING modseq",
        owner,
        collection,
    )
    if modseq is None:
        raise NotFound()
    tx.changed(owner, collection, modseq)
    return int(modseq)


async def get(tx: Tx, owner: int, number: int) -> Collection:
    """NotFound."""
    row = await tx.row(f"SELECT {COLUMNS} FROM collection WHERE owner = ? AND id = ?", owner, number)
    if row is None:
        raise NotFound()
    return from_row(row)


async def find(tx: Tx, owner: int, kind: str, name: str, parent: int = 0) -> Collection | None:
    """The child of `parent` with that name, exactly as spelled."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM collection WHERE owner = ? AND kind = ? AND parent = ? AND name = ?",
        owner,
        kind,
        parent,
        name,
    )
    return None if row is None else from_row(row)


async def by_role(tx: Tx, owner: int, kind: str, role: str) -> Collection | None:
    """The owner's collection of a kind that plays a role (RFC 6154 and our own)."""
    row = await tx.row(
        f"SELECT {COLUMNS} FROM collection WHERE owner = ? AND kind = ? AND role = ? ORDER BY id LIMIT 1",
        owner,
        kind,
        role,
    )
    return None if row is None else from_row(row)


async def by_path(
    tx: Tx, owner: int, kind: str, segments: Sequence[str], start: int = 0
) -> Collection | None:
    """Walks names down from `start` (0 = top level)."""
    found: Collection | None = None
    for segment in segments:
        found = await find(tx, owner, kind, segment, start)
        if found is None:
            return None
        start = found.id
    return found


async def children(tx: Tx, owner: int, parent: int, kind: str) -> list[Collection]:
    """In the order of their names."""
    return [
        from_row(row)
        for row in await tx.rows(
            f"SELECT {COLUMNS} FROM collection WHERE owner = ? AND kind = ? AND parent = ? ORDER BY name",
            owner,
            kind,
            parent,
        )
    ]


async def all_of(tx: Tx, owner: int, kind: str) -> list[Collection]:
    """Every collection of a kind, parents and children alike, oldest first."""
    return [
        from_row(row)
        for row in await tx.rows(
            f"SELECT {COLUMNS} FROM collection WHERE owner = ? AND kind = ? ORDER BY id", owner, kind
        )
    ]


async def roots(tx: Tx, owner: int) -> list[Collection]:
    """The owner's top-level collections of every kind."""
    return [
        from_row(row)
        for row in await tx.rows(
            f"SELECT {COLUMNS} FROM collection WHERE owner = ? AND parent = 0 ORDER BY id", owner
        )
    ]


async def ancestors(tx: Tx, collection: Collection) -> list[Collection]:
    """From the collection itself up to its top-level ancestor."""
    chain = [collection]
    while chain[-1].parent:
        if len(chain) > MAX_DEPTH:
            raise Conflict("nested too deep")
        chain.append(await get(tx, collection.owner, chain[-1].parent))
    return chain


async def update(
    tx: Tx,
    collection: Collection,
    *,
    data: Mapping[str, Any] | None = None,
    role: str | None = None,
    subscribed: int | None = None,
) -> Collection:
    """Changes what is given; a change is a change of the collection, and of its parent's listing."""
    modseq = await bump(tx, collection.owner, collection.id)
    changed = await bump(tx, collection.owner, collection.parent) if collection.parent else 0
    row = await tx.row(
        f"UPDATE collection SET data = ?, role = ?, subscribed = ?, changed = ? WHERE owner = ? AND id = ?"
        f" RETURNING {COLUMNS}",
        json.dumps(dict(collection.data if data is None else data), ensure_ascii=False),
        collection.role if role is None else role,
        collection.subscribed if subscribed is None else subscribed,
        changed,
        collection.owner,
        collection.id,
    )
    if row is None:
        raise NotFound()
    tx.changed(collection.owner, collection.id, modseq)
    return from_row(row)


async def bury(tx: Tx, owner: int, collection: int, removed: Sequence[tuple[int, str]]) -> int:
    """Leaves tombstones `(uid, name)` under a new modseq, which it returns."""
    modseq = await bump(tx, owner, collection)
    await tx.executemany(
        "INSERT INTO tombstone (owner, collection, modseq, uid, name) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [(owner, collection, modseq, uid, name) for uid, name in removed],
    )
    return modseq
