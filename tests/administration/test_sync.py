# SPDX-License-Identifier: Apache-2.0
"""A department in step with tables: again and again, tried before, strict or not, places of what is wrong."""

from __future__ import annotations

import pytest

from armgs_server.administration.sync import PEOPLE_NEED, UNITS_NEED, Missing, Report, Sync
from armgs_server.administration.table_file import Table, parse_table
from armgs_server.directory import Principal
from armgs_server.errors import NotFound, OverQuota
from armgs_server.storage import accounts, acts
from tests.directory.conftest import Workplace

UNITS = """code,name,parent
10,Департамент,
11,Отдел,10
12,Сектор,11
"""
PEOPLE = """address;name;unit;post;head;telephone
petrova@digital.example;Петрова Анна;11;Инженер;;+7 1
new@digital.example;Новый;12;;да;
"""


def table(text: str, file: str = "people.csv") -> Table:
    return parse_table(text.encode(), file, UNITS_NEED if text.startswith("code") else PEOPLE_NEED)


async def run(
    workplace: Workplace,
    people: str = "",
    units: str = "",
    *,
    missing: Missing = "keep",
    trial: bool = False,
    strict: bool = False,
) -> Report:
    one = Sync(
        workplace.directory,
        workplace.digital,
        table(units, "units.csv") if units else None,
        table(people) if people else None,
        missing=missing,
    )
    return await one.run("tester", is_trial=trial, strict=strict)


async def person(workplace: Workplace, address: str) -> Principal:
    found = await workplace.directory.by_address(address)
    if found is None:
        raise NotFound(address)
    return found


async def test_what_is_different_is_changed_and_the_second_time_nothing(workplace: Workplace) -> None:
    tried = await run(workplace, PEOPLE, UNITS, trial=True)
    assert (tried.units_added, tried.added, tried.changed) == (3, 1, 1)
    assert await workplace.directory.by_address("new@digital.example") is None
    done = await run(workplace, PEOPLE, UNITS)
    assert done == tried
    units = {each.name: each for each in await workplace.directory.units(workplace.digital.id)}
    assert units["Сектор"].unit == units["Отдел"].id and units["Отдел"].unit == units["Департамент"].id
    petrova = await person(workplace, "petrova@digital.example")
    assert (petrova.name, petrova.unit, petrova.post) == ("Петрова Анна", units["Отдел"].id, "Инженер")
    assert petrova.data["telephone"] == "+7 1"
    new = await person(workplace, "new@digital.example")
    assert (new.unit, new.head) == (units["Сектор"].id, True)
    again = await run(workplace, PEOPLE, UNITS)
    assert (again.units_added, again.units_changed, again.added, again.changed, again.unchanged) == (
        0,
        0,
        0,
        0,
        2,
    )
    found = await workplace.store.read(lambda tx: acts.latest(tx, workplace.digital.id, 0, 10))
    assert [(each.verb, each.actor) for each in found] == [("sync", "tester")] * 2


async def test_a_unit_is_known_by_its_code_wherever_it_goes(workplace: Workplace) -> None:
    await run(workplace, "", UNITS)
    moved = await run(workplace, "", "code,name,parent\n10,Департамент,\n12,Сектор 2,10\n")
    assert (moved.units_added, moved.units_changed) == (0, 1)
    circle = await run(workplace, "", "code,name,parent\n10,A,12\n12,B,10\n20,C,99\n,D,\n")
    assert [(each.line, each.column) for each in circle.refusals] == [(5, 1), (2, 3), (3, 3), (4, 3)]


async def test_who_is_not_in_the_table_is_suspended_if_asked_and_comes_back(workplace: Workplace) -> None:
    kept = await run(workplace, "address\nivanov@digital.example\n")
    assert (kept.suspended, kept.unchanged) == (0, 1)
    gone = await run(workplace, "address\nivanov@digital.example\n", missing="suspend")
    assert gone.suspended == 3
    assert (await person(workplace, "orlov@digital.example")).disabled
    assert not (await person(workplace, "sidorov@finance.example")).disabled
    back = await run(workplace, "address\norlov@digital.example\n")
    assert back.changed == 1 and not (await person(workplace, "orlov@digital.example")).disabled


async def test_whose_card_finds_no_room_is_not_half_there(workplace: Workplace) -> None:
    """A department's quota counts its address book."""
    number = workplace.digital.id
    used = (await workplace.store.read(lambda tx: accounts.usage(tx, number))).bytes
    await workplace.store.write(lambda tx: accounts.set_quota(tx, number, used + 10))
    with pytest.raises(OverQuota):
        await run(workplace, "address\nnew@digital.example\n")
    assert await workplace.directory.by_address("new@digital.example") is None


WRONG = """address,name,unit
ok@digital.example,Ok,
no address,X,
twice@digital.example,A,
twice@digital.example,B,
far@finance.example,X,
web@digital.example,X,
unit@digital.example,X,nowhere
long@digital.example,{}
few@digital.example
name@digital.example,{},
""".format("x,y,z", "n" * 600)


async def test_rows_that_are_wrong_are_told_with_line_and_column(workplace: Workplace) -> None:
    tried = await run(workplace, WRONG, trial=True)
    done = await run(workplace, WRONG)
    assert done == tried
    assert (done.added, [(each.line, each.column) for each in done.refusals]) == (
        2,
        [(9, 4), (10, 2), (3, 1), (5, 1), (6, 1), (7, 1), (8, 3), (11, 2)],
    )
    assert str(done.refusals[6]) == "people.csv:8, column 3: there is no unit nowhere"
    assert (await person(workplace, "twice@digital.example")).name == "A"


async def test_strict_means_all_or_nothing(workplace: Workplace) -> None:
    refused = await run(workplace, WRONG, strict=True)
    assert (refused.added, len(refused.refusals)) == (0, 8)
    assert await workplace.directory.by_address("ok@digital.example") is None
    done = await run(workplace, "address\nok@digital.example\n", strict=True)
    assert done.added == 1


@pytest.mark.parametrize("address", ["ivаnov@digital.example", "ivanov@digitаl.example"])
async def test_an_address_that_looks_like_another_is_refused(workplace: Workplace, address: str) -> None:
    """A Cyrillic letter among Latin ones."""
    refused = await run(workplace, f"address\n{address}\n")
    assert len(refused.refusals) == 1
