# SPDX-License-Identifier: Apache-2.0
"""XEP-0060: nodes that items are published to. An item is kept as its ready `<item/>` element.

A node belongs to an owner: a person (XEP-0163), or a department, whose nodes are those of its service.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

_IN_LIMIT = 200  # owners named in one query
_TABLES = ("pubsub_item", "pubsub_affiliation", "pubsub_subscription", "pubsub_redirect", "pubsub_node")
_SURPLUS = 1000  # items that one publication may push out
TIME_SHIFT = 10  # `published` is microseconds times 1024: see clock.unique_id


@dataclass(frozen=True, slots=True)
class Node:
    """A node; `config` is what its protocol makes of it."""

    owner: int
    name: str
    creator: str
    created: int
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """One item; `payload` is the `<item/>` element."""

    owner: int
    node: str
    id: str
    payload: bytes
    published: int = 0
    publisher: str = ""

    @property
    def time(self) -> int:
        """When it was published, in microseconds."""
        return self.published >> TIME_SHIFT


async def get(tx: Tx, owner: int, node: str) -> Node | None:
    """A node, or None where there is no such node."""
    row = await tx.row(
        "SELECT creator, created, config FROM pubsub_node WHERE owner = ? AND node = ?", owner, node
    )
    return None if row is None else Node(owner, node, row[0], row[1], json.loads(row[2]))


async def config(tx: Tx, owner: int, node: str) -> Mapping[str, Any] | None:
    """A node's configuration, or None where there is no such node."""
    found = await get(tx, owner, node)
    return None if found is None else found.config


async def configure(tx: Tx, owner: int, node: str, values: Mapping[str, Any], creator: str = "") -> None:
    """Makes a node, or changes its configuration."""
    await tx.execute(
        "INSERT INTO pubsub_node (owner, node, creator, created, config) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, node) DO UPDATE SET config = excluded.config",
        owner,
        node,
        creator,
        clock.now(),
        json.dumps(dict(values), ensure_ascii=False),
    )


async def page(tx: Tx, owner: int, *, after: str = "", limit: int = 1000) -> list[Node]:
    """Nodes of an owner in the order of their names."""
    rows = await tx.rows(
        "SELECT node, creator, created, config FROM pubsub_node WHERE owner = ? AND node > ?"
        " ORDER BY node LIMIT ?",
        owner,
        after,
        limit,
    )
    return [Node(owner, node, creator, created, json.loads(value)) for node, creator, created, value in rows]


async def nodes(tx: Tx, owner: int) -> dict[str, Mapping[str, Any]]:
    """Every node of an owner, with its configuration."""
    return {node.name: node.config for node in await page(tx, owner, limit=1_000_000)}


async def count(tx: Tx, owner: int, creator: str | None = None) -> int:
    """How many nodes there are, or how many somebody has made."""
    query = "SELECT COUNT(*) FROM pubsub_node WHERE owner = ?"
    if creator is None:
        return int(await tx.value(query, owner))
    return int(await tx.value(f"{query} AND creator = ?", owner, creator))


async def delete(tx: Tx, owner: int, node: str) -> bool:
    """The node with its items, affiliations and subscriptions; whether there was one."""
    removed = 0
    for table in _TABLES:
        removed = await tx.execute(f"DELETE FROM {table} WHERE owner = ? AND node = ?", owner, node)
    return removed > 0


async def delete_all(tx: Tx, owner: int) -> None:
    """Everything of an owner."""
    for table in _TABLES:
        await tx.execute(f"DELETE FROM {table} WHERE owner = ?", owner)


async def purge(tx: Tx, owner: int, node: str) -> None:
    """All items of a node."""
    await tx.execute("DELETE FROM pubsub_item WHERE owner = ? AND node = ?", owner, node)


async def publish(
    tx: Tx,
    owner: int,
    node: str,
    item_id: str,
    payload: bytes,
    max_items: int,
    publisher: str = "",
) -> list[str]:
    """Adds or replaces an item; the oldest beyond `max_items` go, their ids are told."""
    await tx.execute(
        "INSERT INTO pubsub_item (owner, node, id, published, publisher, payload) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, node, id) DO UPDATE SET published = excluded.published,"
        " publisher = excluded.publisher, payload = excluded.payload",
        owner,
        node,
        item_id,
        clock.unique_id(),
        publisher,
        payload,
    )
    return await trim(tx, owner, node, max_items)


async def trim(tx: Tx, owner: int, node: str, max_items: int) -> list[str]:
    """Removes the oldest items beyond `max_items`; their ids."""
    surplus = await tx.rows(
        "SELECT id FROM pubsub_item WHERE owner = ? AND node = ? ORDER BY published DESC LIMIT ? OFFSET ?",
        owner,
        node,
        _SURPLUS,
        max_items,
    )
    gone = [row[0] for row in reversed(surplus)]
    await retract(tx, owner, node, gone)
    return gone


