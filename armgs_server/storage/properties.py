# SPDX-License-Identifier: Apache-2.0
"""Dead properties of items and collections (RFC 4918 §4.1): name to an element as canonical XML.

uid 0 is the collection itself. They go with the item when it is removed, and are copied with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from armgs_server.errors import TooLarge
from armgs_server.storage.tx import Tx

# Of one resource; what a client keeps beside a document is small.
MAX_PROPERTIES = 200
MAX_CHARACTERS = 256 * 1024
BATCH = 500


async def of(tx: Tx, owner: int, collection: int, uid: int = 0) -> dict[str, str]:
    """All properties of one resource."""
    return dict(
        await tx.rows(
            "SELECT name, value FROM property WHERE owner = ? AND collection = ? AND uid = ? ORDER BY name",
            owner,
            collection,
            uid,
        )
    )


async def of_items(tx: Tx, owner: int, collection: int, first: int, last: int) -> dict[int, dict[str, str]]:
    """Properties of the items whose uid lies between two others, both included."""
    found: dict[int, dict[str, str]] = {}
    for uid, name, value in await tx.rows(
        "SELECT uid, name, value FROM property WHERE owner = ? AND collection = ? AND uid BETWEEN ? AND ?"
        " ORDER BY uid, name",
        owner,
        collection,
        first,
        last,
    ):
        found.setdefault(uid, {})[name] = value
    return found


async def any_of_items(tx: Tx, owner: int, collection: int) -> bool:
    """Whether any item of a collection has a property."""
    row = await tx.row(
        "SELECT 1 FROM property WHERE owner = ? AND collection = ? AND uid > 0 LIMIT 1", owner, collection
    )
    return row is not None


async def of_collections(tx: Tx, owner: int, collections: Sequence[int]) -> dict[int, dict[str, str]]:
    """Properties of several collections of one owner."""
    found: dict[int, dict[str, str]] = {}
    for start in range(0, len(collections), BATCH):
        batch = collections[start : start + BATCH]
        places = ", ".join("?" * len(batch))
        for collection, name, value in await tx.rows(
            "SELECT collection, name, value FROM property WHERE owner = ? AND uid = 0"
            f" AND collection IN ({places}) ORDER BY collection, name",
            owner,
            *batch,
        ):
            found.setdefault(collection, {})[name] = value
    return found


async def change(tx: Tx, owner: int, collection: int, uid: int, values: Mapping[str, str | None]) -> None:
    """Sets properties, and removes those whose value is None. TooLarge beyond the bounds above."""
    for name, value in values.items():
        if value is None:
            await tx.execute(
                "DELETE FROM property WHERE owner = ? AND collection = ? AND uid = ? AND name = ?",
                owner,
                collection,
                uid,
                name,
            )
        else:
            await tx.execute(
                "INSERT INTO property (owner, collection, uid, name, value) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (owner, collection, uid, name) DO UPDATE SET value = excluded.value",
                owner,
                collection,
                uid,
                name,
                value,
            )
    count, characters = await tx.row(
        "SELECT COUNT(*), COALESCE(SUM(LENGTH(name) + LENGTH(value)), 0) FROM property"
        " WHERE owner = ? AND collection = ? AND uid = ?",
        owner,
        collection,
        uid,
    ) or (0, 0)
    if count > MAX_PROPERTIES or characters > MAX_CHARACTERS:
        raise TooLarge("too many properties")


async def copy(tx: Tx, source: tuple[int, int, int], target: tuple[int, int, int]) -> None:
    """Gives the target (owner, collection, uid) exactly the properties of the source."""
    await tx.execute("DELETE FROM property WHERE owner = ? AND collection = ? AND uid = ?", *target)
    await tx.execute(
        "INSERT INTO property (owner, collection, uid, name, value)"
        " SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), name, value FROM property"
        " WHERE owner = ? AND collection = ? AND uid = ?",
        *target,
        *source,
    )
