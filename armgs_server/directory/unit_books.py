# SPDX-License-Identifier: Apache-2.0
"""The small address book of a unit, which phones keep: its people, and who leads it, the units above and the
department.

The card is the department's own, byte for byte, so it is stored once; it is put into every book it belongs
in, and taken out of the others, by the transaction that changes the person. `unit_card` says where it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from armgs_server.directory import lookup
from armgs_server.directory.access import DEPARTMENT_BOOK, put_grant
from armgs_server.directory.model import Principal
from armgs_server.directory.surroundings import Surroundings
from armgs_server.storage import accounts, cards, collections, items
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.cards import Indexed
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

NAME: Final = "unit"
CONTENT_TYPE: Final = "text/vcard;charset=utf-8"


class Kept(NamedTuple):
    """A card as the books keep it: its name there, its bytes, its row of the index."""

    name: str
    ref: BlobRef
    indexed: Indexed


async def create(tx: Tx, unit: Principal) -> None:
    """The empty book of a new unit, for its people to read."""
    await accounts.create(tx, unit.id)
    book = await collections.create(
        tx, unit.id, "addressbook", NAME, role=NAME, data={"displayname": unit.name}
    )
    await put_grant(tx, book, unit.id, DEPARTMENT_BOOK)


async def rename(tx: Tx, unit: Principal) -> None:
    """Calls the book as the unit is called."""
    book = await Surroundings().book(tx, unit.id, NAME)
    if book.data.get("displayname") != unit.name:
        await collections.update(tx, book, data={**book.data, "displayname": unit.name})


async def follow(
    tx: Tx, person: Principal, card: Kept, around: Surroundings, *, is_new: bool = False
) -> None:
    """Puts the person's card where it belongs, and nowhere else; it is nowhere where it `is_new`."""
    held = set() if is_new else await _held(tx, person.id)
    wanted = await _wanted(tx, person)
    for unit in held - wanted:
        await _take_out(tx, person.id, card.name, unit)
    for unit in sorted(wanted):
        await put_in(tx, await around.book(tx, unit, NAME), card, is_new=is_new)
    for unit in sorted(wanted - held):
        await tx.execute("INSERT INTO unit_card (principal, unit) VALUES (?, ?)", person.id, unit)


async def forget(tx: Tx, person: Principal, name: str) -> None:
    """Takes the person's card out of every book."""
    for unit in await _held(tx, person.id):
        await _take_out(tx, person.id, name, unit)


async def put_in(tx: Tx, book: Collection, card: Kept, *, is_new: bool = False) -> None:
    """Brings the card of this name in a book in step; it is not there yet where it `is_new`."""
    item = None if is_new else await items.by_name(tx, book.owner, book.id, card.name)
    if item is not None and item.blob == card.ref.hash:
        return
    if item is None:
        item = await items.add(tx, book, card.ref, name=card.name, content_type=CONTENT_TYPE)
    else:
        item = await items.replace(tx, item, card.ref, CONTENT_TYPE)
    await cards.put_indexed(tx, item, card.indexed, is_new=is_new)


async def take_from(tx: Tx, book: Collection, name: str) -> None:
    """Removes the card of this name from a book, if it is there."""
    item = await items.by_name(tx, book.owner, book.id, name)
    if item is not None:
        await items.remove(tx, book, [item.uid])


async def _take_out(tx: Tx, person: int, name: str, unit: int) -> None:
    await take_from(tx, await Surroundings().book(tx, unit, NAME), name)
    await tx.execute("DELETE FROM unit_card WHERE principal = ? AND unit = ?", person, unit)


async def _held(tx: Tx, person: int) -> set[int]:
    return {row[0] for row in await tx.rows("SELECT unit FROM unit_card WHERE principal = ?", person)}


async def _wanted(tx: Tx, person: Principal) -> set[int]:
    """The units in whose books somebody stands."""
    if person.kind not in ("person", "contact"):
        return set()
    found = {unit for unit in person.units if unit}
    if person.head:
        found |= await lookup.led_units(tx, person)
    return found
