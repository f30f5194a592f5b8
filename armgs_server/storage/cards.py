# SPDX-License-Identifier: Apache-2.0
"""Index of address objects: one `card` row each, with the text that people search for."""

from __future__ import annotations

from armgs_server.errors import AlreadyExists
from armgs_server.formats.vcard import Card, search_text
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

FN_LENGTH = 250  # characters kept for listings
SEARCH_LENGTH = 20_000  # characters searched in one card


async def put(tx: Tx, item: Item, card: Card) -> None:
    """The row of an item that was added or replaced.

    AlreadyExists when another item of the collection has its UID, or this one had another before.
    """
    rows = await tx.rows(
        "SELECT uid, card_uid FROM card WHERE owner = ? AND collection = ? AND uid = ?"
        " UNION ALL SELECT uid, card_uid FROM card WHERE owner = ? AND collection = ? AND card_uid = ?",
        item.owner,
        item.collection,
        item.uid,
        item.owner,
        item.collection,
        card.uid,
    )
    if any(row != (item.uid, card.uid) for row in rows):
        raise AlreadyExists("the UID belongs to another card of the book, or the card had another UID")
    await tx.execute(
        "INSERT INTO card (owner, collection, uid, card_uid, fn, search) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, collection, uid) DO UPDATE SET card_uid = excluded.card_uid,"
        " fn = excluded.fn, search = excluded.search",
        item.owner,
        item.collection,
        item.uid,
        card.uid,
        card.fn[:FN_LENGTH],
        search_text(card)[:SEARCH_LENGTH],
    )


async def name_of_holder(tx: Tx, owner: int, collection: int, card_uid: str) -> str | None:
    """The name of the item that has this UID."""
    found: str | None = await tx.value(
        "SELECT name FROM card JOIN item USING (owner, collection, uid)"
        " WHERE owner = ? AND collection = ? AND card_uid = ?",
        owner,
        collection,
        card_uid,
    )
    return found


async def containing(tx: Tx, owner: int, collection: int, text: str) -> list[int]:
    """The items whose search text contains `text` (casefolded by the caller), in the order of uids."""
    rows = await tx.rows(
        "SELECT uid FROM card WHERE owner = ? AND collection = ? AND search LIKE ? ESCAPE '!' ORDER BY uid",
        owner,
        collection,
        f"%{_escape_like(text)}%",
    )
    return [row[0] for row in rows]


def _escape_like(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
