# SPDX-License-Identifier: Apache-2.0
"""Posts held for a term: who is a member when, one person in two posts, who stands in."""

from __future__ import annotations

from functools import partial

import pytest

from armgs_server.directory import Principal, posts, terms
from armgs_server.directory.unit_rooms import rooms_of
from armgs_server.errors import AlreadyExists, Conflict, Invalid, NotFound
from armgs_server.storage import clock
from armgs_server.storage.clock import DAY
from tests.directory.conftest import Workplace


async def made(
    workplace: Workplace, name: str, unit: int, *, address: str = "", head: bool = False
) -> Principal:
    return await workplace.directory.apply(
        partial(
            terms.create_post,
            department=workplace.digital.id,
            name=name,
            unit=unit,
            address=address,
            head=head,
        )
    )


async def appoint(
    workplace: Workplace,
    post: Principal,
    person: Principal,
    starts: int = 0,
    ends: int = 0,
    acting: bool = False,
    *,
    now: int = 0,
) -> None:
    moment = now or clock.now()
    work = partial(terms.appoint, post=post, person=person, now=moment, term=(starts or moment, ends, acting))
    await workplace.directory.apply(work)


async def current(workplace: Workplace, person: Principal) -> Principal:
    found = await workplace.directory.by_id(person.id)
    assert found is not None
    return found


async def test_who_holds_a_post_has_its_unit_its_title_and_its_rights(workplace: Workplace) -> None:
    post = await made(
        workplace, "Начальник отдела", workplace.tests.id, address="lead@digital.example", head=True
    )
    await workplace.directory.apply(lambda tx: posts.open_mailbox(tx, post, 0))
    await appoint(workplace, post, workplace.petrova)
    petrova = await current(workplace, workplace.petrova)
    assert (petrova.unit, petrova.post, petrova.head) == (workplace.tests.id, "Начальник отдела", True)
    assert await workplace.directory.may_send_as(petrova, "lead@digital.example")
    assert post.id in await workplace.directory.groups_of(petrova)
    orlov = await current(workplace, workplace.orlov)
    assert workplace.petrova.id in {each.id for each in await workplace.directory.unit_people(orlov)}


async def test_one_person_in_two_posts_is_of_two_units(workplace: Workplace) -> None:
    first = await made(workplace, "Lead", workplace.web.id, head=True)
    second = await made(workplace, "Tester", workplace.tests.id)
    await appoint(workplace, first, workplace.petrova)
    await appoint(workplace, second, workplace.petrova, clock.now() + 1)
    await workplace.directory.apply(partial(terms.settle_due, now=clock.now() + 10))
    petrova = await current(workplace, workplace.petrova)
    assert (petrova.post, petrova.units, petrova.led) == (
        "Lead; Tester",
        (workplace.web.id, workplace.tests.id),
        (workplace.web.id,),
    )
    directory = workplace.directory
    seen = {each.address for each in await directory.unit_people(petrova)}
    assert seen == {"ivanov@digital.example", "petrova@digital.example", "orlov@digital.example"}
    assert petrova.id in {
        each.id for each in await directory.unit_people(await current(workplace, workplace.orlov))
    }
    assert petrova.id in {each.id for each in await directory.members(workplace.tests)}
    assert f"unit-{workplace.tests.id}@conference.digital.example" in rooms_of(petrova)


async def test_a_term_begins_and_ends_by_itself(workplace: Workplace) -> None:
    post = await made(workplace, "Секретарь", workplace.tests.id)
    now = clock.now()
    await appoint(workplace, post, workplace.petrova, now + DAY, now + 3 * DAY, now=now)
    before = await current(workplace, workplace.petrova)
    assert (before.unit, before.post) == (workplace.web.id, "")
    assert await workplace.directory.apply(partial(terms.settle_due, now=now + 2 * DAY)) == 1
    during = await current(workplace, workplace.petrova)
    assert (during.unit, during.post) == (workplace.tests.id, "Секретарь")
    assert await workplace.directory.apply(partial(terms.settle_due, now=now + 2 * DAY)) == 0
    assert await workplace.directory.apply(partial(terms.settle_due, now=now + 3 * DAY)) == 1
    after = await current(workplace, workplace.petrova)
    assert (after.unit, after.post, after.head) == (workplace.tests.id, "", False)
    assert await workplace.directory.members(post) == []


