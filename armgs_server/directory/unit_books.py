# SPDX-License-Identifier: Apache-2.0
"""The small address book of a unit, which phones keep: its people, and who leads it, the units above and the
department.

The card is the department's own, byte for byte, so it is stored once; it is put into every book it belongs
in, and taken out of the others, by the transaction that changes the person. `unit_card` says where it is.
"""

from __future__ import annotations

from typing import Final

from armgs_server.directory import lookup
from armgs_server.directory.access import DEPARTMENT_BOOK, put_grant
from armgs_server.directory.model import Principal
from armgs_server.formats.vcard import Card
from armgs_server.storage import accounts, cards, collections, items
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

NAME: Final = "unit"
CONTENT_TYPE: Final = "text/vcard;charset=utf-8"


async def create(tx: Tx, unit: Principal) -> None:
    """The empty book of a new unit, for its people to read."""
    await accounts.create(tx, unit.id)
    book = await collections.create(
        tx, unit.id, "addressbook", NAME, role=NAME, data={"displayname": unit.name}
    )
    await put_grant(tx, book, unit.id, DEPARTMENT_BOOK)


async def rename(tx: Tx, unit: Principal) -> None:
    """Calls the book as the unit is called."""
    book = await _book_of(tx, unit.id)
    if book.data.get("displayname") != unit.name:
        await collections.update(tx, book, data={**book.data, "displayname": unit.name})


async def follow(tx: Tx, person: Principal, name: str, ref: BlobRef, card: Card) -> None:
    """Puts the person's card where it belongs, and nowhere else."""
    held = await _held(tx, person.id)
    wanted = await _wanted(tx, person)
    for unit in held - wanted:
        await _take_out(tx, person.id, name, unit)
    for unit in sorted(wanted):
        await put_in(tx, await _book_of(tx, unit), name, ref, card)
    for unit in sorted(wanted - held):
        await tx.execute("INSERT INTO unit_card (principal, unit) VALUES (?, ?)", person.id, unit)


async def forget(tx: Tx, person: Principal, name: str) -> None:
    """Takes the person's card out of every book."""
    for unit in await _held(tx, person.id):
        await _take_out(tx, person.id, name, unit)


async def put_in(tx: Tx, book: Collection, name: str, ref: BlobRef, card: Card) -> None:
    """Brings the card of this name in a book in step."""
    item = await items.by_name(tx, book.owner, book.id, name)
    if item is not None and item.blob == ref.hash:
        return
    if item is None:
        item = await items.add(tx, book, ref, name=name, content_type=CONTENT_TYPE)
    else:
        item = await items.replace(tx, item, ref, CONTENT_TYPE)
    await cards.put(tx, item, card)


async def take_from(tx: Tx, book: Collection, name: str) -> None:
    """Removes the card of this name from a book, if it is there."""
    item = await items.by_name(tx, book.owner, book.id, name)
    if item is not None:
        await items.remove(tx, book, [item.uid])


async def _take_out(tx: Tx, person: int, name: str, unit: int) -> None:
    await take_from(tx, await _book_of(tx, unit), name)
    await tx.execute("DELETE FROM unit_card WHERE principal = ? AND unit = ?", person, unit)


async def _held(tx: Tx, person: int) -> set[int]:
    return {row[0] for row in await tx.rows("SELECT unit FROM unit_card WHERE principal = ?", person)}


async def _wanted(tx: Tx, person: Principal) -> set[int]:
    """The units in whose books somebody stands."""
    if person.kind != "person":
        return set()
    found = {unit for unit in person.units if unit}
    if person.head:
        parents = await lookup.unit_parents(tx, person.department)
        led = set(person.led)
        found |= {unit for unit in parents if led & {0, *_upwards(parents, unit)}}
    return found


def _upwards(parents: dict[int, int], unit: int) -> list[int]:
    """The unit and those it lies in."""
    chain = []
    while unit:
        chain.append(unit)
        unit = parents.get(unit, 0)
    return chain


async def _book_of(tx: Tx, unit: int) -> Collection:
    book = await collections.by_role(tx, unit, "addressbook", NAME)
    assert book is not None, "a unit is made with its book, which nobody may delete"
    return book
