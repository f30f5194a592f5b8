# SPDX-License-Identifier: Apache-2.0
"""Rooms where several processes serve: whoever connects to whichever of them is in the same room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import pytest

from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.errors import Conflict
from armgs_server.storage import Store, leases
from armgs_server.xmpp import frame
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.server import Server
from armgs_server.xmpp.stanza import StanzaError
from armgs_server.xmpp.xeps import xep_0045_homes
from armgs_server.xmpp.xeps.xep_0045_muc import Rooms
from tests.twin_bus import TwinBus, twins
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find
from tests.xmpp.rooms import INSTANT, ROOM, administer, codes, configure, create, enter, entry, item, say

SETTINGS = {"server": {"workers": 2}}
CLIENTS = 6  # that the kernel gives all of them to one worker happens once in 32 runs, and harms nothing


async def clients(stack: AsyncExitStack, world: World, jid: str, number: int) -> list[Client]:
    """Sessions of one person, spread over the workers by the kernel."""
    found = []
    for place in range(number):
        client = await stack.enter_async_context(Client(world, jid, f"d{place}"))
        found.append(await (await client.log_in()).go_online())
    return found


async def test_a_room_is_one_whatever_the_number_of_workers(tmp_path: Path) -> None:
    async with World(tmp_path, process=True, settings=SETTINGS) as world, AsyncExitStack() as stack:
        owner, *others = await clients(stack, world, IVANOV, CLIENTS // 2)
        others += await clients(stack, world, PETROVA, CLIENTS // 2)
        await create(owner, "n0", roomname="Tea")
        for place, client in enumerate(others, start=1):
            own = await enter(client, f"n{place}")
            assert 110 in codes(own) and 201 not in codes(own)
        everybody = [owner, *others]
        for place, client in enumerate(everybody):
            client.send(say(f"1 of {place}") + say(f"2 of {place}"))
            for other in everybody:
                await other.message(f"1 of {place}")
                seen = await other.message(f"2 of {place}")
                assert seen.get("from") == f"{ROOM}/n{place}"
        orders = []
        for client in everybody:
            answer = await client.iq("<query xmlns='urn:xmpp:mam:2'/>", "set", ROOM)
            assert find(answer, "mam:fin").get("complete") == "true"
            orders.append(
                len(
                    [
                        each
                        for each in await client.settle()
                        if each.find("mam:result", NAMESPACES) is not None
                    ]
                )
            )
        assert orders == [2 * CLIENTS] * CLIENTS
        # refusals find their way back too
        assert error_of(await configure(others[-1], roomname="mine")) == "forbidden"
        others[-1].send(f"<message type='groupchat' to='{ROOM}'><subject>Mine</subject></message>")
        refusal = await others[-1].receive("c:message", lambda stanza: stanza.get("type") == "error")
        assert error_of(refusal) == "forbidden"
        await administer(owner, f"<item nick='n{CLIENTS - 1}' role='none'/>")
        for client in everybody:
            gone = await client.presence_of(f"{ROOM}/n{CLIENTS - 1}", "unavailable")
            assert 307 in codes(gone) and item(gone)["role"] == "none"


class Process:
    """A server without connections; `heard` is what goes to people elsewhere, of both processes."""

    def __init__(self, store: Store, directory: Directory, heard: list[bytes]) -> None:
        self.store = store
        self.directory = directory
        self.server = Server(directory.config, store, directory)
        self.rooms = Rooms(self.server)
        self.heard = heard
        for address in (IVANOV, PETROVA):
            store.bus.subscribe(f"xmpp:{address}", lambda data: self.heard.append(frame.decode(data).data))

    async def send(self, from_: str, text: str) -> None:
        """One stanza of somebody who is connected to this process."""
        await self.rooms.handle(parse_stanza(text.encode()), parse(from_))

    async def hears(self, *texts: str) -> None:
        """Waits for a stanza that holds all of the texts."""
        try:
            async with asyncio.timeout(10):
                while not any(all(text.encode() in stanza for text in texts) for stanza in self.heard):
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"no stanza with {texts} among {self.heard}") from None


@pytest.fixture
async def processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Process, Process]]:
    """Two that share a store, and look after their leases a hundred times a second."""
    monkeypatch.setattr(xep_0045_homes, "LIFETIME", 30_000)
    stores = [await Store.open("sqlite", tmp_path / "store", bus=bus) for bus in twins()]
    config = Config(directory=tmp_path)
    directories = [await Directory.open(store, config) for store in stores]
    await directories[0].create_department("Digital", ["digital.example"])
    for address in (IVANOV, PETROVA):
        await directories[0].create_person(address)
    await directories[1].load_domains()
    heard: list[bytes] = []
    yield Process(stores[0], directories[0], heard), Process(stores[1], directories[1], heard)
    for directory in directories:
        await directory.close()
    for store in stores:
        await store.close()


async def test_a_room_that_passes_on_sends_its_people_away(processes: tuple[Process, Process]) -> None:
    here, there = processes
    ivanov, petrova = f"{IVANOV}/desk", f"{PETROVA}/desk"
    stanza = f"xmlns='jabber:client' to='{ROOM}'"
    await here.send(ivanov, entry("ivanov").replace("<presence ", "<presence xmlns='jabber:client' "))
    await here.send(ivanov, f"<iq {stanza} type='set' id='i'>{INSTANT}</iq>")
    await there.send(petrova, entry("petrova").replace("<presence ", "<presence xmlns='jabber:client' "))
    await there.hears("to='petrova@digital.example/desk'", "<status code='110'/>")
    await there.send(petrova, f"<message {stanza} type='groupchat'><body>both</body></message>")
    await here.hears("to='ivanov@digital.example/desk'", "<body>both</body>")

    # the first process sleeps through the end of its lease, and the second one takes the room over
    await there.store.write(
        lambda tx: tx.execute("UPDATE lease SET holder = 'nobody', token = token + 1, expires = 0")
    )
    with pytest.raises(Conflict):
        await here.send(ivanov, f"<message {stanza} type='groupchat'><body>late</body></message>")
    await here.hears("to='ivanov@digital.example/desk'", "type='unavailable'", "<status code='332'/>")
    await there.send(petrova, entry("petrova").replace("<presence ", "<presence xmlns='jabber:client' "))
    await there.send(petrova, f"<message {stanza} type='groupchat'><body>alone</body></message>")
    await there.hears("to='petrova@digital.example/desk'", "<body>alone</body>")
    await there.send(petrova, f"<presence {stanza.replace(ROOM, ROOM + '/petrova')} type='unavailable'/>")


async def test_what_the_bus_has_lost_is_asked_again_and_done_once(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = processes
    monkeypatch.setattr(xep_0045_homes, "LOOK", 0.05)
    stanza = f"xmlns='jabber:client' to='{ROOM}'"
    await here.send(
        f"{IVANOV}/desk", entry("ivanov").replace("<presence ", "<presence xmlns='jabber:client' ")
    )
    await here.send(f"{IVANOV}/desk", f"<iq {stanza} type='set' id='i'>{INSTANT}</iq>")
    petrova = f"{PETROVA}/desk"
    await there.send(petrova, entry("petrova").replace("<presence ", "<presence xmlns='jabber:client' "))
    answering = cast(TwinBus, here.store.bus)
    answering.is_cut = True  # the home hears what is asked, and nobody hears it
    said = asyncio.create_task(
        there.send(petrova, f"<message {stanza} type='groupchat'><body>once</body></message>")
    )
    refused = asyncio.create_task(
        there.send(petrova, f"<message {stanza} type='groupchat' id='s'><subject>Mine</subject></message>")
    )
    await asyncio.wait({said, refused}, timeout=0.3)
    assert not said.done() and not refused.done()
    answering.mend()
    async with asyncio.timeout(10):
        await asyncio.gather(said, refused)
    rows = await here.store.read(lambda tx: tx.rows("SELECT stanza FROM archive WHERE peer = 'petrova'"))
    assert len(rows) == 1 and b"<body>once</body>" in rows[0][0]
    await there.hears("to='petrova@digital.example/desk'", "type='error'", "<forbidden ")


async def test_a_process_that_does_not_answer_is_not_waited_for(
    processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = processes
    monkeypatch.setattr(xep_0045_homes, "TIMEOUT", 0.05)
    await there.store.write(lambda tx: leases.acquire(tx, f"room:{ROOM}", "dead"))
    with pytest.raises(StanzaError) as raised:
        await here.send(
            f"{IVANOV}/desk", entry("i").replace("<presence ", "<presence xmlns='jabber:client' ")
        )
    assert raised.value.condition == "remote-server-timeout"
