# SPDX-License-Identifier: Apache-2.0
"""Whose decision a request waits for."""

from __future__ import annotations

from functools import partial

import pytest

from armgs_server.directory import Principal, requests, terms
from armgs_server.directory.forms import Form, FormField
from armgs_server.errors import Invalid
from armgs_server.storage import clock
from tests.directory.conftest import Workplace

TITLE = {"ru": "Отпуск", "en": "Leave"}
LEAVE = Form("leave", TITLE, TITLE, (FormField("days", TITLE, "number", True, ()),), ("head",), "", "leave")


async def first_to_decide(workplace: Workplace, asker: Principal) -> int:
    found = await workplace.directory.by_id(asker.id)
    assert found is not None
    return (await requests.hand_in(workplace.directory, found, LEAVE, {"days": "3"})).waits_for


async def test_who_leads_the_unit_or_the_next_one_above(workplace: Workplace) -> None:
    assert await first_to_decide(workplace, workplace.orlov) == workplace.ivanov.id
    assert await first_to_decide(workplace, workplace.petrova) == workplace.ivanov.id
    assert await first_to_decide(workplace, workplace.ivanov) == workplace.head.id
    with pytest.raises(Invalid):
        await first_to_decide(workplace, workplace.head)


async def test_who_leads_another_unit_by_a_post_decides_there_and_not_at_home(workplace: Workplace) -> None:
    now = clock.now()
    post = await workplace.directory.apply(
        partial(
            terms.create_post,
            department=workplace.digital.id,
            name="Head of Web",
            unit=workplace.web.id,
            head=True,
        )
    )
    await workplace.directory.delete(workplace.ivanov.id)
    await workplace.directory.apply(
        partial(terms.appoint, post=post, person=workplace.orlov, now=now, term=(now, 0, True))
    )
    beside = await workplace.directory.create_person(
        "beside@digital.example", "Beside", unit=workplace.tests.id
    )
    deputy = await workplace.directory.create_person("deputy@digital.example", "Deputy")
    vacant = await workplace.directory.create_unit(workplace.digital.id, "Vacant")
    guest = await workplace.directory.create_person("guest@digital.example", "Guest", unit=vacant.id)
    other = await workplace.directory.apply(
        partial(terms.create_post, department=workplace.digital.id, name="Lead", unit=vacant.id, head=True)
    )
    await workplace.directory.apply(
        partial(terms.appoint, post=other, person=deputy, now=now, term=(now, 0, True))
    )
    assert await first_to_decide(workplace, workplace.petrova) == workplace.orlov.id
    assert await first_to_decide(workplace, beside) == workplace.orlov.id
    assert await first_to_decide(workplace, guest) == deputy.id
    assert await first_to_decide(workplace, deputy) == workplace.head.id
