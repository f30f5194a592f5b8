# SPDX-License-Identifier: Apache-2.0
"""The index and its candidates: nobody who fits is missing, whatever was changed before."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import structure
from armgs_server.directory.candidates import Among, Either, Has, Need, both, candidates, either
from armgs_server.directory.index import Index
from armgs_server.directory.index_block import BLOCK, Block, digits, normal, trigrams
from armgs_server.directory.people import Change
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace

NOBODY = Either(())


async def found(index: Index, need: Need | None, after: int = -1) -> list[int]:
    await index.refresh()
    return [line.id for part in candidates(index, need, after) for _, line in part]


def test_the_forms_in_which_texts_are_compared() -> None:
    assert normal("  Фёдоров\t ПЁТР ") == "федоров петр"
    assert digits("+7 (495) 123-45-67") == "74951234567"
    assert trigrams("abcd") == {"abc", "bcd"}
    assert trigrams("ab") == frozenset()


def test_needs() -> None:
    one, two = Has("один"), Has("два")
    assert both([one, None]) == one
    assert both([None, None]) is None
    assert either([one, None]) is None
    assert either([one, one]) == one
    assert either([]) == NOBODY
    assert either([one, two]) == Either((one, two))


@given(st.lists(st.text(alphabet="абв\0 ", max_size=6), min_size=1, max_size=20), st.text("абв", min_size=1))
def test_a_block_finds_what_is_there(texts: list[str], needle: str) -> None:
    block = Block()
    block.lines.extend([None] * len(texts))
    block.open().extend(texts)
    wanted = {place for place, text in enumerate(texts) if needle in text}
    assert block.find(needle) == wanted
    block.open()[0] = needle  # changed after it was searched
    assert block.find(needle) == wanted | {0}


async def test_by_every_text(workplace: Workplace) -> None:
    directory = workplace.directory
    index = Index(directory)
    digital = workplace.digital.id
    unit = await directory.create_unit(digital, "Отдел кадров")
    person = await directory.create_person(
        "orlova@digital.example",
        "Орлова Вера",
        unit=unit.id,
        post="Инспектор",
        data={"telephone": "+7 495 111-22-33", "family": "Орлова-Чехова"},
    )
    await directory.add_alias(person, "vera@digital.example")
    for needle in ("орлов", "ова ве", "orlova@", "vera@d", "инспектор", "4951112", "чехова", "ор"):
        assert await found(index, Has(needle)) == [person.id], needle
    assert await found(index, Has("кадров")) == [unit.id, person.id]
    assert await found(index, Has("неттакого")) == []
    assert await found(index, both([Has("орлов"), Has("вера")])) == [person.id]
    assert await found(index, both([Has("орлов"), Has("нет")])) == []
    assert await found(index, both([Has("орлов"), NOBODY])) == []
    assert await found(index, either([Has("орлов"), Has("неттакого")])) == [person.id]
    assert await found(index, Among(frozenset({person.id, 10**6}))) == [person.id]
    assert {unit.id, person.id} <= set(await found(index, None))
    index.close()


async def test_it_follows_every_change(workplace: Workplace) -> None:
    directory = workplace.directory
    index = Index(directory)
    digital = workplace.digital.id
    unit = await directory.create_unit(digital, "Отдел кадров")
    person = await directory.create_person("orlova@digital.example", "Орлова Вера", unit=unit.id)
    assert await found(index, Has("орлова")) == [person.id]
    await directory.update(person.id, Change(name="Чехова Вера"))
    assert await found(index, Has("орлова в")) == []
    assert await found(index, Has("чехова")) == [person.id]
    await directory.update(unit.id, Change(name="Управление персонала"))
    assert await found(index, Has("персонала")) == [unit.id, person.id]
    assert await found(index, Has("кадров")) == []
    await directory.update(person.id, Change(head=True))
    await index.refresh()
    leader = index.leader(digital, unit.id)
    assert leader is not None
    assert leader.id == person.id
    await directory.disable(person.id)
    assert await found(index, Has("чехова")) == []
    assert index.leader(digital, unit.id) is None
    assert index.line(person.id) is None
    await directory.enable(person.id)
    assert await found(index, Has("чехова")) == [person.id]
    await directory.delete(person.id)
    assert await found(index, Has("чехова")) == []
    await directory.delete(unit.id)
    await index.refresh()
    assert unit.id not in index.units
    index.close()


async def test_more_than_one_block_and_where_to_go_on(workplace: Workplace) -> None:
    directory = workplace.directory
    digital = workplace.digital.id
    index = Index(directory)
    await index.refresh()

    async def work(tx: Tx) -> list[int]:
        names = (f"Участок {number}" for number in range(BLOCK + 20))
        return [(await structure.create_unit(tx, digital, name, 0, "", {})).id for name in names]

    units = await directory.store.write(work)
    assert await found(index, Has("участок")) == units
    await index.refresh()
    places = [place for part in candidates(index, Has("участок"), -1) for place, _ in part]
    assert places == sorted(places)
    for at in (0, 5, BLOCK - 3, len(places) - 1):
        assert await found(index, Has("участок"), places[at]) == units[at + 1 :]


async def test_one_that_was_disabled_from_the_beginning(workplace: Workplace) -> None:
    directory = workplace.directory
    person = await directory.create_person("orlova@digital.example", "Орлова Вера")
    await directory.disable(person.id)
    index = Index(directory)
    assert await found(index, Has("орлова")) == []
    await directory.enable(person.id)
    assert await found(index, Has("орлова")) == [person.id]


async def test_it_is_read_once_for_all_who_ask(workplace: Workplace) -> None:
    directory = workplace.directory
    index = Index(directory)
    await asyncio.gather(*(index.refresh() for _ in range(5)))
    contents = index.contents
    await index.refresh()
    assert index.contents is contents


@pytest.mark.parametrize("needle", ["а", "ан", "анн"])
async def test_short_parts(workplace: Workplace, needle: str) -> None:
    directory = workplace.directory
    person = await directory.create_person("x1@digital.example", "Анна")
    assert person.id in await found(Index(directory), Has(needle))
