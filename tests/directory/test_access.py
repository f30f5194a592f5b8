# SPDX-License-Identifier: Apache-2.0
"""Rights: letters, inheritance, grantees of every kind, and when what is remembered is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import Principal, lookup
from armgs_server.directory.access import (
    EVERYBODY,
    EVERYTHING,
    NOTHING,
    READ_ONLY,
    READ_WRITE,
    Rights,
    parse_rights,
    serialise_rights,
)
from armgs_server.errors import Denied, Invalid, NotFound
from armgs_server.storage import collections, trees
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace


@given(st.sampled_from(range(EVERYTHING + 1)).map(Rights))
def test_letters_say_all_there_is(rights: Rights) -> None:
    assert parse_rights(serialise_rights(rights)) == rights


def test_letters_of_rfc_4314() -> None:
    assert serialise_rights(EVERYTHING) == "lrswipkxtea"
    assert parse_rights("lr") == Rights.LOOKUP | Rights.READ
    # §2.1.1: the obsolete letters stand for the new ones
    assert parse_rights("cd") == parse_rights("kxte")
    with pytest.raises(Invalid):
        parse_rights("lz")


async def folder(workplace: Workplace, name: str, parent: Collection | None = None) -> Collection:
    """A folder below petrova's files, or below another one."""

    async def work(tx: Tx) -> Collection:
        above = parent or await collections.find(tx, workplace.petrova.id, "files", "")
        assert above is not None
        return await collections.create(tx, workplace.petrova.id, "files", name, parent=above.id)

    return await workplace.store.write(work)


async def give(workplace: Workplace, collection: Collection, grantee: int, rights: Rights) -> None:
    access = workplace.directory.access
    await workplace.store.write(lambda tx: access.grant(tx, collection, grantee, rights))


async def test_the_owner_may_everything_and_others_learn_nothing(workplace: Workplace) -> None:
    access, made = workplace.directory.access, await folder(workplace, "plans")
    assert await access.rights(workplace.petrova, made) == EVERYTHING
    assert await access.rights(workplace.ivanov, made) == NOTHING
    with pytest.raises(NotFound):
        await access.check(workplace.ivanov, made, Rights.READ)
    await give(workplace, made, workplace.ivanov.id, Rights.LOOKUP)
    with pytest.raises(Denied):
        await access.check(workplace.ivanov, made, Rights.READ)
    await give(workplace, made, workplace.ivanov.id, READ_ONLY)
    await access.check(workplace.ivanov, made, Rights.READ)


@pytest.mark.parametrize("grantee", ["person", "group", "unit", "department", "everybody"])
async def test_every_kind_of_grantee(workplace: Workplace, grantee: str) -> None:
    directory, made = workplace.directory, await folder(workplace, "plans")
    group = await directory.create_group("all@digital.example", "All", [workplace.orlov.id])
    number = {
        "person": workplace.orlov.id,
        "group": group.id,
        "unit": workplace.web.id,  # orlov's unit lies below it
        "department": workplace.digital.id,
        "everybody": EVERYBODY,
    }[grantee]
    await give(workplace, made, number, READ_ONLY)
    assert await directory.access.rights(workplace.orlov, made) == READ_ONLY
    stranger = await directory.access.rights(workplace.sidorov, made)
    assert stranger == (READ_ONLY if grantee == "everybody" else NOTHING)
    await give(workplace, made, number, NOTHING)
    assert await directory.access.rights(workplace.orlov, made) == NOTHING


async def test_rights_are_inherited_and_add_up(workplace: Workplace) -> None:
    access, ivanov = workplace.directory.access, workplace.ivanov
    outer = await folder(workplace, "outer")
    inner = await folder(workplace, "inner", outer)
    await give(workplace, outer, ivanov.id, READ_ONLY)
    await give(workplace, inner, workplace.web.id, Rights.LOOKUP | Rights.INSERT)
    assert await access.rights(ivanov, inner) == READ_ONLY | Rights.INSERT
    assert await access.rights(ivanov, outer) == READ_ONLY
    assert await access.grants(inner) == {workplace.web.id: Rights.LOOKUP | Rights.INSERT}


