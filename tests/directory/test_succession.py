# SPDX-License-Identifier: Apache-2.0
"""Somebody is suspended or removed: out everywhere, and a successor has everything at once."""

from __future__ import annotations

from functools import partial

import pytest

from armgs_server.directory import Principal, Rights, access, structure, succession, terms
from armgs_server.errors import Conflict, Denied, Invalid, NotFound
from armgs_server.storage import clock, collections, mail, rooms
from armgs_server.storage.mail import read_index
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Tx
from tests.directory.conftest import PASSWORD, Workplace

LETTER = b"Subject: plan\r\n\r\nhello\r\n"


async def fill(workplace: Workplace) -> int:
    """ivanov has a letter and a room; its number."""
    ref = workplace.store.blobs.small(LETTER)
    index = await read_index(workplace.store.blobs, ref)

    async def work(tx: Tx) -> int:
        inbox = await collections.by_role(tx, workplace.ivanov.id, "mail", "inbox")
        assert inbox is not None
        await mail.append(tx, inbox, ref, index)
        owner = AffiliationRecord(workplace.ivanov.address, "owner", "", "")

        room = await structure.create_chatroom(
            tx, "plan@conference.digital.example", "Plan", workplace.digital.id
        )
        await rooms.create(tx, room.id, room.address, {}, [owner])
        return room.id

    return await workplace.store.write(work)


async def rights_of(workplace: Workplace, person: Principal, owner: Principal, kind: str) -> list[Rights]:
    found = await workplace.store.read(lambda tx: collections.roots(tx, owner.id))
    shared = [each for each in found if each.kind == kind]
    assert shared
    return [await workplace.directory.access.rights(person, each) for each in shared]


async def remove(workplace: Workplace, person: Principal, successor: Principal | None) -> Principal | None:
    return await workplace.directory.apply(partial(succession.remove, person=person, successor=successor))


async def test_an_estate_is_what_a_person_has_left(workplace: Workplace) -> None:
    room = await fill(workplace)
    directory, ivanov, petrova = workplace.directory, workplace.ivanov, workplace.petrova
    kicked: list[int] = []
    workplace.store.bus.subscribe("kick", lambda data: kicked.append(int(data)))
    await directory.add_app_password(ivanov.id, "phone")
    await directory.add_alias(ivanov, "boss@digital.example")
    estate = await remove(workplace, ivanov, petrova)
    assert estate is not None and (estate.kind, estate.id, estate.address) == (
        "group",
        ivanov.id,
        ivanov.address,
    )
    for kind in ("mail", "calendar", "tasks", "addressbook", "files"):
        assert set(await rights_of(workplace, petrova, estate, kind)) == {succession.SUCCESSOR_RIGHTS}
        assert set(await rights_of(workplace, workplace.orlov, estate, kind)) == {Rights(0)}
    assert not await directory.may_send_as(petrova, ivanov.address)
    with pytest.raises(Denied):
        await directory.auth.login("imap", "127.0.0.1", True, ivanov.address, PASSWORD)
    assert await directory.app_passwords(ivanov.id) == []
    assert await directory.by_address("boss@digital.example") is None
    people = await directory.people(workplace.digital.id)
    assert ivanov.id not in {each.id for each in people}
    owners = await workplace.store.read(lambda tx: rooms.affiliations(tx, room))
    assert [(each.jid, each.affiliation) for each in owners] == [(petrova.address, "owner")]
    assert ivanov.id in kicked
    listed = await workplace.store.read(lambda tx: succession.estates(tx, workplace.digital.id))
    assert [each.id for each in listed] == [ivanov.id]
    await directory.delete(estate.id)
    assert await directory.by_address(ivanov.address) is None


async def test_without_a_successor_nothing_is_left(workplace: Workplace) -> None:
    await fill(workplace)
    assert await remove(workplace, workplace.ivanov, None) is None
    with pytest.raises(NotFound):
        await workplace.store.read(lambda tx: collections.get(tx, workplace.ivanov.id, 1))


async def test_who_is_suspended_comes_back_to_everything(workplace: Workplace) -> None:
    await fill(workplace)
    directory, ivanov, petrova = workplace.directory, workplace.ivanov, workplace.petrova
    suspend = partial(succession.suspend, person=ivanov, successor=petrova)
    gone = await directory.apply(suspend)
    assert gone.disabled
    assert set(await rights_of(workplace, petrova, ivanov, "mail")) == {succession.SUCCESSOR_RIGHTS}
    with pytest.raises(Denied):
        await directory.auth.login("imap", "127.0.0.1", True, ivanov.address, PASSWORD)
    other = partial(succession.suspend, person=gone, successor=workplace.orlov)
    again = await directory.apply(other)
    assert set(await rights_of(workplace, petrova, ivanov, "mail")) == {Rights(0)}
    back = await directory.apply(partial(succession.restore, person=again))
    assert (back.disabled, back.data.get("successor")) == (False, None)
    assert set(await rights_of(workplace, workplace.orlov, ivanov, "files")) == {access.NOTHING}
    assert await directory.auth.login("imap", "127.0.0.1", True, ivanov.address, PASSWORD)


async def test_a_post_ends_with_who_held_it(workplace: Workplace) -> None:

    directory = workplace.directory
    post = await directory.apply(
        partial(terms.create_post, department=workplace.digital.id, name="Lead", unit=workplace.web.id)
    )
    now = clock.now()
    await directory.apply(
        partial(terms.appoint, post=post, person=workplace.orlov, now=now, term=(now, 0, False))
    )
    await remove(workplace, workplace.orlov, workplace.petrova)
    assert await directory.members(post) == []
    found = await workplace.store.read(lambda tx: terms.terms_of(tx, post.id))
    assert len(found) == 1 and found[0].ends


async def test_who_cannot_be_a_successor(workplace: Workplace) -> None:
    with pytest.raises(Invalid):
        await remove(workplace, workplace.ivanov, workplace.ivanov)
    with pytest.raises(Conflict):
        await remove(workplace, workplace.ivanov, workplace.sidorov)
    await workplace.directory.disable(workplace.petrova.id)
    shut_out = await workplace.directory.by_id(workplace.petrova.id)
    with pytest.raises(Conflict):
        await remove(workplace, workplace.ivanov, shut_out)
    found = await workplace.directory.by_id(workplace.ivanov.id)
    assert found is not None and found.kind == "person"
