# SPDX-License-Identifier: Apache-2.0
"""XEP-0045: rooms in memory and in the store: when they are made, kept, let go, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from armgs_server.errors import Temporary
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn
from tests.xmpp.rooms import ROOM, administer, configure, create, enter, entry, item, say


async def exists(client: Client) -> bool:
    answer = await client.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=ROOM)
    return answer.get("type") == "result"


async def test_what_a_room_does_not_do(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    service = "conference.digital.example"
    ivanov.send(f"<message to='{service}'><body>?</body></message>")
    assert error_of(await ivanov.message()) == "service-unavailable"
    await create(ivanov, "ivanov")
    ivanov.send(f"<presence to='{ROOM}' type='subscribe'/>")
    assert error_of(await ivanov.presence_of(ROOM, "error")) == "feature-not-implemented"
    ivanov.send(f"<message to='{ROOM}' type='chat'><body>?</body></message>")
    refusal = await ivanov.receive("c:message", lambda stanza: stanza.get("type") == "error")
    assert error_of(refusal) == "bad-request"


async def test_a_room_is_let_go_when_nobody_is_in_it(log_in: LogIn, world: World) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    ivanov.send(say("hello"))
    archive_id = find(await ivanov.message("hello"), "sid:stanza-id").get("id")
    ivanov.send(f"<presence to='{ROOM}/ivanov' type='unavailable'/>")
    await ivanov.presence_of(f"{ROOM}/ivanov", "unavailable")
    assert await exists(ivanov)
    ivanov.send(entry("ivanov"))
    past = await ivanov.message("hello")
    assert find(past, "delay:delay").get("from") == ROOM
    assert find(past, "sid:stanza-id").get("id") == archive_id


async def test_a_temporary_room_ends_with_its_last_occupant(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov", persistentroom="0")
    assert await exists(ivanov)
    ivanov.send(f"<presence to='{ROOM}/ivanov' type='unavailable'/>")
    await ivanov.presence_of(f"{ROOM}/ivanov", "unavailable")
    assert not await exists(ivanov)


async def test_a_restart_leaves_room_subject_history_and_affiliations(tmp_path: Path, store_url: str) -> None:
    async with World(tmp_path, store_url=store_url) as world:
        async with Client(world, IVANOV) as ivanov:
            await (await ivanov.log_in()).go_online()
            await create(ivanov, "ivanov", roomname="Tea room", moderatedroom="1")
            await administer(ivanov, f"<item jid='{PETROVA}' affiliation='admin'/>")
            ivanov.send(say("before", id_="b"))
            ivanov.send(f"<message type='groupchat' to='{ROOM}'><subject>Five</subject></message>")
            await ivanov.receive(
                "c:message", lambda stanza: stanza.findtext("c:subject", "", NAMESPACES) == "Five"
            )
        await world.stop()
        await world.start()
        async with Client(world, PETROVA) as petrova:
            await (await petrova.log_in()).go_online()
            petrova.send(entry("petrova"))
            own = await petrova.presence_of(f"{ROOM}/petrova")
            assert (item(own)["affiliation"], item(own)["role"]) == ("admin", "moderator")
            past = await petrova.message("before")
            assert (past.get("from"), past.get("id")) == (f"{ROOM}/ivanov", "b")
            assert find(past, "delay:delay").get("from") == ROOM
            subject = await petrova.message()
            assert (subject.get("from"), text(subject, "c:subject")) == (f"{ROOM}/ivanov", "Five")


async def test_nobody_owns_rooms_without_end(tmp_path: Path) -> None:
    settings = {"xmpp": {"rooms_owned": 1}}
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as ivanov:
        await (await ivanov.log_in()).go_online()
        await create(ivanov, "ivanov")
        other = "coffee@conference.digital.example"
        await enter(ivanov, "ivanov", room=other)
        answer = await configure(ivanov, other, roomname="Coffee")
        assert error_of(answer) == "resource-constraint"


async def test_nobody_is_in_rooms_without_end(tmp_path: Path) -> None:
    settings = {"xmpp": {"rooms_entered": 1}}
    async with World(tmp_path, settings=settings) as world, Client(world, IVANOV) as ivanov:
        await (await ivanov.log_in()).go_online()
        await create(ivanov, "ivanov")
        for nick in ("другой", "ivanov"):  # another nick is no other room
            ivanov.send(f"<presence to='{ROOM}/{nick}'/>")
            await ivanov.presence_of(f"{ROOM}/{nick}")
        ivanov.send(entry("ivanov", room="coffee@conference.digital.example"))
        refusal = await ivanov.presence_of("coffee@conference.digital.example/ivanov", "error")
        assert error_of(refusal) == "resource-constraint"


async def test_a_presence_has_a_size(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov")
    ivanov.send(f"<presence to='{ROOM}/ivanov'><status>{'x' * 20000}</status></presence>")
    assert error_of(await ivanov.presence_of(f"{ROOM}/ivanov", "error")) == "policy-violation"


async def test_what_everybody_has_seen_is_there_after_a_crash(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        async with Client(world, IVANOV) as ivanov:
            await (await ivanov.log_in()).go_online()
            await create(ivanov, "ivanov")
            for number in range(20):
                ivanov.send(say(f"number {number}"))
            await ivanov.message("number 19")
            await world.kill()
        await world.start()
        async with Client(world, IVANOV) as ivanov:
            await (await ivanov.log_in()).go_online()
            await enter(ivanov, "ivanov")
            seen = [stanza.findtext("c:body", None, NAMESPACES) for stanza in await ivanov.settle()]
            assert [body for body in seen if body] == [f"number {number}" for number in range(20)]


async def test_a_store_that_cannot_write_loses_the_message_alone(
    log_in: LogIn, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await create(ivanov, "ivanov")
    await enter(petrova, "petrova")

    async def full(work: object) -> None:
        raise Temporary("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "write", full)
        ivanov.send(say("lost"))
        refusal = await ivanov.receive("c:message", lambda stanza: stanza.get("type") == "error")
        assert find(refusal, "c:error").get("type") == "wait"
    ivanov.send(say("kept"))
    await petrova.message("kept")
    assert not [each for each in petrova.stanzas if each.findtext("c:body", None, NAMESPACES) == "lost"]


async def test_a_temporary_room_that_cannot_be_removed_stays_usable(
    log_in: LogIn, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ivanov = await log_in(IVANOV)
    await create(ivanov, "ivanov", persistentroom="0")

    async def full(work: object) -> None:
        raise Temporary("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "write", full)
        ivanov.send(f"<presence to='{ROOM}/ivanov' type='unavailable'/>")
        await ivanov.presence_of(f"{ROOM}/ivanov", "unavailable")
        await ivanov.settle()
    await enter(ivanov, "ivanov")
    ivanov.send(f"<presence to='{ROOM}/ivanov' type='unavailable'/>")
    await ivanov.presence_of(f"{ROOM}/ivanov", "unavailable")
    assert not await exists(ivanov)
