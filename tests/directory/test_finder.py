# SPDX-License-Identifier: Apache-2.0
"""Finding people, and what is kept in memory of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from armgs_server.config import Config
from armgs_server.directory import Change, Directory, Principal
from tests.directory.conftest import SECURITY, Workplace


def names(found: list[Principal]) -> list[str]:
    return [principal.address.partition("@")[0] for principal in found]


async def test_an_address_is_found_however_it_is_spelled(workplace: Workplace) -> None:
    directory = workplace.directory
    assert await directory.by_address("Ivanov@DIGITAL.example") == workplace.ivanov
    assert await directory.by_id(workplace.ivanov.id) == workplace.ivanov
    assert await directory.by_address("digital.example") == workplace.digital
    for nobody in ("nobody@digital.example", "ivanov@finance.example", "ivanov", "", "@", "a@b@c"):
        assert await directory.by_address(nobody) is None
    assert await directory.by_id(9999) is None


async def test_a_sub_address_is_resolved_and_an_exact_one_comes_first(workplace: Workplace) -> None:
    directory = workplace.directory
    assert await directory.resolve("ivanov+lists@digital.example") == workplace.ivanov
    assert await directory.resolve("ivanov@digital.example") == workplace.ivanov
    assert await directory.resolve("+lists@digital.example") is None
    assert await directory.resolve("ivanov") is None  # three domains: whose ivanov?


async def test_a_local_part_alone_is_enough_where_there_is_one_domain(directory: Directory) -> None:
    await directory.create_department("Digital", ["digital.example"])
    ivanov = await directory.create_person("ivanov@digital.example")
    assert await directory.resolve("Ivanov") == ivanov
    await directory.create_department("Finance", ["finance.example"])
    assert await directory.resolve("Ivanov") is None


async def test_domains(workplace: Workplace) -> None:
    digital, finance = workplace.digital.id, workplace.finance.id
    assert workplace.directory.domains == {
        "digital.example": digital,
        "цифра.example": digital,
        "finance.example": finance,
    }
    assert workplace.directory.is_local("цифра.example")
    assert not workplace.directory.is_local("example.org")


async def test_lists_of_a_department(workplace: Workplace) -> None:
    directory, digital = workplace.directory, workplace.digital.id
    room = await directory.create_room("blue@digital.example", "Blue", 8)
    projector = await directory.create_equipment("projector@digital.example", "Projector")
    group = await directory.create_group("all@digital.example", "All")
    assert names(await directory.people(digital)) == ["head", "ivanov", "petrova", "orlov"]
    assert await directory.units(digital) == [workplace.web, workplace.tests]
    assert await directory.rooms(digital) == [room]
    assert await directory.equipment(digital) == [projector]
    assert await directory.groups(digital) == [group]
    assert await directory.departments() == [workplace.digital, workplace.finance]


async def test_who_is_seen_without_asking(workplace: Workplace) -> None:
    directory = workplace.directory
    assert names(await directory.unit_people(workplace.petrova)) == ["ivanov", "petrova"]
    assert names(await directory.heads(workplace.digital.id)) == ["head", "ivanov"]
    assert names(await directory.roster_of(workplace.petrova)) == ["ivanov", "head"]
    assert names(await directory.roster_of(workplace.ivanov)) == ["petrova", "head"]
    assert names(await directory.roster_of(workplace.orlov)) == ["head", "ivanov"]
    assert names(await directory.roster_of(workplace.sidorov)) == []
    await directory.disable(workplace.ivanov.id)
    assert names(await directory.roster_of(workplace.petrova)) == ["head"]


async def test_who_is_in_no_unit_has_no_colleagues_unless_configured(
    workplace: Workplace, tmp_path: Path
) -> None:
    await workplace.directory.create_person("egorov@finance.example", "Egorov")
    assert names(await workplace.directory.unit_people(workplace.sidorov)) == []
    assert names(await workplace.directory.roster_of(workplace.sidorov)) == []
    config = Config(directory=tmp_path, security=replace(SECURITY, roster_without_unit=True))
    flat = await Directory.open(workplace.store, config)
    try:
        assert names(await flat.roster_of(workplace.sidorov)) == ["egorov"]
    finally:
        await flat.close()


async def test_who_may_send_as_whom(workplace: Workplace) -> None:
    directory, ivanov = workplace.directory, workplace.ivanov
    await directory.add_alias(ivanov, "boss@digital.example")
    office = await directory.create_group("office@digital.example", "Office", [ivanov.id])
    await directory.create_group("press@digital.example", "Press", data={"senders": [office.id]})
    allowed = (
        "ivanov@digital.example",
        "ivanov+x@digital.example",
        "boss@digital.example",
        "press@digital.example",
    )
    for address in allowed:
        assert await directory.may_send_as(ivanov, address)
    refused = (
        "petrova@digital.example",
        "office@digital.example",
        "digital.example",
        "nobody@digital.example",
        "a@example.org",
    )
    for address in refused:
        assert not await directory.may_send_as(ivanov, address)
    assert not await directory.may_send_as(workplace.petrova, "press@digital.example")


async def test_a_change_by_another_process_is_seen_after_its_hint(workplace: Workplace) -> None:
    here, ivanov = workplace.directory, workplace.ivanov
    there = await Directory.open(here.store, here.config)
    assert await there.by_address("ivanov@digital.example") == ivanov
    assert await there.by_address("new@digital.example") is None
    assert names(await there.people(workplace.digital.id))[-1] == "orlov"
    renamed = await here.update(ivanov.id, Change(name="Иванов И. И."))
    new = await here.create_person("new@digital.example")
    assert await there.by_address("ivanov@digital.example") == renamed
    assert await there.by_address("new@digital.example") == new
    assert names(await there.people(workplace.digital.id))[-1] == "new"
    await here.add_domain(workplace.finance, "money.example")
    reload = there._reload
    assert reload is not None
    await reload
    assert there.is_local("money.example")
    await there.close()
