# SPDX-License-Identifier: Apache-2.0
"""What was said in somebody's rooms meanwhile is told by mail: to whom, of what, and when not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from armgs_server.directory.people import Change
from armgs_server.storage import collections, items, room_seen
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx
from armgs_server.xmpp import missed_mail
from armgs_server.xmpp.missed_mail import Line, Unread
from armgs_server.xmpp.service import XmppService
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import Client, find
from tests.xmpp.rooms import ROOM, administer, create, enter, say

MDS = "urn:xmpp:mds:displayed:0"


@pytest.fixture
async def world(tmp_path: Path, store_url: str) -> AsyncIterator[World]:
    # Whatever was said microseconds ago is told.
    settings = {"xmpp": {"digest_after": 1e-9, "language": "en"}}
    async with World(tmp_path, store_url=store_url, settings=settings) as world:
        yield world


def service_of(world: World) -> XmppService:
    return next(each for each in world.daemon._services if isinstance(each, XmppService))


async def inbox(world: World, address: str) -> list[str]:
    """The texts of the mails in an inbox, subject first."""
    person = await world.directory.by_address(address)
    assert person is not None

    async def work(tx: Tx) -> list[Item]:
        mailbox = await collections.by_role(tx, person.id, "mail", "inbox")
        assert mailbox is not None
        return await items.scan(tx, person.id, mailbox.id)

    found = [await world.store.blobs.read(each.blob) for each in await world.store.read(work)]
    mails = [message_from_bytes(data, policy=default) for data in found]
    return [f"{each['Subject']}\n{each.get_content()}" for each in mails]


async def talk(world: World, *bodies: str) -> list[str]:
    """Ivanov makes a room with Petrova as a member, who is not in it, and says something; archive ids."""
    async with Client(world, IVANOV) as ivanov:
        await (await ivanov.log_in()).go_online()
        await create(ivanov, "ivanov", roomname="Tea")
        await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
        ids = []
        for body in bodies:
            ivanov.send(say(body))
            ids.append(find(await ivanov.message(body), "sid:stanza-id").get("id", ""))
        await service_of(world).missed.note()
    return ids


async def test_members_are_told_once(world: World) -> None:
    await talk(world, *(f"number {number}" for number in range(7)))
    missed = service_of(world).missed
    assert await missed.digest() == 1
    (mail,) = await inbox(world, PETROVA)
    assert mail.startswith("Unread in chat rooms: 7\n")
    assert "Tea: 7 unread" in mail and f"xmpp:{ROOM}?join" in mail
    assert "ivanov: number 6" in mail and "number 1" not in mail and "… and 2 more before" in mail
    assert await inbox(world, IVANOV) == [] == await inbox(world, SIDOROV)
    assert await missed.digest() == 0


async def test_who_was_there_has_seen_it(world: World) -> None:
    async with Client(world, IVANOV) as ivanov, Client(world, PETROVA) as petrova:
        for client in (ivanov, petrova):
            await (await client.log_in()).go_online()
        await create(ivanov, "ivanov")
        await administer(ivanov, f"<item jid='{PETROVA}' affiliation='member'/>")
        await enter(petrova, "petrova")
        ivanov.send(say("seen"))
        await petrova.message("seen")
        petrova.send(f"<presence to='{ROOM}/petrova' type='unavailable'/>")
        await ivanov.presence_of(f"{ROOM}/petrova", "unavailable")
        await ivanov.settle()
        missed = service_of(world).missed
        await missed.note()
        assert await missed.digest() == 0
        ivanov.send(say("not seen"))
        await ivanov.message("not seen")
        await missed.note()
        assert await missed.digest() == 1
    (mail,) = await inbox(world, PETROVA)
    assert "not seen" in mail and ": seen" not in mail


async def test_what_another_client_has_shown_is_seen(world: World) -> None:
    ids = await talk(world, "read on the phone")
    async with Client(world, PETROVA) as petrova:
        await petrova.log_in()
        seen = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='{ids[0]}'/>"
        displayed = f"<displayed xmlns='{MDS}'>{seen}</displayed>"
        item = f"<publish node='{MDS}'><item id='{ROOM}'>{displayed}</item></publish>"
        answer = await petrova.iq(f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{item}</pubsub>", "set")
        assert answer.get("type") == "result"
    assert await service_of(world).missed.digest() == 0


@pytest.mark.parametrize("whose", ["person", "department"])
async def test_it_is_turned_off(world: World, whose: str) -> None:
    await talk(world, "nobody is told")
    person = await world.directory.by_address(PETROVA)
    assert person is not None
    target = person.id if whose == "person" else person.department
    await world.directory.update(target, Change(data={"chat_digest": False}))
    assert await service_of(world).missed.digest() == 0
    assert await inbox(world, PETROVA) == []


async def test_people_of_a_unit_are_told(world: World) -> None:
    boss, member = await world.directory.by_address(IVANOV), await world.directory.by_address(PETROVA)
    assert boss is not None and member is not None
    unit = await world.directory.create_unit(boss.department, "Accounting")
    await world.directory.update(boss.id, Change(unit=unit.id, head=True))
    await world.directory.update(member.id, Change(unit=unit.id))
    room = f"unit-{unit.id}-news@conference.digital.example"
    async with Client(world, IVANOV) as ivanov:
        await (await ivanov.log_in()).go_online()
        await enter(ivanov, "ivanov", room=room)
        ivanov.send(say("a holiday", room))
        await ivanov.message("a holiday")
        await service_of(world).missed.note()
        assert await service_of(world).missed.digest() == 1
    (mail,) = await inbox(world, PETROVA)
    assert "Announcements: Accounting: 1 unread" in mail


async def test_who_is_deleted_leaves_nothing(world: World) -> None:
    await talk(world, "hello")
    await service_of(world).missed.digest()
    person = await world.directory.by_address(PETROVA)
    room = await world.directory.by_address(ROOM)
    assert person is not None and room is not None
    assert person.id in await world.store.read(lambda tx: room_seen.of_room(tx, room.id))
    await world.directory.delete(person.id)
    assert person.id not in await world.store.read(lambda tx: room_seen.of_room(tx, room.id))


def test_a_mail_in_russian() -> None:
    line = Line(1_700_000_000_000_000, "Иванов", "строка\nи ещё одна " + "я" * 400)
    unread = Unread(1, "чай@conference.digital.example", "Чай", 3, [line], 5)
    mail = message_from_bytes(missed_mail.compose("petrova@digital.example", [unread], "ru"), policy=default)
    assert mail["Subject"] == "Непрочитанное в комнатах чата: 3"
    text = mail.get_content()
    assert "Чай: непрочитано 3" in text and "… и ещё 2 до этого" in text
    assert "14.11 22:13 UTC Иванов: строка и ещё одна я" in text and "…" in text
    assert mail["Auto-Submitted"] == "auto-generated"
