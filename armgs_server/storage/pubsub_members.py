# SPDX-License-Identifier: Apache-2.0
"""XEP-0060: who has which standing at a node, who gets what is published there, and where it moved to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armgs_server.storage.tx import Tx

_COLUMNS = "owner, node, jid, subid, bare, service, state, options, expires"


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where the events of a node go: to `jid`, from `service`; `bare` may change it."""

    owner: int
    node: str
    jid: str
    subid: str
    bare: str
    service: str
    state: str  # subscribed, pending
    options: Mapping[str, Any]
    expires: int  # 0: never


# Affiliations


async def affiliation(tx: Tx, owner: int, node: str, jid: str) -> str:
    """The standing of a bare JID, `none` where it has none."""
    value = await tx.value(
        "SELECT affiliation FROM pubsub_affiliation WHERE owner = ? AND node = ? AND jid = ?",
        owner,
        node,
        jid,
    )
    return "none" if value is None else str(value)


async def affiliations(tx: Tx, owner: int, node: str) -> dict[str, str]:
    """Everybody's standing."""
    rows = await tx.rows(
        "SELECT jid, affiliation FROM pubsub_affiliation WHERE owner = ? AND node = ? ORDER BY jid",
        owner,
        node,
    )
    return {jid: found for jid, found in rows}


async def affiliations_of(tx: Tx, owner: int, jid: str) -> list[tuple[str, str]]:
    """(node, affiliation) of a bare JID at all nodes of an owner."""
    rows = await tx.rows(
        "SELECT node, affiliation FROM pubsub_affiliation WHERE jid = ? AND owner = ? ORDER BY node",
        jid,
        owner,
    )
    return [(node, found) for node, found in rows]


async def set_affiliation(tx: Tx, owner: int, node: str, jid: str, value: str) -> None:
    """Keeps a standing; `none` is kept by having no row."""
    if value == "none":
        await tx.execute(
            "DELETE FROM pubsub_affiliation WHERE owner = ? AND node = ? AND jid = ?", owner, node, jid
        )
        return
    await tx.execute(
        "INSERT INTO pubsub_affiliation (owner, node, jid, affiliation) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (owner, node, jid) DO UPDATE SET affiliation = excluded.affiliation",
        owner,
        node,
        jid,
        value,
    )


# Subscriptions


async def subscriptions(
    tx: Tx, owner: int, node: str, now: int, *, after: str = "", limit: int = 1_000_000
) -> list[Subscription]:
    """Subscriptions of a node that have not expired, in the order of their JIDs."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM pubsub_subscription WHERE owner = ? AND node = ? AND jid > ?"
        " AND (expires = 0 OR expires > ?) ORDER BY jid, subid LIMIT ?",
        owner,
        node,
        after,
        now,
        limit,
    )
    return [_subscription(row) for row in rows]


async def subscriptions_of(
    tx: Tx, owner: int, bare: str, now: int, node: str | None = None
) -> list[Subscription]:
    """Those of one bare JID, with whatever resource, at one node or at all nodes of an owner."""
    query = (
        f"SELECT {_COLUMNS} FROM pubsub_subscription WHERE bare = ? AND owner = ?"
        " AND (expires = 0 OR expires > ?)"
    )
    if node is None:
        rows = await tx.rows(f"{query} ORDER BY node, jid, subid", bare, owner, now)
    else:
        rows = await tx.rows(f"{query} AND node = ? ORDER BY jid, subid", bare, owner, now, node)
    return [_subscription(row) for row in rows]


async def count_subscribers(tx: Tx, owner: int, node: str, now: int) -> int:
    """How many subscriptions are in force."""
    query = (
        "SELECT COUNT(*) FROM pubsub_subscription WHERE owner = ? AND node = ? AND state = 'subscribed'"
        " AND (expires = 0 OR expires > ?)"
    )
    return int(await tx.value(query, owner, node, now))


async def pending_nodes(tx: Tx, owner: int) -> list[str]:
    """Nodes of an owner at which somebody waits to be approved."""
    query = (
        "SELECT DISTINCT node FROM pubsub_subscription WHERE owner = ? AND state = 'pending' ORDER BY node"
    )
    return [row[0] for row in await tx.rows(query, owner)]


async def put(tx: Tx, subscription: Subscription) -> None:
    """Adds a subscription, or changes its state and options."""
    await tx.execute(
        f"INSERT INTO pubsub_subscription ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, node, jid, subid) DO UPDATE SET state = excluded.state,"
        " options = excluded.options, expires = excluded.expires",
        subscription.owner,
        subscription.node,
        subscription.jid,
        subscription.subid,
        subscription.bare,
        subscription.service,
        subscription.state,
        json.dumps(dict(subscription.options), ensure_ascii=False),
        subscription.expires,
    )


async def remove(tx: Tx, subscription: Subscription) -> None:
    """Takes a subscription away."""
    await tx.execute(
        "DELETE FROM pubsub_subscription WHERE owner = ? AND node = ? AND jid = ? AND subid = ?",
        subscription.owner,
        subscription.node,
        subscription.jid,
        subscription.subid,
    )


async def sweep(tx: Tx, owner: int, node: str, now: int) -> None:
    """Removes the subscriptions of a node that have expired."""
    await tx.execute(
        "DELETE FROM pubsub_subscription WHERE owner = ? AND node = ? AND expires > 0 AND expires <= ?",
        owner,
        node,
        now,
    )


async def forget_person(tx: Tx, jid: str) -> None:
    """Takes somebody out of all nodes: who gets the address later has no rights there."""
    await tx.execute("DELETE FROM pubsub_affiliation WHERE jid = ?", jid)
    await tx.execute("DELETE FROM pubsub_subscription WHERE bare = ?", jid)


def _subscription(row: Sequence[Any]) -> Subscription:
    owner, node, jid, subid, bare, service, state, options, expires = row
    return Subscription(owner, node, jid, subid, bare, service, state, json.loads(options), expires)


# Redirects


async def redirect(tx: Tx, owner: int, node: str) -> str | None:
    """§8.4: where a deleted node has moved to."""
    value = await tx.value("SELECT uri FROM pubsub_redirect WHERE owner = ? AND node = ?", owner, node)
    return None if value is None else str(value)


async def set_redirect(tx: Tx, owner: int, node: str, uri: str) -> None:
    """Remembers it; there is no such node any more."""
    await tx.execute(
        "INSERT INTO pubsub_redirect (owner, node, uri) VALUES (?, ?, ?)"
        " ON CONFLICT (owner, node) DO UPDATE SET uri = excluded.uri",
        owner,
        node,
        uri,
    )


async def forget_redirect(tx: Tx, owner: int, node: str) -> None:
    """There is a node of that name again."""
    await tx.execute("DELETE FROM pubsub_redirect WHERE owner = ? AND node = ?", owner, node)
