# SPDX-License-Identifier: Apache-2.0
"""Annotations of mailboxes and of accounts (RFC 5464): a name and a value, for everybody or for one person.

Collection 0 is the account itself; principal 0 is everybody.
"""

from __future__ import annotations

from collections.abc import Mapping

from armgs_server.errors import TooLarge
from armgs_server.storage.tx import Tx


async def of(tx: Tx, owner: int, collection: int, principal: int) -> dict[str, bytes]:
    """All of one place that everybody or one person has, by name."""
    return {
        name: bytes(value)
        for name, value in await tx.rows(
            "SELECT name, value FROM annotation WHERE owner = ? AND collection = ? AND principal = ?"
            " ORDER BY name",
            owner,
            collection,
            principal,
        )
    }


def topic(owner: int) -> str:
    """Of the bus: who listens hears which entries were changed (RFC 5465 §5.6)."""
    return f"metadata:{owner}"


def parse_hint(data: bytes) -> tuple[int, int, list[str]]:
    """Collection, principal, and the names of the entries."""
    head, _, entries = data.decode("utf-8").partition("\n")
    collection, principal = head.split(" ")
    return int(collection), int(principal), entries.split("\n")


async def change(
    tx: Tx, owner: int, collection: int, principal: int, values: Mapping[str, bytes | None], limit: int
) -> None:
    """Sets values, and removes those that are None. TooLarge where one place would have more than `limit`."""
    for name, value in values.items():
        await tx.execute(
            "DELETE FROM annotation WHERE owner = ? AND collection = ? AND principal = ? AND name = ?",
            owner,
            collection,
            principal,
            name,
        )
        if value is not None:
            await tx.execute(
                "INSERT INTO annotation (owner, collection, principal, name, value) VALUES (?, ?, ?, ?, ?)",
                owner,
                collection,
                principal,
                name,
                value,
            )
    tx.publish(topic(owner), f"{collection} {principal}\n{chr(10).join(values)}".encode())
    count = await tx.value(
        "SELECT COUNT(*) FROM annotation WHERE owner = ? AND collection = ? AND principal = ?",
        owner,
        collection,
        principal,
    )
    if count > limit:
        raise TooLarge(f"more than {limit} annotations")
