# SPDX-License-Identifier: Apache-2.0
"""What fills an owner's space: by kind, by collection, and the largest items."""

from __future__ import annotations

import heapq
from typing import Final, NamedTuple

from armgs_server.storage import Store
from armgs_server.storage.tx import Tx

_PAGE: Final = 2000  # items looked at between two turns of the loop
_ITEMS: Final = 200_000  # items looked at in all


class Share(NamedTuple):
    """One kind, or one collection of it."""

    kind: str
    name: str
    items: int
    bytes: int


class Large(NamedTuple):
    """One item; `name` is a file's, or the subject of a message."""

    size: int
    kind: str
    place: str
    name: str


async def by_kind(tx: Tx, owner: int) -> list[Share]:
    """The kinds that hold anything, the largest first."""
    rows = await tx.rows(
        "SELECT kind, SUM(items), SUM(bytes) FROM collection WHERE owner = ? AND bytes > 0"
        " GROUP BY kind ORDER BY SUM(bytes) DESC",
        owner,
    )
    return [Share(kind, "", int(items), int(size)) for kind, items, size in rows]


async def by_collection(tx: Tx, owner: int, limit: int) -> list[Share]:
    """The largest collections."""
    rows = await tx.rows(
        "SELECT kind, name, items, bytes FROM collection WHERE owner = ? AND bytes > 0"
        " ORDER BY bytes DESC, id LIMIT ?",
        owner,
        limit,
    )
    return [Share(*row) for row in rows]


async def largest(store: Store, owner: int, limit: int) -> list[Large]:
    """The largest items among the first 200,000, the largest first."""
    found: list[tuple[int, int, int]] = []
    place, seen = (0, 0), 0
    while seen < _ITEMS:
        collection, uid = place
        page = await store.read(
            lambda tx, c=collection, u=uid: tx.rows(  # type: ignore[misc]
                "SELECT size, collection, uid FROM item WHERE owner = ?"
                " AND (collection > ? OR (collection = ? AND uid > ?))"
                " ORDER BY collection, uid LIMIT ?",
                owner,
                c,
                c,
                u,
                _PAGE,
            )
        )
        found = heapq.nlargest(limit, [*found, *page])
        if len(page) < _PAGE:
            break
        seen, place = seen + len(page), (page[-1][1], page[-1][2])
    return await store.read(lambda tx: _named(tx, owner, found))


async def _named(tx: Tx, owner: int, found: list[tuple[int, int, int]]) -> list[Large]:
    large: list[Large] = []
    for size, collection, uid in found:
        row = await tx.row(
            "SELECT c.kind, c.name, i.name, m.subject FROM item i"
            " JOIN collection c ON c.owner = i.owner AND c.id = i.collection"
            " LEFT JOIN message m ON m.owner = i.owner AND m.collection = i.collection AND m.uid = i.uid"
            " WHERE i.owner = ? AND i.collection = ? AND i.uid = ?",
            owner,
            collection,
            uid,
        )
        if row is not None:
            kind, place, name, subject = row
            large.append(Large(size, kind, place, name or subject or ""))
    return large
