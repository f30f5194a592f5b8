# SPDX-License-Identifier: Apache-2.0
"""Rooms as slixmpp, go-sendxmpp and profanity see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import slixmpp

from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import Client
from tests.xmpp.rooms import ROOM, create, say

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


async def test_go_sendxmpp_speaks_in_a_room(tmp_path: Path, debian: Callable[..., None]) -> None:
    debian("go-sendxmpp")
    async with World(tmp_path) as world, Client(world, PETROVA) as petrova:
        await (await petrova.log_in()).go_online()
        await create(petrova, "petrova")
        server = f"{HOST}:{world.ports['xmpp']}"
        options = ("-n", "-u", IVANOV, "-p", PASSWORD, "-j", server, "-a", "ivanov", "-c", ROOM)
        process = await asyncio.create_subprocess_exec(
            "go-sendxmpp", *options, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(TIMEOUT):
            _, errors = await process.communicate("Чай готов\n".encode())
        assert process.returncode == 0, errors.decode()
        assert (await petrova.message("Чай готов")).get("from") == f"{ROOM}/ivanov"


class Profanity:
    """Profanity in a terminal of tmux; `screen` is what a person would see."""

    def __init__(self, world: World, home: Path) -> None:
        account = {
            "enabled": "true",
            "jid": IVANOV,
            "password": PASSWORD,
            "server": HOST,
            "port": str(world.ports["xmpp"]),
            "tls.policy": "trust",
            "muc.nick": "ivanov",
        }
        self.home = home
        self.socket = str(home / "tmux")
        accounts = home / "data" / "profanity" / "accounts"
        accounts.parent.mkdir(parents=True)
        lines = "".join(f"{key}={value}\n" for key, value in account.items())
        accounts.write_text(f"[ivanov]\n{lines}")

    async def __aenter__(self) -> Profanity:
        environment = (f"HOME={self.home}", f"XDG_DATA_HOME={self.home}/data", f"XDG_CONFIG_HOME={self.home}")
        command = ("env", *environment, "LC_ALL=C.UTF-8", "TERM=xterm", "profanity", "-a", "ivanov")
        await self.tmux("new-session", "-d", "-x", "160", "-y", "50", *command)
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.tmux("kill-server")

    async def tmux(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "tmux", "-u", "-S", self.socket, *arguments, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(TIMEOUT):
            output, _ = await process.communicate()
        return output.decode()

    async def type(self, line: str) -> None:
        await self.tmux("send-keys", "-l", line)
        await self.tmux("send-keys", "Enter")

    async def until(self, text: str) -> None:
        """Returns when the text is on the screen."""
        screen = ""
        try:
            async with asyncio.timeout(TIMEOUT):
                while text not in screen:
                    await asyncio.sleep(0.1)
                    screen = await self.tmux("capture-pane", "-p")
        except TimeoutError:
            raise AssertionError(f"{text!r} is not on the screen:\n{screen}") from None


async def test_profanity_talks_in_a_room(tmp_path: Path, debian: Callable[..., None]) -> None:
    debian("profanity", "tmux")
    async with World(tmp_path) as world, Client(world, PETROVA) as petrova:
        await (await petrova.log_in()).go_online()
        await create(petrova, "petrova", roomname="Tea")
        petrova.send(say("before you came"))
        await petrova.message("before you came")
        async with Profanity(world, tmp_path) as profanity:
            await profanity.until("logged in successfully")
            await profanity.type(f"/join {ROOM}")
            await profanity.until("before you came")
            await petrova.presence_of(f"{ROOM}/ivanov")
            await profanity.type("Уже иду")
            assert (await petrova.message("Уже иду")).get("from") == f"{ROOM}/ivanov"
            petrova.send(say("welcome"))
            await profanity.until("welcome")
            await profanity.type("/nick vanya")
            await petrova.presence_of(f"{ROOM}/vanya")
            await profanity.type("/close")
            await petrova.presence_of(f"{ROOM}/vanya", "unavailable")