async def test_what_moves_away_loses_what_it_had_inherited(workplace: Workplace) -> None:
    access, ivanov = workplace.directory.access, workplace.ivanov
    outer = await folder(workplace, "outer")
    inner = await folder(workplace, "inner", outer)
    await give(workplace, outer, ivanov.id, READ_ONLY)
    assert await access.rights(ivanov, inner) == READ_ONLY
    moved = await workplace.store.write(lambda tx: trees.rename(tx, inner, parent=outer.parent, name="inner"))
    assert await access.rights(ivanov, moved) == NOTHING


async def test_who_leaves_a_group_loses_its_rights(workplace: Workplace) -> None:
    directory, made = workplace.directory, await folder(workplace, "plans")
    group = await directory.create_group("all@digital.example", "All", [workplace.sidorov.id])
    await give(workplace, made, group.id, READ_ONLY)
    assert await directory.access.rights(workplace.sidorov, made) == READ_ONLY
    await directory.remove_members(group, [workplace.sidorov.id])
    assert await directory.access.rights(workplace.sidorov, made) == NOTHING


async def test_a_grant_on_collection_0_holds_for_the_whole_account(workplace: Workplace) -> None:
    access, made = workplace.directory.access, await folder(workplace, "plans")
    owner = workplace.petrova.id
    await workplace.store.write(
        lambda tx: tx.execute(
            "INSERT INTO grant_ (owner, collection, grantee, rights) VALUES (?, 0, ?, ?)",
            owner,
            workplace.ivanov.id,
            int(READ_ONLY),
        )
    )
    assert await access.rights(workplace.ivanov, made) == READ_ONLY
    shared = await access.shared_with(workplace.ivanov, "mail")
    assert [each.name for each in shared if each.owner == owner] == [
        "INBOX",
        "Sent",
        "Drafts",
        "Trash",
        "Junk",
        "Archive",
    ]


async def shared(workplace: Workplace, person: Principal, kind: str) -> list[tuple[int, str]]:
    found = await workplace.directory.access.shared_with(person, kind)
    return [(each.owner, each.name) for each in found]


async def test_what_a_department_gives_its_people(workplace: Workplace) -> None:
    directory, digital = workplace.directory, workplace.digital.id
    room = await directory.create_room("blue@digital.example", "Blue")
    assert await shared(workplace, workplace.orlov, "files") == [(digital, "")]
    above = await directory.store.read(lambda tx: lookup.units_above(tx, workplace.orlov))
    books = [(digital, "directory"), *((unit, "unit") for unit in above)]
    assert sorted(await shared(workplace, workplace.orlov, "addressbook")) == sorted(books)
    assert await shared(workplace, workplace.orlov, "calendar") == [(room.id, "default")]
    assert await shared(workplace, workplace.sidorov, "calendar") == []
    [files] = await directory.access.shared_with(workplace.orlov, "files")
    every = await directory.access.shared_with(workplace.orlov, "addressbook")
    [book] = [each for each in every if each.owner == digital]
    assert await directory.access.rights(workplace.orlov, files) == READ_WRITE
    assert await directory.access.rights(workplace.orlov, book) == READ_ONLY
    assert await directory.access.rights(workplace.sidorov, files) == NOTHING


async def test_what_is_remembered_is_bounded(workplace: Workplace) -> None:
    access, made = workplace.directory.access, await folder(workplace, "plans")
    access._limit = 2
    await give(workplace, made, EVERYBODY, READ_ONLY)
    for person in (workplace.ivanov, workplace.orlov, workplace.sidorov, workplace.head):
        assert await access.rights(person, made) == READ_ONLY
    assert access._kept <= 2
