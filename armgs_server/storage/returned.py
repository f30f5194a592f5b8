# SPDX-License-Identifier: Apache-2.0
"""Items that come back from another store of the same installation: from a backup that was opened.

What lies beside an item there (the rows of `collections.INDEX_TABLES`, managed attachments) is read with it
and written with it here, so nothing is parsed again. It arrives as any new item does: under a new uid,
counted and charged, with a modseq that clients hear of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from armgs_server.errors import Temporary
from armgs_server.storage import attachments, clock, collections, items, versions
from armgs_server.storage.attachments import Attachment
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import INDEX_COLUMNS, INDEX_TABLES, Collection
from armgs_server.storage.items import Flags, Item
from armgs_server.storage.tx import Row, Tx

CALENDARS = ("calendar", "tasks")
KINDS = ("mail", *CALENDARS, "addressbook", "files")
# By kind: the table that names an item, the columns of what it is known by and of what people call it.
_NAMES = {
    "mail": ("message", "message_id", "subject"),
    "calendar": ("event", "ical_uid", "summary"),
    "tasks": ("event", "ical_uid", "summary"),
    "addressbook": ("card", "card_uid", "fn"),
}


class Gone(Temporary):
    """Bytes that were in the store a moment ago have been collected meanwhile: they have to be brought."""


@dataclass(frozen=True, slots=True)
class Returning:
    """One item of the other store, with all that lies beside it."""

    item: Item
    id: str  # Message-ID, UID, or the name of a file
    title: str
    beside: Mapping[str, Sequence[Row]]  # index table -> rows of its INDEX_COLUMNS
    attachments: Sequence[Attachment] = field(default=())

    @property
    def size(self) -> int:
        return self.item.size + sum(each.size for each in self.attachments)

    @property
    def bodies(self) -> list[tuple[bytes, int]]:
        """Hash and size of all bytes that it needs."""
        found = [(self.item.blob, self.item.size)]
        return found + [(each.blob, each.size) for each in self.attachments]


async def load(tx: Tx, collection: Collection, page: Sequence[Item]) -> list[Returning]:
    """What lies beside some items of a collection; at most items.IN_LIMIT of them."""
    if not page:
        return []
    key, uids = (collection.owner, collection.id), [item.uid for item in page]
    beside: dict[int, dict[str, list[Row]]] = {uid: {} for uid in uids}
    for table in INDEX_TABLES.get(collection.kind, ()):
        rows = await tx.rows(
            f"SELECT uid, {INDEX_COLUMNS[table]} FROM {table} WHERE owner = ? AND collection = ?"
            f" AND uid IN ({items.places(uids)})",
            *key,
            *uids,
        )
        for uid, *values in rows:
            beside[uid].setdefault(table, []).append(tuple(values))
    found = []
    for item in page:
        id_, title = _named(collection.kind, item, beside[item.uid])
        held = await _attachments(tx, item.owner, id_) if collection.kind in CALENDARS else ()
        found.append(Returning(item, id_, title, beside[item.uid], held))
    return found


def _named(kind: str, item: Item, beside: Mapping[str, Sequence[Row]]) -> tuple[str, str]:
    if kind not in _NAMES:
        return item.name or "", item.name or ""
    table, id_, title = _NAMES[kind]
    columns = INDEX_COLUMNS[table].split(", ")
    row = next(iter(beside.get(table, ())), None)
    if row is None:
        return item.name or "", item.name or ""
    return row[columns.index(id_)], row[columns.index(title)]


async def _attachments(tx: Tx, owner: int, ical_uid: str) -> tuple[Attachment, ...]:
    """Those of an object that it named then."""
    rows = await tx.rows(
        "SELECT owner, id, ical_uid, blob, size, content_type, filename, created, removed FROM attachment"
        " WHERE owner = ? AND ical_uid = ? AND removed = 0 ORDER BY id",
        *(owner, ical_uid),
    )
    return tuple(map(Attachment._make, rows))


async def add(
    tx: Tx, target: Collection, each: Returning, refs: Mapping[bytes, BlobRef], name: str | None = None
) -> Item:
    """Adds it to a collection, as `name` or as it was called. AlreadyExists, OverQuota; Gone."""
    ref = refs[each.item.blob]
    await hold(tx, ref)
    item = await items.add(
        tx,
        target,
        ref,
        name=each.item.name if name is None else name,
        content_type=each.item.content_type,
        created=each.item.created,
        modified=None if target.kind == "mail" else each.item.modified,  # RFC 8514: when it came here
        flags=each.item.flags & ~Flags.DELETED,
        keywords=each.item.keywords,
    )
    await put_beside(tx, item, each.beside)
    await put_attachments(tx, target.owner, each.attachments, refs)
    return item


async def replace(
    tx: Tx, existing: Item, each: Returning, refs: Mapping[bytes, BlobRef], rules: versions.Rules | None
) -> Item:
    """Gives an item the bytes it had; with `rules` those it has become an earlier state. OverQuota; Gone."""
    ref = refs[each.item.blob]
    await hold(tx, ref)
    item = await items.replace(tx, existing, ref, each.item.content_type, rules)
    beside = {table: rows for table, rows in each.beside.items() if table != "property"}
    for table in beside:
        await tx.execute(
            f"DELETE FROM {table} WHERE owner = ? AND collection = ? AND uid = ?",
            *(item.owner, item.collection, item.uid),
        )
    await put_beside(tx, item, beside)
    await put_attachments(tx, item.owner, each.attachments, refs)
    return item


async def put_attachments(
    tx: Tx, owner: int, found: Sequence[Attachment], refs: Mapping[bytes, BlobRef]
) -> None:
    """Managed attachments that an object names (again)."""
    for each in found:
        await hold(tx, refs[each.blob])
        await attachments.add(tx, each._replace(owner=owner), refs[each.blob])
        removed = await tx.value(
            "SELECT removed FROM attachment WHERE owner = ? AND id = ? AND ical_uid = ?",
            *(owner, each.id, each.ical_uid),
        )
        if removed:
            await attachments.take_back(tx, each._replace(owner=owner, removed=removed))


async def hold(tx: Tx, ref: BlobRef) -> None:
    """Makes sure that the bytes are there until the commit. Gone where they were only believed to be."""
    if ref.data is None and ref.place is None:
        if not await tx.execute("UPDATE blob SET touched = ? WHERE hash = ?", clock.now(), ref.hash):
            raise Gone("bytes have been collected")
        return
    # A row without bytes of its own was made of an archived message; now it has some.
    await tx.execute(
        "UPDATE blob SET data = ?, place = ? WHERE hash = ? AND data IS NULL AND place IS NULL",
        *(ref.data, ref.place, ref.hash),
    )


async def put_beside(tx: Tx, item: Item, beside: Mapping[str, Sequence[Row]]) -> None:
    """The index rows of an item that was just added."""
    for table, rows in beside.items():
        columns = INDEX_COLUMNS[table]
        places = items.places([0] * (3 + len(columns.split(", "))))
        await tx.executemany(
            f"INSERT INTO {table} (owner, collection, uid, {columns}) VALUES ({places})",
            [(item.owner, item.collection, item.uid, *row) for row in rows],
        )


async def tree(tx: Tx, owner: int, kind: str) -> list[tuple[Collection, tuple[str, ...]]]:
    """All collections of a kind with their paths, those above before those below."""
    found = await collections.all_of(tx, owner, kind)
    by_id = {each.id: each for each in found}
    paths: list[tuple[Collection, tuple[str, ...]]] = []
    for each in found:
        path, above = [each.name], each
        while above.parent:
            above = by_id[above.parent]
            path.insert(0, above.name)
        paths.append((each, tuple(path)))
    return sorted(paths, key=lambda pair: pair[1])


async def held(tx: Tx, owner: int, kinds: Sequence[str]) -> list[Row]:
    """Of all items of some kinds, but for what was removed and chats: collection, uid, blob."""
    places = items.places([0] * len(kinds))
    return await tx.rows(
        "SELECT item.collection, item.uid, item.blob FROM collection JOIN item"
        " ON item.owner = collection.owner AND item.collection = collection.id"
        f" WHERE collection.owner = ? AND collection.kind IN ({places})"
        " AND collection.role NOT IN ('trash', 'restored', 'chats')",
        owner,
        *kinds,
    )


async def identities(tx: Tx, owner: int, table: str, column: str, kinds: Sequence[str]) -> list[Row]:
    """Of all objects of some kinds: collection, uid, blob, and what each is known by."""
    places = items.places([0] * len(kinds))
    return await tx.rows(
        f"SELECT item.collection, item.uid, item.blob, {table}.{column} FROM collection"
        f" JOIN {table} ON {table}.owner = collection.owner AND {table}.collection = collection.id"
        f" JOIN item ON item.owner = {table}.owner AND item.collection = {table}.collection"
        f" AND item.uid = {table}.uid WHERE collection.owner = ? AND collection.kind IN ({places})",
        owner,
        *kinds,
    )
