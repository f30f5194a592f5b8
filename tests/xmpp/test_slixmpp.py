# SPDX-License-Identifier: Apache-2.0
"""slixmpp as a client: its own parser, roster, stream management, archive, vCard and rooms."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.world import HOSTNAME, IVANOV, PASSWORD, PETROVA, SIDOROV, World
from tests.xmpp.commands import ADMIN, appoint

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import slixmpp

TIMEOUT = 15.0
PLUGINS = (
    "xep_0004",
    "xep_0012",
    "xep_0030",
    "xep_0045",
    "xep_0050",
    "xep_0054",
    "xep_0059",
    "xep_0077",
    "xep_0092",
    "xep_0191",
    "xep_0198",
    "xep_0199",
    "xep_0202",
    "xep_0280",
    "xep_0313",
    "xep_0352",
    "xep_0359",
    "xep_0421",
    "xep_0424",
    "xep_0425",
)
Connect = Callable[..., Awaitable[Any]]


@pytest.fixture
async def connect(world: World) -> AsyncIterator[Connect]:
    """`await connect(jid)`: a client that is online over STARTTLS, or direct TLS."""
    clients = []

    async def make(jid: str, *, direct: bool = False) -> Any:
        client: Any = slixmpp.ClientXMPP(jid, PASSWORD)
        for plugin in PLUGINS:
            client.register_plugin(plugin)
        client.ca_certs = str(world.ca)
        client.enable_direct_tls, client.enable_starttls = direct, not direct
        started = asyncio.get_running_loop().create_future()
        client.add_event_handler("session_start", lambda _: started.done() or started.set_result(None))
        client.add_event_handler("failed_all_auth", lambda _: started.set_exception(AssertionError("auth")))
        clients.append(client)
        client.connect(HOSTNAME, world.ports["xmpps" if direct else "xmpp"])
        async with asyncio.timeout(TIMEOUT):
            await started
        await client.get_roster()
        client.send_presence()
        await client.plugin["xep_0199"].ping(jid="digital.example")  # the presence has arrived, then
        return client

    yield make
    for client in clients:
        await client.disconnect(wait=1.0)


async def event(client: Any, name: str, matches: Callable[[Any], bool] = lambda stanza: True) -> Any:
    """The next event of that name that matches; begin to wait before what causes it."""
    future = asyncio.get_running_loop().create_future()

    def handler(stanza: Any) -> None:
        if matches(stanza) and not future.done():
            future.set_result(stanza)

    client.add_event_handler(name, handler)
    try:
        async with asyncio.timeout(TIMEOUT):
            return await future
    finally:
        client.del_event_handler(name, handler)


@pytest.mark.parametrize("direct", [False, True])
async def test_roster_and_messages(connect: Connect, direct: bool) -> None:
    ivanov, petrova = await connect(IVANOV, direct=direct), await connect(PETROVA, direct=direct)
    assert ivanov.client_roster[PETROVA]["subscription"] == "both"
    heard = asyncio.ensure_future(event(petrova, "message"))
    await asyncio.sleep(0)
    ivanov.send_message(PETROVA, "Привет", mtype="chat")
    message = await heard
    assert message["body"] == "Привет"
    assert message["from"] == ivanov.boundjid.full


async def test_archive_and_cards(connect: Connect) -> None:
    ivanov = await connect(IVANOV)
    for number in range(3):
        ivanov.send_message(PETROVA, f"n{number}", mtype="chat")
    await ivanov.plugin["xep_0199"].ping(jid="digital.example")
    results = await ivanov.plugin["xep_0313"].retrieve(with_jid=slixmpp.JID(PETROVA))
    bodies = [each["mam_result"]["forwarded"]["stanza"]["body"] for each in results["mam"]["results"]]
    assert bodies == ["n0", "n1", "n2"]
    card = await ivanov.plugin["xep_0054"].get_vcard(jid=slixmpp.JID(PETROVA))
    assert card["vcard_temp"]["FN"] == "Петрова Анна"
    version = await ivanov.plugin["xep_0092"].get_version("digital.example")
    assert version["software_version"]["name"] == "armgs_server"


async def test_blocking_and_disco(connect: Connect) -> None:
    ivanov = await connect(IVANOV)
    await ivanov.plugin["xep_0191"].block(slixmpp.JID("spam@elsewhere.example"))
    blocked = await ivanov.plugin["xep_0191"].get_blocked_jids()
    assert {str(jid) for jid in blocked} == {"spam@elsewhere.example"}
    await ivanov.plugin["xep_0280"].enable()


async def test_rooms(connect: Connect) -> None:
    ivanov, petrova = await connect(IVANOV), await connect(PETROVA)
    room = slixmpp.JID("otdel@conference.digital.example")
    await ivanov.plugin["xep_0045"].join_muc_wait(room, "Иванов", timeout=TIMEOUT)
    await ivanov.plugin["xep_0045"].set_room_config(room, slixmpp.plugins.xep_0004.Form())
    await petrova.plugin["xep_0045"].join_muc_wait(room, "Петрова", timeout=TIMEOUT)
    heard = asyncio.ensure_future(event(petrova, "groupchat_message", lambda each: each["body"] == "всем"))
    await asyncio.sleep(0)
    ivanov.send_message(room, "всем", mtype="groupchat")
    assert (await heard)["from"].resource == "Иванов"


async def test_moderation_and_members(connect: Connect) -> None:
    ivanov, petrova = await connect(IVANOV), await connect(PETROVA)
    room = slixmpp.JID("otdel@conference.digital.example")
    rooms = ivanov.plugin["xep_0045"]
    await rooms.join_muc_wait(room, "Иванов", timeout=TIMEOUT)
    form = await rooms.get_room_config(room)
    form["type"] = "submit"
    form.set_values({"muc#roomconfig_membersonly": True, "muc#roomconfig_roomadmins": [PETROVA]})
    await rooms.set_room_config(room, form)
    await petrova.plugin["xep_0045"].join_muc_wait(room, "Петрова", timeout=TIMEOUT)
    heard = asyncio.ensure_future(event(petrova, "groupchat_message"))
    await asyncio.sleep(0)
    ivanov.send_message(room, "лишнее", mtype="groupchat")
    message = await heard
    told = asyncio.ensure_future(event(ivanov, "moderated_message"))
    await asyncio.sleep(0)
    await petrova.plugin["xep_0425"].moderate(room, message["stanza_id"]["id"], "не сюда")
    retract = (await told)["retract"]
    assert retract["id"] == message["stanza_id"]["id"]
    assert retract["moderated"]["by"] == f"{room}/Петрова"
    results = await ivanov.plugin["xep_0313"].retrieve(jid=room)
    bodies = [each["mam_result"]["forwarded"]["stanza"]["body"] for each in results["mam"]["results"]]
    assert "лишнее" not in bodies
    await rooms.set_affiliation(room, "member", jid=slixmpp.JID(SIDOROV), reason="гость")
    assert SIDOROV in await rooms.get_affiliation_list(room, "member")


async def test_resumption_after_a_lost_connection(connect: Connect) -> None:
    ivanov, petrova = await connect(IVANOV), await connect(PETROVA)
    assert petrova.plugin["xep_0198"].sm_id
    resumed = asyncio.ensure_future(event(petrova, "session_resumed"))
    heard = asyncio.ensure_future(event(petrova, "message"))
    await asyncio.sleep(0)
    petrova.transport.abort()
    ivanov.send_message(PETROVA, "meanwhile", mtype="chat")
    petrova.reconnect(wait=0.1)
    await resumed
    assert (await heard)["body"] == "meanwhile"


async def test_resumption_after_a_restart_of_the_server(connect: Connect, world: World) -> None:
    room = slixmpp.JID("otdel@conference.digital.example")
    ivanov, petrova = await connect(IVANOV), await connect(PETROVA)
    await ivanov.plugin["xep_0045"].join_muc_wait(room, "Иванов", timeout=TIMEOUT)
    await ivanov.plugin["xep_0045"].set_room_config(room, slixmpp.plugins.xep_0004.Form())
    await petrova.plugin["xep_0045"].join_muc_wait(room, "Петрова", timeout=TIMEOUT)
    begun: list[Any] = []
    resumed = [asyncio.ensure_future(event(each, "session_resumed")) for each in (ivanov, petrova)]
    for client in (ivanov, petrova):
        client.add_event_handler("session_start", begun.append)
    await asyncio.sleep(0)
    await world.stop()
    await world.start()
    for client in (ivanov, petrova):
        client.reconnect(wait=0.1)
    await asyncio.gather(*resumed)
    heard = asyncio.ensure_future(event(petrova, "groupchat_message", lambda each: each["body"] == "здесь?"))
    answered = asyncio.ensure_future(event(ivanov, "message", lambda each: each["body"] == "да"))
    await asyncio.sleep(0)
    ivanov.send_message(room, "здесь?", mtype="groupchat")
    assert (await heard)["from"].resource == "Иванов"
    petrova.send_message(ivanov.boundjid, "да", mtype="chat")
    await answered
    assert begun == []


async def test_administration_search_and_last_activity(world: World, connect: Connect) -> None:
    await appoint(world, IVANOV)
    ivanov = await connect(IVANOV)
    domain, commands = slixmpp.JID("digital.example"), ivanov.plugin["xep_0050"]
    offered = {each[1] for each in (await commands.get_commands(domain))["disco_items"]["items"]}
    assert f"{ADMIN}#add-user" in offered
    asked = (await commands.send_command(domain, f"{ADMIN}#add-user"))["command"]
    form = asked["form"]
    assert form.get_fields()["accountjid"]["type"] == "jid-single"
    form["type"] = "submit"
    person = "smirnova@digital.example"
    form.set_values({"accountjid": person, "password": PASSWORD, "password-verify": PASSWORD})
    done = await commands.send_command(
        domain, f"{ADMIN}#add-user", payload=form, sessionid=asked["sessionid"], action="complete"
    )
    assert done["command"]["status"] == "completed"
    assert await world.directory.by_address(person) is not None
    last = ivanov.plugin["xep_0012"]
    uptime = await last.get_last_activity(domain)
    assert uptime["last_activity"]["seconds"] < 600
    features = await ivanov.plugin["xep_0030"].get_info(jid="search.digital.example")
    assert "jabber:iq:search" in features["disco_info"]["features"]
