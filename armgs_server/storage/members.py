# SPDX-License-Identifier: Apache-2.0
"""Members of a collection with their bytes in one query: what calendar and address book reports answer with.

Bytes are None where they lie in the blob engine; whoever needs those reads them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from armgs_server.storage.items import COLUMNS, IN_LIMIT, Item
from armgs_server.storage.tx import Row, Tx

T = TypeVar("T", int, str)
_LENGTHS = (1, 5, 25, 100, 200, IN_LIMIT)
_SELECT = (
    f"SELECT {COLUMNS}, data FROM item JOIN blob ON hash = blob WHERE owner = ? AND collection = ?".replace(
        "size", "item.size"
    )
)

_SELECT_NAMED = (
    "WITH wanted(name) AS (SELECT DISTINCT column1 FROM (VALUES {}) AS given)"
    f" SELECT {', '.join(f'item.{column}' for column in COLUMNS.split(', '))}, data"
    " FROM wanted CROSS JOIN item JOIN blob ON hash = blob"
    " WHERE owner = ? AND collection = ? AND item.name = wanted.name"
)


async def by_uids(
    tx: Tx, owner: int, collection: int, uids: Sequence[int]
) -> list[tuple[Item, bytes | None]]:
    """Those of the uids that are there; at most IN_LIMIT of them at a time."""
    if not uids:
        return []
    padded = _padded(uids)
    places = ", ".join("?" * len(padded))
    return _members(
        await tx.rows(f"{_SELECT} AND uid IN ({places}) ORDER BY uid", owner, collection, *padded)
    )


async def by_names(
    tx: Tx, owner: int, collection: int, names: Sequence[str]
) -> list[tuple[Item, bytes | None]]:
    """Those of the names that are there; at most IN_LIMIT of them at a time."""
    if not names:
        return []
    padded = _padded(names)
    return _members(await tx.rows(named(len(padded)), *padded, owner, collection))


def named(count: int) -> str:
    """The query for so many names, then the owner and the collection.

    With `name IN (…)` SQLite looks through the whole collection: it takes that for ten rows.
    """
    return _SELECT_NAMED.format("(CAST(? AS TEXT))" + ", (?)" * (count - 1))


async def all_uids(tx: Tx, owner: int, collection: int) -> list[int]:
    """The uids of all members."""
    rows = await tx.rows(
        "SELECT uid FROM item WHERE owner = ? AND collection = ? ORDER BY uid", owner, collection
    )
    return [row[0] for row in rows]


def _padded(values: Sequence[T]) -> list[T]:
    """The last one repeated: lists of a few lengths make few statements, which the engines keep prepared."""
    length = next(each for each in _LENGTHS if each >= len(values))
    padded = list(values)
    padded += padded[-1:] * (length - len(padded))
    return padded


def _members(rows: list[Row]) -> list[tuple[Item, bytes | None]]:
    return [(Item(*row[:-1]), None if row[-1] is None else bytes(row[-1])) for row in rows]