async def retract(tx: Tx, owner: int, node: str, ids: Sequence[str]) -> int:
    """Removes items; how many there were."""
    removed = 0
    for item_id in ids:
        removed += await tx.execute(
            "DELETE FROM pubsub_item WHERE owner = ? AND node = ? AND id = ?", owner, node, item_id
        )
    return removed


async def expire(tx: Tx, owner: int, node: str, before: int) -> None:
    """Removes what was published before that time."""
    await tx.execute(
        "DELETE FROM pubsub_item WHERE owner = ? AND node = ? AND published < ?",
        owner,
        node,
        before << TIME_SHIFT,
    )


async def count_items(tx: Tx, owner: int, node: str) -> int:
    """How many items a node has."""
    query = "SELECT COUNT(*) FROM pubsub_item WHERE owner = ? AND node = ?"
    return int(await tx.value(query, owner, node))


async def count_before(tx: Tx, owner: int, node: str, published: int) -> int:
    """How many items were published before that place in the order."""
    query = "SELECT COUNT(*) FROM pubsub_item WHERE owner = ? AND node = ? AND published < ?"
    return int(await tx.value(query, owner, node, published))


async def item(tx: Tx, owner: int, node: str, item_id: str) -> PublishedItem | None:
    """One item."""
    row = await tx.row(
        "SELECT id, payload, published, publisher FROM pubsub_item WHERE owner = ? AND node = ? AND id = ?",
        owner,
        node,
        item_id,
    )
    return None if row is None else _item(owner, node, row)


async def items(
    tx: Tx,
    owner: int,
    node: str,
    *,
    ids: Sequence[str] = (),
    limit: int = 1000,
    since: int = 0,
    before: int = 0,
    after: int = 0,
    is_oldest_first: bool = False,
    budget: int = 0,
) -> list[PublishedItem]:
    """The newest items of a node, oldest of them first; or those with certain ids.

    `since` is a time; `before` and `after` are places in the order of publishing, the item there left out.
    No more items are read than the `budget` in bytes allows, one at least.
    """
    if ids:
        return await _named(tx, owner, node, ids, since, budget)
    direction = "ASC" if is_oldest_first else "DESC"
    bounds = (owner, node, max(since << TIME_SHIFT, after), before or (1 << 63) - 1)
    if budget:
        sizes = await tx.rows(
            "SELECT LENGTH(payload) FROM pubsub_item WHERE owner = ? AND node = ?"
            f" AND published > ? AND published < ? ORDER BY published {direction} LIMIT ?",
            *bounds,
            limit,
        )
        limit = _affordable((row[0] for row in sizes), budget)
    rows = await tx.rows(
        "SELECT id, payload, published, publisher FROM pubsub_item WHERE owner = ? AND node = ?"
        f" AND published > ? AND published < ? ORDER BY published {direction} LIMIT ?",
        *bounds,
        limit,
    )
    return [_item(owner, node, row) for row in (rows if is_oldest_first else reversed(rows))]


async def _named(
    tx: Tx, owner: int, node: str, ids: Sequence[str], since: int, budget: int
) -> list[PublishedItem]:
    found: list[PublishedItem] = []
    size = 0
    for item_id in dict.fromkeys(ids):
        one = await item(tx, owner, node, item_id)
        if one is not None and one.time >= since:
            size += len(one.payload)
            if found and budget and size > budget:
                break
            found.append(one)
    return sorted(found, key=lambda each: each.published)


def _affordable(sizes: Iterable[int], budget: int) -> int:
    """How many of the first fit, one at least."""
    number = 0
    for size in sizes:
        budget -= size
        if number and budget < 0:
            break
        number += 1
    return number


async def size_of(tx: Tx, owner: int) -> int:
    """Bytes of all items of an owner."""
    return int(
        await tx.value("SELECT COALESCE(SUM(LENGTH(payload)), 0) FROM pubsub_item WHERE owner = ?", owner)
    )


def _item(owner: int, node: str, row: Sequence[Any]) -> PublishedItem:
    return PublishedItem(owner, node, row[0], bytes(row[1]), row[2], row[3])


async def last_items(
    tx: Tx, owners: Iterable[int], wanted: Collection[str] | None = None
) -> list[PublishedItem]:
    """Of each node of these owners, or of the nodes with these names, the item published last."""
    every, names = sorted(set(owners)), sorted(wanted or ())
    found = []
    if wanted is not None and not names:
        return []
    named = f" AND i.node IN ({', '.join('?' * len(names))})" if names else ""
    for start in range(0, len(every), _IN_LIMIT):
        part = every[start : start + _IN_LIMIT]
        rows = await tx.rows(
            "SELECT i.owner, i.node, i.id, i.payload, i.published, i.publisher FROM pubsub_item i"
            f" WHERE i.owner IN ({', '.join('?' * len(part))}){named} AND i.published ="
            " (SELECT MAX(j.published) FROM pubsub_item j WHERE j.owner = i.owner AND j.node = i.node)"
            " ORDER BY i.published",
            *part,
            *names,
        )
        found += [PublishedItem(row[0], row[1], row[2], bytes(row[3]), row[4], row[5]) for row in rows]
    return found
