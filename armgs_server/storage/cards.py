# SPDX-License-Identifier: Apache-2.0
"""Index of address objects: one `card` row each, with the text that people search for."""

from __future__ import annotations

from typing import NamedTuple

from armgs_server.errors import AlreadyExists
from armgs_server.formats import anniversaries
from armgs_server.formats.vcard import Card, search_text
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Row, Tx

FN_LENGTH = 250  # characters kept for listings
SEARCH_LENGTH = 20_000  # characters searched in one card


class Dated(NamedTuple):
    """A card with days that come again each year (formats.anniversaries)."""

    collection: int
    uid: int
    card_uid: str
    fn: str
    days: str


class Indexed(NamedTuple):
    """What the index has of a card."""

    card_uid: str
    fn: str
    search: str
    days: str


def indexed(card: Card) -> Indexed:
    """The same for the same card, in whichever book."""
    days = anniversaries.to_text(anniversaries.days(card))
    return Indexed(card.uid, card.fn[:FN_LENGTH], search_text(card)[:SEARCH_LENGTH], days)


async def put(tx: Tx, item: Item, card: Card) -> bool:
    """The row of an item that was added or replaced; whether its days, or whose they are, became others.

    AlreadyExists when another item of the collection has its UID, or this one had another before.
    """
    return await put_indexed(tx, item, indexed(card))


async def put_indexed(tx: Tx, item: Item, card: Indexed, *, is_new: bool = False) -> bool:
    """The same; `is_new`: no item of the collection has its UID, and the item has no row."""
    rows = [] if is_new else await _rows(tx, item, card.card_uid)
    if any(row[:2] != (item.uid, card.card_uid) for row in rows):
        raise AlreadyExists("the UID belongs to another card of the book, or the card had another UID")
    await tx.execute(
        "INSERT INTO card (owner, collection, uid, card_uid, fn, search, days) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (owner, collection, uid) DO UPDATE SET card_uid = excluded.card_uid,"
        " fn = excluded.fn, search = excluded.search, days = excluded.days",
        item.owner,
        item.collection,
        item.uid,
        *card,
    )
    was = (rows[0][2], rows[0][3]) if rows else ("", "")
    return bool(was[1] or card.days) and was != (card.fn, card.days)


async def _rows(tx: Tx, item: Item, card_uid: str) -> list[Row]:
    """Of the item, and of the UID."""
    return await tx.rows(
        "SELECT uid, card_uid, fn, days FROM card WHERE owner = ? AND collection = ? AND uid = ?"
        " UNION ALL SELECT uid, card_uid, fn, days FROM card"
        " WHERE owner = ? AND collection = ? AND card_uid = ?",
        item.owner,
        item.collection,
        item.uid,
        item.owner,
        item.collection,
        card_uid,
    )


async def dated(tx: Tx, owner: int, card_uid: str = "", limit: int = 100) -> list[Dated]:
    """The cards with days in all books of an owner, or those of one UID."""
    of_one = " AND card_uid = ?" if card_uid else ""
    rows = await tx.rows(
        "SELECT collection, uid, card_uid, fn, days FROM card WHERE owner = ? AND days <> ''"
        f"{of_one} ORDER BY collection, uid LIMIT ?",
        *(owner, *((card_uid,) if card_uid else ()), limit),
    )
    return list(map(Dated._make, rows))


async def dated_uid(tx: Tx, item: Item) -> str | None:
    """The UID of the card, where it has days."""
    found: str | None = await tx.value(
        "SELECT card_uid FROM card WHERE owner = ? AND collection = ? AND uid = ? AND days <> ''",
        item.owner,
        item.collection,
        item.uid,
    )
    return found


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
