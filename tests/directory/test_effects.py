# SPDX-License-Identifier: Apache-2.0
"""What a change would bring about is told before it is done, and is what is done."""

from __future__ import annotations

import pytest

from armgs_server.directory import Change, access, people
from armgs_server.directory.effects import Limits, agreed, preview
from armgs_server.directory.group_rules import Rule, set_rule
from armgs_server.errors import Conflict
from armgs_server.storage import collections
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace

LIMITS = Limits(people=100, roster=100)


async def move(workplace: Workplace, tx: Tx) -> str:
    moved = await people.update(tx, workplace.orlov.id, Change(unit=workplace.web.id, post="Lead"))
    return moved.post


async def test_a_move_is_shown_and_nothing_has_happened(workplace: Workplace) -> None:
    directory = workplace.directory
    budget = await directory.create_unit(workplace.digital.id, "Budget", address="budget@digital.example")
    group = await directory.create_group("leads@digital.example", "Leads")
    await directory.apply(lambda tx: set_rule(tx, group, Rule(post="lead")))

    async def share(tx: Tx) -> None:
        calendar = await collections.by_role(tx, workplace.ivanov.id, "calendar", "default")
        folder = await collections.by_role(tx, workplace.head.id, "mail", "inbox")
        assert calendar is not None and folder is not None
        await access.put_grant(tx, calendar, budget.id, access.READ_ONLY)
        await access.put_grant(tx, folder, group.id, access.READ_ONLY)

    await workplace.store.write(share)

    async def work(tx: Tx) -> str:
        return (await people.update(tx, workplace.orlov.id, Change(unit=budget.id, post="Lead"))).post

    title, effects = await preview(workplace.store, work, LIMITS)
    assert title == "Lead"
    shown = effects.as_json()
    [lists] = shown["lists"]
    assert lists == {
        "address": "orlov@digital.example",
        "gains": 2,
        "gained": ["budget@digital.example", "leads@digital.example"],
        "loses": 1,
        "lost": ["web@digital.example"],
    }
    assert shown["calendars"][0]["gained"] == ["ivanov@digital.example calendar/default: lrs"]
    assert shown["rights"][0]["gained"] == ["head@digital.example mail/INBOX: lrs"]
    assert shown["address_books"] == [
        {"address": "orlov@digital.example", "book": "digital.example", "card": "changed"}
    ]
    service = "conference.digital.example"
    assert shown["rooms"][0]["gained"] == [f"unit-{budget.id}-news@{service}", f"unit-{budget.id}@{service}"]
    assert await directory.by_id(workplace.orlov.id) == workplace.orlov
    assert await directory.members(group) == [workplace.ivanov]


async def test_colleagues_of_both_units_are_told(workplace: Workplace) -> None:
    _, effects = await preview(workplace.store, lambda tx: move(workplace, tx), LIMITS)
    rosters = {each["address"]: (each["gained"], each["lost"]) for each in effects.changes["rosters"]}
    orlov, ivanov, petrova = "orlov@digital.example", "ivanov@digital.example", "petrova@digital.example"
    assert rosters == {ivanov: ([orlov], []), petrova: ([orlov], []), orlov: ([petrova], [])}


async def test_what_was_agreed_to_is_done_and_nothing_else(workplace: Workplace) -> None:
    store = workplace.store
    _, effects = await preview(store, lambda tx: move(workplace, tx), LIMITS)
    same = await agreed(store, lambda tx: move(workplace, tx), LIMITS, effects.digest)
    await workplace.directory.update(workplace.petrova.id, Change(unit=workplace.tests.id))
    with pytest.raises(Conflict):
        await workplace.directory.apply(same)
    _, effects = await preview(store, lambda tx: move(workplace, tx), LIMITS)
    same = await agreed(store, lambda tx: move(workplace, tx), LIMITS, effects.digest)
    assert await workplace.directory.apply(same) == "Lead"
    moved = await workplace.directory.by_id(workplace.orlov.id)
    assert moved is not None and moved.unit == workplace.web.id


async def test_a_refusal_is_a_refusal_in_the_preview_too(workplace: Workplace) -> None:
    with pytest.raises(Conflict):
        await preview(
            workplace.store,
            lambda tx: people.update(tx, workplace.web.id, Change(unit=workplace.tests.id)),
            LIMITS,
        )


async def test_of_many_people_some_are_looked_at_and_all_are_counted(workplace: Workplace) -> None:
    _, effects = await preview(workplace.store, lambda tx: move(workplace, tx), Limits(1, 100))
    assert (effects.people, effects.missed) == (1, 2)
    assert [each["address"] for each in effects.changes["rosters"]] == ["orlov@digital.example"]


async def test_who_is_removed_loses_all(workplace: Workplace) -> None:
    _, effects = await preview(workplace.store, lambda tx: people.delete(tx, workplace.petrova.id), LIMITS)
    lost = {each["address"]: each["lost"] for each in effects.changes["rosters"]}
    assert lost["ivanov@digital.example"] == ["petrova@digital.example"]
    assert effects.changes["address_books"] == [
        {"address": "petrova@digital.example", "book": "digital.example", "card": "removed"}
    ]
