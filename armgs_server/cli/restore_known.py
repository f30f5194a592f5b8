# SPDX-License-Identifier: Apache-2.0
"""Whether something that a backup has is there now: by bytes for mail, by UID for calendars and contacts, by
name for files.

Mail that was moved, and events that are in another calendar now, are there. What lies in the trash is not.
"""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

from armgs_server.storage import items, returned
from armgs_server.storage.collections import Collection
from armgs_server.storage.returned import CALENDARS, Returning
from armgs_server.storage.tx import Row, Tx

_COPIES: Final = uuid.UUID("0b0f7e0e-6a34-5b7c-9c39-5d1c0c6f3c55")
PAGE: Final = 1000


class Place(NamedTuple):
    """Where something is now, and the hash of its bytes."""

    collection: int
    uid: int
    blob: bytes


def key_of(kind: str, each: Returning) -> Hashable:
    """By what it is the same thing."""
    return each.item.blob if kind == "mail" else each.id


def copy_uid(ical_uid: str, blob: bytes) -> str:
    """The UID of a copy of an object whose own one is in use: the same each time."""
    return str(uuid.uuid5(_COPIES, f"{ical_uid} {blob.hex()}"))


class Known:
    """What is there, by its key."""

    def __init__(self, found: dict[Hashable, Place] | None = None) -> None:
        self._found = found or {}

    def place(self, key: Hashable) -> Place | None:
        return self._found.get(key)

    def note(self, key: Hashable, place: Place) -> None:
        self._found.setdefault(key, place)

    @classmethod
    async def of_owner(cls, tx: Tx, owner: int, kind: str) -> Known:
        """In all mailboxes, or in all calendars and task lists, of an owner."""
        if kind == "mail":
            return cls(_by_key([(*row, row[2]) for row in await returned.held(tx, owner, ("mail",))]))
        return cls(_by_key(await returned.identities(tx, owner, "event", "ical_uid", CALENDARS)))

    @classmethod
    async def of_collection(cls, tx: Tx, collection: Collection) -> Known:
        """In one collection."""
        found: dict[Hashable, Place] = {}
        after = 0
        while page := await items.scan(tx, collection.owner, collection.id, after, PAGE):
            after = page[-1].uid
            names = await _names(tx, collection, [item.uid for item in page])
            for item in page:
                key = item.blob if collection.kind == "mail" else names.get(item.uid, item.name)
                found.setdefault(key, Place(item.collection, item.uid, item.blob))
        return cls(found)


async def _names(tx: Tx, collection: Collection, uids: list[int]) -> dict[int, str]:
    table, column = {"addressbook": ("card", "card_uid")}.get(collection.kind, ("event", "ical_uid"))
    if collection.kind in ("mail", "files"):
        return {}
    rows = await tx.rows(
        f"SELECT uid, {column} FROM {table} WHERE owner = ? AND collection = ? AND uid >= ? AND uid <= ?",
        *(collection.owner, collection.id, uids[0], uids[-1]),
    )
    return {row[0]: row[1] for row in rows}


def _by_key(rows: Sequence[Row]) -> dict[Hashable, Place]:
    """Of rows of collection, uid, blob and key."""
    found: dict[Hashable, Place] = {}
    for collection, uid, blob, key in rows:
        found.setdefault(key, Place(collection, uid, blob))
    return found
