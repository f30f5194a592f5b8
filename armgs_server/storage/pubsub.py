# SPDX-License-Identifier: Apache-2.0
"""XEP-0163: nodes that an owner publishes items to. An item is kept as its ready `<item/>` element."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from armgs_server.storage import clock
from armgs_server.storage.tx import Tx

_IN_LIMIT = 500  # owners named in one query


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """One item; `payload` is the `<item/>` element."""

    owner: int
    node: str
    id: str
    payload: bytes


async def config(tx: Tx, owner: int, node: str) -> dict[str, str] | None:
    """A node's configuration, or None where there is no such node."""
    value = await tx.value("SELECT config FROM pubsub_node WHERE owner = ? AND node = ?", owner, node)
    if value is None:
        return None
    found: dict[str, str] = json.loads(value)
    return found


async def configure(tx: Tx, owner: int, node: str, values: Mapping[str, str]) -> None:
    """Makes a node, or changes its configuration."""
    await tx.execute(
        "INSERT INTO pubsub_node (owner, node, config) VALUES (?, ?, ?)"
        " ON CONFLICT (owner, node) DO UPDATE SET config = excluded.config",
        owner,
        node,
        json.dumps(dict(values), ensure_ascii=False),
    )


async def nodes(tx: Tx, owner: int) -> dict[str, dict[str, str]]:
    """Every node of an owner, with its configuration."""
    rows = await tx.rows("SELECT node, config FROM pubsub_node WHERE owner = ? ORDER BY node", owner)
    return {node: json.loads(value) for node, value in rows}


async def delete(tx: Tx, owner: int, node: str) -> bool:
    """The node with its items; whether there was one."""
    await purge(tx, owner, node)
    return await tx.execute("DELETE FROM pubsub_node WHERE owner = ? AND node = ?", owner, node) > 0


async def purge(tx: Tx, owner: int, node: str) -> None:
    """All items of a node."""
    await tx.execute("DELETE FROM pubsub_item WHERE owner = ? AND node = ?", owner, node)


async def publish(tx: Tx, owner: int, node: str, item_id: str, payload: bytes, max_items: int) -> None:
    """Adds or replaces an item; the oldest beyond `max_items` go."""
    await tx.execute(
        "INSERT INTO pubsub_item (owner, node, id, published, payload) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, node, id) DO UPDATE SET published = excluded.published,"
        " payload = excluded.payload",
        owner,
        node,
        item_id,
        clock.unique_id(),
        payload,
    )
    surplus = await tx.rows(
        "SELECT id FROM pubsub_item WHERE owner = ? AND node = ? ORDER BY published DESC LIMIT ? OFFSET ?",
        owner,
        node,
        1000,
        max_items,
    )
    await retract(tx, owner, node, [row[0] for row in surplus])


async def retract(tx: Tx, owner: int, node: str, ids: Sequence[str]) -> int:
    """Removes items; how many there were."""
    removed = 0
    for item_id in ids:
        removed += await tx.execute(
            "DELETE FROM pubsub_item WHERE owner = ? AND node = ? AND id = ?", owner, node, item_id
        )
    return removed


async def items(
    tx: Tx, owner: int, node: str, *, ids: Sequence[str] = (), limit: int = 1000
) -> list[PublishedItem]:
    """The newest items of a node, oldest of them first; or those with certain ids."""
    rows = await tx.rows(
        "SELECT id, payload FROM pubsub_item WHERE owner = ? AND node = ? ORDER BY published DESC LIMIT ?",
        owner,
        node,
        limit if not ids else 1000,
    )
    found = [PublishedItem(owner, node, row[0], bytes(row[1])) for row in reversed(rows)]
    return [item for item in found if item.id in ids] if ids else found


async def last_items(tx: Tx, owners: Iterable[int]) -> list[PublishedItem]:
    """Of each node of these owners the item published last."""
    wanted = sorted(set(owners))
    found = []
    for start in range(0, len(wanted), _IN_LIMIT):
        part = wanted[start : start + _IN_LIMIT]
        rows = await tx.rows(
            "SELECT i.owner, i.node, i.id, i.payload FROM pubsub_item i"
            f" WHERE i.owner IN ({', '.join('?' * len(part))}) AND i.published ="
            " (SELECT MAX(j.published) FROM pubsub_item j WHERE j.owner = i.owner AND j.node = i.node)"
            " ORDER BY i.published",
            *part,
        )
        found += [PublishedItem(row[0], row[1], row[2], bytes(row[3])) for row in rows]
    return found
