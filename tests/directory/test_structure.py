# SPDX-License-Identifier: Apache-2.0
"""Departments, units, groups, rooms: what comes into being with them, and what is refused."""

from __future__ import annotations

import pytest

from armgs_server.directory import Directory
from armgs_server.errors import AlreadyExists, Conflict, Invalid, NotFound
from armgs_server.storage import accounts, collections
from tests.directory.conftest import Workplace


async def owned(directory: Directory, owner: int) -> set[tuple[str, str]]:
    found = await directory.store.read(lambda tx: collections.roots(tx, owner))
    return {(collection.kind, collection.name) for collection in found}


async def test_a_department_owns_its_shared_folder_and_address_book(workplace: Workplace) -> None:
    assert workplace.digital.department == workplace.digital.id
    assert workplace.digital.address == "digital.example"
    assert await owned(workplace.directory, workplace.digital.id) == {
        ("files", ""),
        ("addressbook", "directory"),
    }


async def test_a_room_and_a_projector_own_a_calendar(workplace: Workplace) -> None:
    directory = workplace.directory
    room = await directory.create_room("blue@digital.example", "Blue", 8)
    projector = await directory.create_equipment("projector@digital.example", "Projector")
    assert (room.kind, room.data["capacity"], projector.kind) == ("room", 8, "equipment")
    for resource in (room, projector):
        assert await owned(directory, resource.id) == {
            ("calendar", "default"),
            ("schedule-inbox", "inbox"),
            ("schedule-outbox", "outbox"),
        }


async def test_an_address_is_given_once(workplace: Workplace) -> None:
    directory = workplace.directory
    await directory.add_alias(workplace.ivanov, "boss@digital.example")
    for taken in ("ivanov@digital.example", "boss@digital.example", "WEB@digital.example"):
        with pytest.raises(AlreadyExists):
            await directory.create_group(taken, "Group")
        with pytest.raises(AlreadyExists):
            await directory.add_alias(workplace.petrova, taken)
    with pytest.raises(AlreadyExists):
        await directory.create_department("Other", ["digital.example"])
    assert await directory.by_address("boss@digital.example") == workplace.ivanov
    await directory.remove_alias(workplace.ivanov, "boss@digital.example")
    assert await directory.by_address("boss@digital.example") is None


async def test_an_address_is_of_a_domain_that_is_served(workplace: Workplace) -> None:
    with pytest.raises(Invalid, match=r"example\.org is not a domain of this server"):
        await workplace.directory.create_group("all@example.org", "All")
    with pytest.raises(Invalid):
        await workplace.directory.create_department("Nothing", [])
    with pytest.raises(Conflict):
        await workplace.directory.create_unit(workplace.digital.id, "Web", address="web@finance.example")


async def test_what_failed_has_left_nothing(workplace: Workplace) -> None:
    directory = workplace.directory
    with pytest.raises(NotFound):
        await directory.create_group("all@digital.example", "All", [9999])
    assert await directory.by_address("all@digital.example") is None
    with pytest.raises(AlreadyExists):
        await directory.create_department("Other", ["other.example", "finance.example"])
    assert not directory.is_local("other.example")
    assert len(await directory.departments()) == 2


async def test_a_unit_stands_in_its_own_department(workplace: Workplace) -> None:
    with pytest.raises(Conflict):
        await workplace.directory.create_unit(workplace.finance.id, "Sub", parent=workplace.web.id)
    with pytest.raises(NotFound):
        await workplace.directory.create_unit(workplace.ivanov.id, "Sub")
    with pytest.raises(Conflict):
        await workplace.directory.create_person("new@finance.example", unit=workplace.web.id)


async def test_numbers_are_never_given_twice(workplace: Workplace) -> None:
    directory = workplace.directory
    first = await directory.create_person("new@finance.example")
    await directory.delete(first.id)
    assert (await directory.create_person("new@finance.example")).id > first.id


async def test_a_person_owns_the_standard_collections(workplace: Workplace) -> None:
    found = await owned(workplace.directory, workplace.ivanov.id)
    assert {("mail", "INBOX"), ("calendar", "default"), ("addressbook", "contacts"), ("files", "")} < found
    usage = await workplace.store.read(lambda tx: accounts.usage(tx, workplace.ivanov.id))
    assert usage.quota == workplace.directory.config.limits.quota
