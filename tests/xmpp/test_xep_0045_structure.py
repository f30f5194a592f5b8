# SPDX-License-Identifier: Apache-2.0
"""Rooms of units and departments: who belongs to them, and what a move in the structure does at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.directory import Directory
from armgs_server.directory.people import Change
from armgs_server.storage import Store
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import Client, error_of, find
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import MUC, administer, codes, enter, entry, item, say
from tests.xmpp.workers import SETTINGS, Workers

CONFERENCE = "conference.digital.example"
DESTROY = f"<query xmlns='{MUC}#owner'><destroy/></query>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


async def unit_of(world: World, name: str, head: str, *people: str) -> int:
    """A new unit with its head and its people."""
    directory = world.directory
    boss = await directory.by_address(head)
    assert boss is not None, "a person of the world"
    unit = await directory.create_unit(boss.department, name)
    await directory.update(boss.id, Change(unit=unit.id, head=True))
    for address in people:
        person = await directory.by_address(address)
        assert person is not None, "a person of the world"
        await directory.update(person.id, Change(unit=unit.id))
    return unit.id


async def move(world: World, address: str, unit: int) -> None:
    person = await world.directory.by_address(address)
    assert person is not None, "a person of the world"
    await world.directory.update(person.id, Change(unit=unit))


async def test_a_unit_has_a_room(log_in: LogIn, world: World) -> None:
    unit = await unit_of(world, "Accounting", PETROVA, IVANOV)
    room = f"unit-{unit}@{CONFERENCE}"
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    assert item(await enter(petrova, "petrova", room=room))["affiliation"] == "admin"
    assert item(await enter(ivanov, "ivanov", room=room))["affiliation"] == "member"
    answer = await ivanov.iq(INFO, to=room)
    assert find(answer, "disco:query/disco:identity").get("name") == "Accounting"
    sidorov.send(entry("sidorov", room=room))
    assert error_of(await sidorov.presence_of(f"{room}/sidorov", "error")) == "registration-required"
    guest = f"<item jid='{SIDOROV}' affiliation='member'/>"
    assert error_of(await administer(petrova, guest, room)) == "not-allowed"
    assert error_of(await petrova.iq(DESTROY, "set", room)) == "forbidden"


async def test_nobody_makes_such_a_room_by_hand(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for name in ("unit-999999", "unit-999999-news"):
        room = f"{name}@{CONFERENCE}"
        ivanov.send(entry("ivanov", room=room))
        assert error_of(await ivanov.presence_of(f"{room}/ivanov", "error")) == "item-not-found"


async def test_heads_announce_and_all_read(log_in: LogIn, world: World) -> None:
    unit = await unit_of(world, "Accounting", PETROVA, IVANOV)
    room = f"unit-{unit}-news@{CONFERENCE}"
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await enter(petrova, "petrova", room=room)
    assert item(await enter(ivanov, "ivanov", room=room))["role"] == "visitor"
    petrova.send(say("a holiday", room))
    await ivanov.message("a holiday")
    ivanov.send(say("hurrah", room))
    refusal = await ivanov.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(refusal) == "forbidden"
    form = (
        f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MUC}#request</value></field>"
        "<field var='muc#role'><value>participant</value></field></x>"
    )
    ivanov.send(f"<message to='{room}'>{form}</message>")
    refusal = await ivanov.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(refusal) == "forbidden"


async def test_a_department_has_announcements(log_in: LogIn, world: World) -> None:
    await unit_of(world, "Accounting", PETROVA)
    room = f"department-news@{CONFERENCE}"
    ivanov, petrova, sidorov = await log_in(IVANOV), await log_in(PETROVA), await log_in(SIDOROV)
    assert item(await enter(petrova, "petrova", room=room))["role"] == "moderator"
    own = item(await enter(ivanov, "ivanov", room=room))
    assert (own["affiliation"], own["role"]) == ("member", "visitor")
    sidorov.send(entry("sidorov", room=room))
    assert error_of(await sidorov.presence_of(f"{room}/sidorov", "error")) == "registration-required"


async def test_a_move_takes_effect_at_once(log_in: LogIn, world: World) -> None:
    old = await unit_of(world, "Accounting", PETROVA, IVANOV)
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    new = (await world.directory.create_unit(person.department, "Archive")).id
    before, after = f"unit-{old}@{CONFERENCE}", f"unit-{new}@{CONFERENCE}"
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await enter(petrova, "petrova", room=before)
    await enter(ivanov, "ivanov", room=before)
    await move(world, IVANOV, new)
    assert codes(await ivanov.presence_of(f"{before}/ivanov", "unavailable")) == [110, 321]
    assert codes(await petrova.presence_of(f"{before}/ivanov", "unavailable")) == [321]
    assert item(await enter(ivanov, "ivanov", room=after))["affiliation"] == "member"
    ivanov.send(entry("ivanov", room=before))
    assert error_of(await ivanov.presence_of(f"{before}/ivanov", "error")) == "registration-required"


async def test_a_ban_holds_in_a_room_of_the_structure(tmp_path: Path, store_url: str) -> None:
    async with World(tmp_path, store_url=store_url) as world:
        unit = await unit_of(world, "Accounting", PETROVA, IVANOV)
        room = f"unit-{unit}@{CONFERENCE}"
        for name in ("first", "after a restart"):
            async with Client(world, PETROVA) as petrova, Client(world, IVANOV) as ivanov:
                await (await petrova.log_in()).go_online()
                await (await ivanov.log_in()).go_online()
                await enter(petrova, "petrova", room=room)
                if name == "first":
                    await enter(ivanov, "ivanov", room=room)
                    await administer(petrova, f"<item jid='{IVANOV}' affiliation='outcast'/>", room)
                    assert codes(await ivanov.presence_of(f"{room}/ivanov", "unavailable")) == [110, 301]
                else:
                    ivanov.send(entry("ivanov", room=room))
                    assert error_of(await ivanov.presence_of(f"{room}/ivanov", "error")) == "forbidden"
                    await administer(petrova, f"<item jid='{IVANOV}' affiliation='none'/>", room)
                    assert item(await enter(ivanov, "ivanov", room=room))["affiliation"] == "member"
            await world.stop()
            await world.start()


ROSTER = "<query xmlns='jabber:iq:roster'/>"
BOOKMARKS = "urn:xmpp:bookmarks:1"
PUBSUB = "http://jabber.org/protocol/pubsub"


async def bookmarked(client: Client) -> list[str]:
    query = f"<pubsub xmlns='{PUBSUB}'><items node='{BOOKMARKS}'/></pubsub>"
    answer = await client.iq(query)
    return sorted(each.get("id", "") for each in answer.iter(f"{{{PUBSUB}}}item"))


async def test_rosters_and_presence_follow_a_move(log_in: LogIn, world: World) -> None:
    boss = await world.directory.by_address(PETROVA)
    assert boss is not None
    unit, archive = [
        (await world.directory.create_unit(boss.department, name)).id for name in ("Accounting", "Archive")
    ]
    await move(world, PETROVA, unit)
    await move(world, IVANOV, archive)
    petrova, ivanov = await log_in(PETROVA), await log_in(IVANOV)
    await petrova.iq(ROSTER)
    for target, subscription, type_ in ((unit, "both", None), (archive, "remove", "unavailable")):
        await move(world, IVANOV, target)
        push = await petrova.receive("c:iq", lambda stanza: stanza.get("type") == "set")
        contact = find(push, "roster:query/roster:item")
        assert (contact.get("jid"), contact.get("subscription")) == (IVANOV, subscription)
        await petrova.presence_of(ivanov.full, type_)


async def test_bookmarks_follow_but_are_offered_once(log_in: LogIn, world: World) -> None:
    unit = await unit_of(world, "Accounting", PETROVA, IVANOV)
    chat, news, everybody = (
        f"{name}@{CONFERENCE}" for name in (f"unit-{unit}", f"unit-{unit}-news", "department-news")
    )
    ivanov = await log_in(IVANOV)
    async with asyncio.timeout(30):
        while await bookmarked(ivanov) != sorted([chat, news, everybody]):
            await asyncio.sleep(0.05)
    removal = f"<retract node='{BOOKMARKS}'><item id='{news}'/></retract>"
    await ivanov.iq(f"<pubsub xmlns='{PUBSUB}'>{removal}</pubsub>", "set")
    again = await log_in(IVANOV)
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    archive = (await world.directory.create_unit(person.department, "Archive")).id
    await move(world, IVANOV, archive)
    expected = sorted([f"unit-{archive}@{CONFERENCE}", f"unit-{archive}-news@{CONFERENCE}", everybody])
    async with asyncio.timeout(30):
        while await bookmarked(again) != expected:
            await asyncio.sleep(0.05)
    await move(world, IVANOV, unit)
    async with asyncio.timeout(30):
        while chat not in await bookmarked(again):
            await asyncio.sleep(0.05)


async def test_who_does_not_want_bookmarks_gets_none(log_in: LogIn, world: World) -> None:
    await unit_of(world, "Accounting", PETROVA, IVANOV)
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    await world.directory.update(person.id, Change(data={"unit_rooms": False}))
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    async with asyncio.timeout(30):
        while len(await bookmarked(petrova)) != 3:
            await asyncio.sleep(0.05)
    assert await bookmarked(ivanov) == []


async def test_a_move_is_felt_in_every_worker(tmp_path: Path) -> None:
    async with World(tmp_path, process=True, settings=SETTINGS) as world, Workers(world) as workers:
        store = await Store.open("sqlite", world.config.data_dir, visiting=True)
        directory = await Directory.open(store, world.config)
        try:
            person = await directory.by_address(IVANOV)
            assert person is not None
            unit = await directory.create_unit(person.department, "Accounting")
            for address in (IVANOV, PETROVA):
                found = await directory.by_address(address)
                assert found is not None
                await directory.update(found.id, Change(unit=unit.id))
            here, there = workers.pids
            ivanov, petrova = await workers.log_in(here, IVANOV), await workers.log_in(there, PETROVA)
            await petrova.iq(ROSTER)
            room = f"unit-{unit.id}@{CONFERENCE}"
            await enter(ivanov, "ivanov", room=room)
            assert item(await enter(petrova, "petrova", room=room))["affiliation"] == "member"
            await directory.update(person.id, Change(unit=0))
            assert codes(await ivanov.presence_of(f"{room}/ivanov", "unavailable")) == [110, 321]
            assert codes(await petrova.presence_of(f"{room}/ivanov", "unavailable")) == [321]
            push = await petrova.receive("c:iq", lambda stanza: stanza.get("type") == "set")
            assert find(push, "roster:query/roster:item").get("jid") == IVANOV
        finally:
            await directory.close()
            await store.close()
