# SPDX-License-Identifier: Apache-2.0
"""Sessions on different workers see each other as if there were one process; a worker's death is noticed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from armgs_server.storage import Store
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, TIMEOUT, Client, chat, error_of, find, text
from tests.xmpp.resuming import bodies, refused
from tests.xmpp.rooms import ROOM, create, enter, say
from tests.xmpp.test_pep import AVATAR, avatar, heard, wants
from tests.xmpp.workers import SETTINGS, Workers, bind

CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"
ROSTER = "<query xmlns='jabber:iq:roster'/>"


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    async with World(tmp_path, process=True, settings=SETTINGS) as world, Workers(world) as workers:
        yield workers


async def carbon(client: Client, direction: str, body: str) -> None:
    """Waits for a copy of a message."""
    path = f"carbons:{direction}/forward:forwarded/c:message/c:body"
    await client.receive("c:message", lambda stanza: stanza.findtext(path, None, NAMESPACES) == body)


async def test_messages_presence_and_carbons_go_across(tmp_path: Path, store_url: str) -> None:
    async with (
        World(tmp_path, process=True, store_url=store_url, settings=SETTINGS) as world,
        Workers(world) as workers,
    ):
        here, there = workers.pids
        ivanov = await workers.log_in(here, IVANOV, "desk")
        petrova = await workers.log_in(there, PETROVA, "desk")
        # colleagues: each sees the other come, or be there already
        await ivanov.presence_of(petrova.full)
        await petrova.presence_of(ivanov.full)
        phone = await workers.log_in(there, IVANOV, "phone")
        await phone.presence_of(ivanov.full)
        await ivanov.presence_of(phone.full)
        for client in (ivanov, phone, petrova):
            await client.iq(CARBONS, "set")
        # to the bare JID: both devices get it, once
        petrova.send(chat(IVANOV, "to both"))
        for client in (ivanov, phone):
            await client.message("to both")
        # to a full JID on the other worker: the other device gets a copy
        petrova.send(chat(ivanov.full, "to the desk"))
        seen = await ivanov.message("to the desk")
        assert find(seen, "sid:stanza-id").get("by") == IVANOV
        await carbon(phone, "received", "to the desk")
        # what one device says the other sees
        ivanov.send(chat(PETROVA, "answer"))
        await petrova.message("answer")
        await carbon(phone, "sent", "answer")
        for client in (ivanov, phone, petrova):
            assert bodies(await client.settle()) == []
        # IQ to a full JID: the other worker's client answers it
        petrova.send(f"<iq type='get' id='p1' to='{ivanov.full}'>{PING}</iq>")
        asked = await ivanov.receive("c:iq", lambda stanza: stanza.get("id") == "p1")
        ivanov.send(f"<iq type='result' id='p1' to='{asked.get('from')}'/>")
        answer = await petrova.receive("c:iq", lambda stanza: stanza.get("id") == "p1")
        assert (answer.get("type"), answer.get("from")) == ("result", ivanov.full)
        assert error_of(await petrova.iq(PING, to=f"{IVANOV}/nobody")) == "service-unavailable"
        # leaving
        await ivanov.close()
        await petrova.presence_of(ivanov.full, "unavailable")
        await phone.presence_of(ivanov.full, "unavailable")


async def test_a_message_waits_only_when_nobody_is_anywhere(workers: Workers) -> None:
    here, there = workers.pids
    ivanov = await workers.log_in(here, IVANOV, "desk")
    petrova = await workers.log_in(there, PETROVA, "desk")
    ivanov.send(chat(PETROVA, "live"))
    live = await petrova.message("live")
    assert live.find("delay:delay", NAMESPACES) is None
    petrova.send("<presence type='unavailable'/>")
    await ivanov.presence_of(petrova.full, "unavailable")
    ivanov.send(chat(PETROVA, "kept"))
    await ivanov.settle()
    phone = await workers.log_in(here, PETROVA, "phone")
    kept = await phone.message("kept")
    assert kept.find("delay:delay", NAMESPACES) is not None
    petrova.send("<presence/>")
    await petrova.presence_of(petrova.full)
    assert bodies(await petrova.settle()) == []


async def test_a_resource_is_one_session_wherever_it_is_bound(workers: Workers) -> None:
    here, there = workers.pids
    watcher = await workers.log_in(there, PETROVA, "desk")
    old = await workers.log_in(here, IVANOV, "desk")
    await watcher.presence_of(old.full)
    new = await workers.log_in(there, IVANOV, "desk")
    assert find(await old.receive("stream:error"), "streams:conflict") is not None
    await watcher.presence_of(old.full, "unavailable")
    await watcher.presence_of(new.full)
    watcher.send(chat(new.full, "still you?"))
    await new.message("still you?")


async def test_roster_pushes_and_subscriptions_go_across(workers: Workers) -> None:
    here, there = workers.pids
    desk = await workers.log_in(here, IVANOV, "desk")
    phone = await workers.log_in(there, IVANOV, "phone")
    sidorov = await workers.log_in(there, SIDOROV, "desk")
    for client in (desk, phone, sidorov):
        await client.iq(ROSTER)

    async def pushed(client: Client, jid: str, **expected: str) -> None:
        def matches(stanza: Element) -> bool:
            item = stanza.find("roster:query/roster:item", NAMESPACES)
            return item is not None and all(
                item.get(key) == value for key, value in {"jid": jid, **expected}.items()
            )

        await client.receive("c:iq", matches)

    await desk.iq(f"<query xmlns='jabber:iq:roster'><item jid='{SIDOROV}' name='S'/></query>", "set")
    await pushed(phone, SIDOROV, name="S")
    desk.send(f"<presence type='subscribe' to='{SIDOROV}'/>")
    request = await sidorov.presence_of(IVANOV, "subscribe")
    assert request.get("to") == SIDOROV
    sidorov.send(f"<presence type='subscribed' to='{IVANOV}'/>")
    for client in (desk, phone):
        await pushed(client, SIDOROV, subscription="to")
        await client.presence_of(sidorov.full)
    await pushed(sidorov, IVANOV, subscription="from")
    # removed: both sides lose it
    await desk.iq(
        f"<query xmlns='jabber:iq:roster'><item jid='{SIDOROV}' subscription='remove'/></query>", "set"
    )
    await pushed(phone, SIDOROV, subscription="remove")
    await phone.presence_of(sidorov.full, "unavailable")


async def test_a_block_holds_on_every_worker(workers: Workers) -> None:
    here, there = workers.pids
    desk = await workers.log_in(here, IVANOV, "desk")
    phone = await workers.log_in(there, IVANOV, "phone")
    petrova = await workers.log_in(there, PETROVA, "desk")
    await petrova.presence_of(desk.full)
    await phone.iq("<blocklist xmlns='urn:xmpp:blocking'/>")
    await desk.iq(f"<block xmlns='urn:xmpp:blocking'><item jid='{PETROVA}'/></block>", "set")
    await phone.receive("c:iq", lambda stanza: stanza.find("blocking:block", NAMESPACES) is not None)
    for full in (desk.full, phone.full):
        await petrova.presence_of(full, "unavailable")
    petrova.send(chat(IVANOV, "hello?", id_="m1"))
    refusal = await petrova.receive("c:message", lambda stanza: stanza.get("id") == "m1")
    assert error_of(refusal) == "service-unavailable"
    # who comes later sees neither of them
    later = await workers.log_in(here, PETROVA, "later")
    seen = [stanza.get("from") for stanza in await later.settle() if stanza.tag.endswith("}presence")]
    assert desk.full not in seen and phone.full not in seen


async def test_published_items_and_last_activity_go_across(workers: Workers) -> None:
    here, there = workers.pids
    desk = await workers.log_in(here, IVANOV, "desk")
    phone = await workers.log_in(there, IVANOV, "phone")
    petrova = await workers.log_in(there, PETROVA, "desk")
    sidorov = await workers.log_in(there, SIDOROV, "desk")
    for client in (phone, petrova, sidorov):
        await wants(client, AVATAR)
    await desk.iq(avatar("a1"), "set")
    for client in (phone, petrova):
        assert await heard(client, IVANOV) == ["a1"]
    assert not [stanza for stanza in await sidorov.settle() if stanza.get("from") == IVANOV]
    # whoever blocks the publisher hears nothing
    await petrova.iq(f"<block xmlns='urn:xmpp:blocking'><item jid='{IVANOV}'/></block>", "set")
    await desk.presence_of(petrova.full, "unavailable")
    await desk.iq(avatar("a2"), "set")
    assert await heard(phone, IVANOV) == ["a2"]
    assert not [each for each in await petrova.settle() if each.get("type") == "headline"]
    await petrova.iq("<unblock xmlns='urn:xmpp:blocking'/>", "set")
    await desk.presence_of(petrova.full)
    # XEP-0012: a contact is here, whichever worker it is on
    last = "<query xmlns='jabber:iq:last'/>"
    answer = await desk.iq(last, to=PETROVA)
    assert find(answer, "last:query").get("seconds") == "0"
    assert error_of(await desk.iq(last, to=SIDOROV)) == "forbidden"
    await petrova.close()
    await desk.presence_of(petrova.full, "unavailable")
    async with asyncio.timeout(10):  # written down by the other worker a moment after it was said
        while (answer := await desk.iq(last, to=PETROVA)).get("type") == "error":
            assert error_of(answer) == "item-not-found"
    assert int(find(answer, "last:query").get("seconds", "")) <= 10


async def test_a_killed_worker_takes_its_sessions_with_it(workers: Workers) -> None:
    here, there = workers.pids
    ivanov = await workers.log_in(here, IVANOV, "desk")
    petrova = await workers.log_in(there, PETROVA, "desk")
    await create(ivanov, "ivan", roomname="Tea")
    await enter(petrova, "anna")
    await ivanov.presence_of(f"{ROOM}/anna")
    await ivanov.presence_of(petrova.full)
    petrova.send(say("in the room"))
    assert (await ivanov.message("in the room")).get("from") == f"{ROOM}/anna"
    os.kill(there, signal.SIGKILL)
    await ivanov.presence_of(petrova.full, "unavailable")
    await ivanov.presence_of(f"{ROOM}/anna", "unavailable")
    ivanov.send(chat(PETROVA, "while you were away"))
    await ivanov.settle()
    again = await workers.log_in(here, PETROVA, "desk")
    assert text(await again.message("while you were away"), "c:body")
    await ivanov.presence_of(again.full)


async def test_a_killed_worker_loses_no_message(workers: Workers) -> None:
    here, there = workers.pids
    ivanov = await workers.log_in(here, IVANOV, "desk")
    petrova = await workers.log_in(there, PETROVA, "desk", online=False)
    await petrova.enable_sm()
    await petrova.go_online()
    await ivanov.presence_of(petrova.full)
    petrova.send("<a xmlns='urn:xmpp:sm:3' h='1'/>")  # its own presence; nothing more is acknowledged
    ivanov.send(chat(PETROVA, "long ago"))
    await petrova.message("long ago")
    store = await Store.open("sqlite", workers.world.config.data_dir, visiting=True)
    try:
        async with asyncio.timeout(TIMEOUT):
            since = "SELECT since FROM session WHERE resource = 'desk' AND address = ?"
            while not await store.read(lambda tx: tx.value(since, PETROVA)):
                await asyncio.sleep(0.05)
    finally:
        await store.close()
    petrova.send(chat(IVANOV, "mine"))
    await ivanov.message("mine")
    ivanov.send(chat(PETROVA, "just now"))
    await petrova.message("just now")
    os.kill(there, signal.SIGKILL)
    ivanov.send(chat(petrova.full, "too late"))  # nobody knows yet
    await ivanov.settle()
    again = await workers.connected(here, PETROVA, "desk")
    await refused(again, petrova.previous, 2)
    await again.bind()
    await again.go_online()
    assert [body for body in bodies(await again.settle()) if body] == ["long ago", "just now", "too late"]


async def test_a_worker_that_slept_takes_up_what_nobody_else_has(workers: Workers) -> None:
    here, there = workers.pids
    ivanov = await workers.log_in(here, IVANOV, "desk")
    petrova = await workers.log_in(there, PETROVA, "desk")
    phone = await workers.log_in(there, PETROVA, "phone")
    await ivanov.presence_of(petrova.full)
    newer = await workers.connected(here, PETROVA, "phone")  # before: a sleeping worker accepts nobody
    os.kill(there, signal.SIGSTOP)
    try:
        await ivanov.presence_of(petrova.full, "unavailable")
        await bind(newer)
        await newer.go_online()
        await ivanov.presence_of(newer.full)
    finally:
        os.kill(there, signal.SIGCONT)
    await ivanov.presence_of(petrova.full)
    assert find(await phone.receive("stream:error"), "streams:conflict") is not None
    ivanov.send(chat(petrova.full, "good morning"))
    await petrova.message("good morning")
    ivanov.send(chat(newer.full, "and you"))
    await newer.message("and you")
