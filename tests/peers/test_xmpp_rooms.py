# SPDX-License-Identifier: Apache-2.0
"""A room as slixmpp sees it: entered, talked in, configured, moderated by its XEP-0045 plug-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import slixmpp

from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.rooms import ROOM

TIMEOUT = 20.0

pytestmark = pytest.mark.peer


@asynccontextmanager
async def online(world: World, jid: str) -> AsyncIterator[Any]:
    """A slixmpp client over STARTTLS, with the room plug-in."""
    client = slixmpp.ClientXMPP(jid, PASSWORD)
    for plugin in ("xep_0045", "xep_0030", "xep_0199", "xep_0313", "xep_0410"):
        client.register_plugin(plugin)
    context = world.client_context()
    client.get_ssl_context = lambda: context
    client.connect(HOST, world.ports["xmpp"])
    await client.wait_until("session_start", TIMEOUT)
    client.send_presence()
    try:
        yield client
    finally:
        await client.disconnect()


def next_message(client: Any, body: str) -> asyncio.Future[Any]:
    """The next message of a room with that body."""
    arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def on_message(message: Any) -> None:
        if message["body"] == body and not arrived.done():
            arrived.set_result(message)

    client.add_event_handler("groupchat_message", on_message)
    return arrived


async def test_a_room_with_slixmpp(tmp_path: Path) -> None:
    async with World(tmp_path) as world, online(world, IVANOV) as ivanov, online(world, PETROVA) as petrova:
        rooms, others = ivanov.plugin["xep_0045"], petrova.plugin["xep_0045"]
        await rooms.join_muc_wait(ROOM, "ivanov", timeout=TIMEOUT)
        form = await rooms.get_room_config(ROOM)
        form.set_type("submit")
        form.get_fields()["muc#roomconfig_roomname"]["value"] = "Tea"
        await rooms.set_room_config(ROOM, form)
        await others.join_muc_wait(ROOM, "petrova", maxstanzas=0, timeout=TIMEOUT)
        assert sorted(others.get_roster(ROOM)) == ["ivanov", "petrova"]

        arrived = [next_message(client, "Чай?") for client in (ivanov, petrova)]
        petrova.send_message(ROOM, "Чай?", mtype="groupchat")
        async with asyncio.timeout(TIMEOUT):
            assert [str((await each)["from"]) for each in arrived] == [f"{ROOM}/petrova"] * 2

        info = await petrova.plugin["xep_0030"].get_info(ROOM)
        assert ("conference", "text", None, "Tea") in info["disco_info"]["identities"]
        assert "urn:xmpp:mam:2" in info["disco_info"]["features"]
        archived = await petrova.plugin["xep_0313"].retrieve(jid=slixmpp.JID(ROOM))
        bodies = [each["mam_result"]["forwarded"]["stanza"]["body"] for each in archived["mam"]["results"]]
        assert bodies == ["Чай?"]
        assert (
            await petrova.plugin["xep_0199"].ping(slixmpp.JID(f"{ROOM}/petrova"), timeout=TIMEOUT) is not None
        )

        gone = asyncio.ensure_future(petrova.wait_until(f"muc::{ROOM}::got_offline", TIMEOUT))
        await asyncio.sleep(0)
        await rooms.set_role(ROOM, "petrova", "none", reason="enough")
        assert (await gone)["muc"]["role"] == "none"
        await rooms.set_affiliation(ROOM, affiliation="outcast", jid=slixmpp.JID(PETROVA))
        assert await rooms.get_affiliation_list(ROOM, "outcast") == [PETROVA]
        await rooms.destroy(ROOM)