async def test_who_is_acting_keeps_the_own_place_and_gives_the_other_back(workplace: Workplace) -> None:
    post = await made(workplace, "Начальник отдела", workplace.tests.id, head=True)
    now = clock.now()
    await appoint(workplace, post, workplace.ivanov, now, now + DAY, True, now=now)
    acting = await current(workplace, workplace.ivanov)
    assert acting.post == "Lead; и. о. Начальник отдела"
    assert (acting.unit, acting.led) == (workplace.web.id, (workplace.web.id, workplace.tests.id))
    await workplace.directory.apply(partial(terms.settle_due, now=now + DAY))
    again = await current(workplace, workplace.ivanov)
    assert (again.post, again.unit, again.head, again.units) == (
        "Lead",
        workplace.web.id,
        True,
        (workplace.web.id,),
    )


async def test_a_post_that_moves_takes_its_holder_along(workplace: Workplace) -> None:
    post = await made(workplace, "Lead", workplace.web.id)
    await appoint(workplace, post, workplace.petrova)
    now = clock.now() + 1
    change = partial(terms.change_post, post=post, now=now, name="Chief", unit=workplace.tests.id, head=True)
    await workplace.directory.apply(change)
    petrova = await current(workplace, workplace.petrova)
    assert (petrova.unit, petrova.post, petrova.head) == (workplace.tests.id, "Chief", True)


async def test_what_is_refused(workplace: Workplace) -> None:
    post = await made(workplace, "Lead", workplace.web.id)
    now = clock.now()
    await appoint(workplace, post, workplace.petrova, now, now + DAY, now=now)
    with pytest.raises(AlreadyExists):
        await appoint(workplace, post, workplace.petrova, now + DAY - 1, 0, now=now)
    with pytest.raises(Invalid):
        await appoint(workplace, post, workplace.ivanov, now, now, now=now)
    with pytest.raises(Conflict, match="another department"):
        await appoint(workplace, post, workplace.sidorov, now=now)
    with pytest.raises(Conflict, match="from terms"):
        await workplace.directory.add_members(post, [workplace.ivanov.id])
    with pytest.raises(NotFound):
        await workplace.directory.apply(
            lambda tx: terms.relieve(tx, post, workplace.ivanov, clock.now(), clock.now())
        )
    with pytest.raises(NotFound, match="no post"):
        group = await workplace.directory.create_group("all@digital.example", "All")
        await workplace.store.read(lambda tx: terms.existing_post(tx, group.id))
    with pytest.raises(Invalid):
        await made(workplace, " ", workplace.web.id)
    with pytest.raises(Conflict):
        await made(workplace, "Post", workplace.web.id, address="post@finance.example")


async def test_a_term_may_end_before_it_has_begun(workplace: Workplace) -> None:
    """Who was appointed by mistake never held the post; what was over by then stays as it was."""
    post = await made(workplace, "Lead", workplace.web.id)
    now = clock.now()
    await appoint(workplace, post, workplace.petrova, now - 5 * DAY, now - 3 * DAY, now=now)
    await appoint(workplace, post, workplace.petrova, now - DAY, now=now)
    assert (await current(workplace, workplace.petrova)).post == "Lead"
    await workplace.directory.apply(lambda tx: terms.relieve(tx, post, workplace.petrova, now, now - 2 * DAY))
    assert (await current(workplace, workplace.petrova)).post == ""
    found = await workplace.store.read(lambda tx: terms.terms_of(tx, post.id))
    assert [(each.starts, each.ends) for each in found] == [(now - 5 * DAY, now - 3 * DAY)]


async def test_a_term_that_is_over_may_begin_again(workplace: Workplace) -> None:
    post = await made(workplace, "Lead", workplace.web.id)
    now = clock.now()
    await appoint(workplace, post, workplace.petrova, now, now=now)
    await workplace.directory.apply(lambda tx: terms.relieve_of_all(tx, workplace.petrova, now + 5))
    assert (await current(workplace, workplace.petrova)).post == ""
    await appoint(workplace, post, workplace.petrova, now + 10, now=now + 10)
    assert (await current(workplace, workplace.petrova)).post == "Lead"
    found = await workplace.store.read(lambda tx: terms.terms_of(tx, post.id))
    assert [(each.starts, each.ends) for each in found] == [(now, now + 5), (now + 10, 0)]
    listed = await workplace.store.read(lambda tx: terms.posts(tx, workplace.digital.id))
    assert [each.id for each in listed] == [post.id]
