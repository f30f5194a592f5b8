# SPDX-License-Identifier: Apache-2.0
"""What the changes of one transaction look up once; and the books of units, whose tree is looked at less."""

from __future__ import annotations

import pytest

from armgs_server.directory import Change, addressbook, lookup, people, structure
from armgs_server.directory.addressbook import card_uid
from armgs_server.directory.model import Principal
from armgs_server.directory.surroundings import Surroundings
from armgs_server.errors import AlreadyExists, Conflict, Invalid, NotFound
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace


async def make(tx: Tx, address: str, unit: int, around: Surroundings) -> Principal:
    return await people.create(
        tx, address, "", unit=unit, post="", head=False, data={}, credentials=(), quota=0, around=around
    )


async def test_people_of_one_transaction_are_what_they_would_be_alone(workplace: Workplace) -> None:
    async def work(tx: Tx) -> tuple[Principal, Principal]:
        around = Surroundings()
        found = await around.note_addresses(tx, ["Anna@digital.example", "boris@digital.example", "no"])
        assert found == {} and around.free == {"anna@digital.example", "boris@digital.example"}
        first = await make(tx, "Anna@digital.example", workplace.web.id, around)
        return first, await make(tx, "boris@digital.example", workplace.web.id, around)

    anna, boris = await workplace.directory.apply(work)
    alone = await workplace.directory.create_person("carl@digital.example", unit=workplace.web.id)
    for each in (anna, boris, alone):
        assert each.department == workplace.digital.id
        assert await books(workplace, each) == {workplace.digital.id, workplace.web.id}
    people_ = await workplace.directory.members(workplace.web)
    assert {anna.id, boris.id, alone.id} <= {each.id for each in people_}


async def books(workplace: Workplace, person: Principal) -> set[int]:
    """Whose address books hold the card, as the index of cards knows it by its UID."""
    rows = await workplace.store.read(
        lambda tx: tx.rows("SELECT owner FROM card WHERE card_uid = ?", card_uid(person))
    )
    return {row[0] for row in rows}


async def test_an_address_is_given_once_in_a_transaction_too(workplace: Workplace) -> None:
    async def work(tx: Tx) -> None:
        around = Surroundings()
        await around.note_addresses(tx, ["anna@digital.example"])
        await make(tx, "anna@digital.example", 0, around)
        await make(tx, "anna@digital.example", 0, around)

    with pytest.raises(AlreadyExists, match=r"anna@digital\.example is taken"):
        await workplace.directory.apply(work)
    assert await workplace.directory.by_address("anna@digital.example") is None


async def test_who_has_an_address_or_an_alias_is_found_by_it(workplace: Workplace) -> None:
    await workplace.directory.add_alias(workplace.ivanov, "boss@digital.example")
    asked = [
        "boss@digital.example",
        "web@digital.example",
        "nobody@digital.example",
        "Petrova@digital.example",
    ]

    async def work(tx: Tx) -> dict[str, Principal]:
        return await Surroundings().note_addresses(tx, asked)

    found = await workplace.store.read(work)
    assert {address: each.id for address, each in found.items()} == {
        "boss@digital.example": workplace.ivanov.id,
        "web@digital.example": workplace.web.id,
        "petrova@digital.example": workplace.petrova.id,
    }


async def test_what_is_wrong_is_said_as_ever(workplace: Workplace) -> None:
    digital, finance, web = workplace.digital.id, workplace.finance.id, workplace.web.id

    async def check(department: int, unit: int) -> None:
        await workplace.store.read(lambda tx: Surroundings().check_unit(tx, department, unit))

    await check(digital, web)
    with pytest.raises(Conflict, match="Web belongs to another department"):
        await check(finance, web)
    with pytest.raises(NotFound, match="no unit with the number"):
        await check(digital, workplace.ivanov.id)
    with pytest.raises(NotFound, match="no unit with the number 9999"):
        await check(digital, 9999)
    with pytest.raises(Invalid, match=r"other\.example is not a domain"):
        await workplace.store.read(lambda tx: Surroundings().department_of(tx, "a@other.example"))


async def test_heads_stand_in_the_books_of_what_they_lead_wherever_that_goes(workplace: Workplace) -> None:
    directory, digital = workplace.directory, workplace.digital.id
    above = await directory.create_unit(digital, "Above")
    chief = await directory.create_person("chief@digital.example", unit=above.id, head=True)
    below = await directory.create_unit(digital, "Below", parent=workplace.tests.id)
    web, tests = workplace.web.id, workplace.tests.id
    assert await books(workplace, workplace.head) == {digital, web, tests, above.id, below.id}
    assert await books(workplace, workplace.ivanov) == {digital, web, tests, below.id}
    assert await books(workplace, chief) == {digital, above.id}
    await directory.update(tests, Change(unit=above.id))
    assert await books(workplace, workplace.head) == {digital, web, tests, above.id, below.id}
    assert await books(workplace, workplace.ivanov) == {digital, web}
    assert await books(workplace, chief) == {digital, above.id, tests, below.id}


async def test_many_units_at_once_have_the_cards_of_who_leads(workplace: Workplace) -> None:
    async def work(tx: Tx) -> list[int]:
        made = [
            (await structure.add_unit(tx, workplace.digital.id, f"Unit {number}", parent, "", {})).id
            for number, parent in enumerate((workplace.web.id, 0))
        ]
        await addressbook.put_heads(tx, workplace.digital.id, {0, workplace.web.id})
        return made

    inside, beside = await workplace.directory.apply(work)
    assert {inside, beside} <= await books(workplace, workplace.head)
    assert await books(workplace, workplace.ivanov) & {inside, beside} == {inside}
    led = await workplace.store.read(lambda tx: lookup.led_units(tx, workplace.ivanov))
    assert led == {workplace.web.id, workplace.tests.id, inside}
