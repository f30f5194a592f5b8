# SPDX-License-Identifier: Apache-2.0
"""Groups by rule: who is in them follows every change of people and of the tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.directory import Change, Principal
from armgs_server.directory.group_rules import Rule, parse_rule, rule_of, serialise_rule, set_rule
from armgs_server.errors import Conflict, Invalid, NotFound
from tests.directory.conftest import Workplace


async def ruled(workplace: Workplace, rule: Rule, local: str = "ruled") -> Principal:
    group = await workplace.directory.create_group(f"{local}@digital.example", "Ruled")
    await workplace.directory.apply(lambda tx: set_rule(tx, group, rule))
    return group


async def members(workplace: Workplace, group: Principal) -> set[str]:
    return {each.address.partition("@")[0] for each in await workplace.directory.members(group)}


async def test_a_unit_with_those_below_it_or_alone(workplace: Workplace) -> None:
    whole = await ruled(workplace, Rule(workplace.web.id))
    alone = await ruled(workplace, Rule(workplace.web.id, below=False), "alone")
    assert await members(workplace, whole) == {"ivanov", "petrova", "orlov"}
    assert await members(workplace, alone) == {"ivanov", "petrova"}
    await workplace.directory.update(workplace.petrova.id, Change(unit=0))
    assert await members(workplace, whole) == {"ivanov", "orlov"}
    await workplace.directory.update(workplace.tests.id, Change(unit=0))
    assert await members(workplace, whole) == {"ivanov"}
    await workplace.directory.create_person("new@digital.example", "New", unit=workplace.web.id)
    assert await members(workplace, whole) == await members(workplace, alone) == {"ivanov", "new"}


async def test_posts_heads_and_attributes(workplace: Workplace) -> None:
    engineers = await ruled(workplace, Rule(post="*инженёр*"), "engineers")
    heads = await ruled(workplace, Rule(head=True), "heads")
    floor = await ruled(workplace, Rule(attributes={"floor": "3", "city": "мос*"}), "floor")
    assert await members(workplace, heads) == {"ivanov", "head"}
    assert await members(workplace, engineers) == await members(workplace, floor) == set()
    await workplace.directory.update(
        workplace.orlov.id, Change(post="Старший Инженер", data={"floor": "3", "city": "Москва"})
    )
    assert await members(workplace, engineers) == await members(workplace, floor) == {"orlov"}
    await workplace.directory.update(workplace.orlov.id, Change(data={"floor": "4"}))
    assert await members(workplace, floor) == set()


async def test_nobody_is_put_in_by_hand_until_the_rule_is_gone(workplace: Workplace) -> None:
    group = await ruled(workplace, Rule(head=True))
    found = await workplace.directory.by_id(group.id)
    assert found is not None
    with pytest.raises(Conflict):
        await workplace.directory.add_members(found, [workplace.orlov.id])
    await workplace.directory.apply(lambda tx: set_rule(tx, group, None))
    assert await workplace.store.read(lambda tx: rule_of(tx, group.id)) is None
    assert await members(workplace, group) == {"ivanov", "head"}


async def test_a_unit_of_another_department_is_none(workplace: Workplace) -> None:
    foreign = await workplace.directory.create_unit(workplace.finance.id, "Budget")
    with pytest.raises(NotFound):
        await ruled(workplace, Rule(foreign.id))


async def test_a_unit_that_moves_takes_its_people_along(workplace: Workplace) -> None:
    """Into the groups of what it lies in now, out of those of what it lay in; the others stay as they are."""
    above = await workplace.directory.create_unit(workplace.digital.id, "Above")
    old, new, own, direct = [
        await ruled(workplace, Rule(unit, below=below), name)
        for name, unit, below in (
            ("old", workplace.web.id, True),
            ("new", above.id, True),
            ("own", workplace.tests.id, True),
            ("direct", workplace.web.id, False),
        )
    ]
    assert await members(workplace, old) == {"ivanov", "petrova", "orlov"}
    await workplace.directory.update(workplace.tests.id, Change(unit=above.id))
    assert await members(workplace, old) == await members(workplace, direct) == {"ivanov", "petrova"}
    assert await members(workplace, new) == await members(workplace, own) == {"orlov"}
    await workplace.directory.update(above.id, Change(unit=workplace.web.id))
    assert await members(workplace, old) == {"ivanov", "petrova", "orlov"}
    assert await members(workplace, new) == {"orlov"}


async def test_a_rule_outlives_its_unit_and_others_still_move(workplace: Workplace) -> None:
    budget = await workplace.directory.create_unit(workplace.digital.id, "Budget")
    group = await ruled(workplace, Rule(budget.id))
    await workplace.directory.delete(budget.id)
    moved = await workplace.directory.update(workplace.tests.id, Change(unit=0))
    assert moved.unit == 0 and await members(workplace, group) == set()


@pytest.mark.parametrize(
    "data", [{}, {"unit": 0}, {"post": ""}, {"attributes": {str(n): "x" for n in range(21)}}]
)
def test_rules_that_say_nothing_or_too_much(data: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        parse_rule(data)


@given(
    st.builds(
        Rule,
        st.integers(1, 1 << 40),
        st.booleans(),
        st.text(),
        st.none() | st.booleans(),
        st.dictionaries(st.text(), st.text(), max_size=5),
    )
)
def test_a_rule_is_read_as_it_was_written(rule: Rule) -> None:
    assert parse_rule(serialise_rule(rule)) == rule
