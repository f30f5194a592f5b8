# SPDX-License-Identifier: Apache-2.0
"""The questions to the tables that go along chains: groups within groups, units within units."""

from __future__ import annotations

import pytest

from armgs_server.directory import lookup
from armgs_server.errors import NotFound
from tests.directory.conftest import Workplace


async def test_groups_are_opened_and_a_cycle_ends(workplace: Workplace) -> None:
    directory = workplace.directory
    inner = await directory.create_group("inner@digital.example", "Inner", [workplace.petrova.id])
    outer = await directory.create_group("outer@digital.example", "Outer", [workplace.ivanov.id, inner.id])
    await directory.add_members(inner, [outer.id])
    for group in (inner, outer):
        assert await directory.members(group) == [workplace.ivanov, workplace.petrova]
    assert await directory.direct_members(outer) == [workplace.ivanov, inner]
    groups = await directory.groups_of(workplace.petrova)
    assert groups == {
        workplace.petrova.id,
        inner.id,
        outer.id,
        workplace.web.id,
        workplace.digital.id,
    }
    await directory.remove_members(outer, [inner.id])
    assert await directory.members(outer) == [workplace.ivanov]


async def test_units_hold_those_below(workplace: Workplace) -> None:
    directory = workplace.directory
    people = [workplace.ivanov, workplace.petrova, workplace.orlov]
    assert await directory.members(workplace.web) == people
    assert await directory.members(workplace.tests) == [workplace.orlov]
    assert await directory.members(workplace.digital) == [workplace.head, *people]
    assert await directory.members(workplace.ivanov) == [workplace.ivanov]
    assert {workplace.web.id, workplace.tests.id} < await directory.groups_of(workplace.orlov)


async def test_a_kind_is_read_page_by_page(workplace: Workplace) -> None:
    page = await workplace.store.read(lambda tx: lookup.all_of_kind(tx, "person", 0, 3))
    assert page == [workplace.head, workplace.ivanov, workplace.petrova]
    rest = await workplace.store.read(lambda tx: lookup.all_of_kind(tx, "person", page[-1].id, 3))
    assert rest == [workplace.orlov, workplace.sidorov]


async def test_what_is_not_there_or_of_another_kind_is_not_found(workplace: Workplace) -> None:
    with pytest.raises(NotFound, match="no unit"):
        await workplace.store.read(lambda tx: lookup.existing(tx, workplace.ivanov.id, "unit"))
    with pytest.raises(NotFound):
        await workplace.store.read(lambda tx: lookup.existing(tx, 9999))
