# SPDX-License-Identifier: Apache-2.0
"""Somebody leaves while connected: every connection ends, and the successor's clients have everything."""

from __future__ import annotations

import asyncio
import smtplib
import time
from email.message import EmailMessage
from typing import Any

import slixmpp

from tests.api.conftest import Api, at
from tests.world import HOST, IVANOV, PASSWORD, PETROVA, World

WAIT = 20.0


class Imap:
    """A connection of one person."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def log_in(cls, world: World, address: str) -> Imap:
        made = cls(*await world.connect("imap"))
        await made.line()
        assert "OK" in (await made.command(f"LOGIN {address} {PASSWORD}"))[-1]
        return made

    async def line(self) -> str:
        return (await asyncio.wait_for(self._reader.readline(), WAIT)).decode()

    async def command(self, text: str) -> list[str]:
        self._writer.write(f"a {text}\r\n".encode())
        lines = [await self.line()]
        while lines[-1] and not lines[-1].startswith("a "):
            lines.append(await self.line())
        return lines

    def close(self) -> None:
        self._writer.close()


async def chatting(world: World, address: str) -> Any:
    """A chat program that is logged in."""
    chat: Any = slixmpp.ClientXMPP(address, PASSWORD)
    chat.enable_starttls = chat.enable_direct_tls = False
    chat.enable_plaintext = True
    chat.plugin["feature_mechanisms"].unencrypted_scram = True
    for plugin in ("xep_0045", "xep_0199"):
        chat.register_plugin(plugin)
    started = asyncio.Event()
    chat.add_event_handler("session_start", lambda _: started.set())
    chat.connect(HOST, world.ports["xmpp"])
    await asyncio.wait_for(started.wait(), WAIT)
    return chat


def send(world: World, to: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "plan", "x@digital.example", to
    message.set_content("the plan")
    with smtplib.SMTP(HOST, world.ports["smtp"], timeout=WAIT) as client:
        client.sendmail("someone@elsewhere.example", [to], message.as_bytes())


async def test_removed_everywhere_within_a_second(api: Api) -> None:
    world, new = api.world, "orlov@digital.example"
    await api("POST", "/people", {"address": new, "password": PASSWORD})
    await asyncio.to_thread(send, world, new)
    imap = await Imap.log_in(world, new)
    assert any("EXISTS" in line for line in await imap.command("SELECT INBOX"))
    ended = asyncio.Event()
    chat = await chatting(world, new)
    chat.add_event_handler("disconnected", lambda _: ended.set())
    begin = time.process_time()
    gone = await api("DELETE", f"{at('/people', new)}?successor={PETROVA}")
    assert gone.body["estate"] is True
    assert "BYE" in await imap.line()
    await asyncio.wait_for(ended.wait(), WAIT)
    assert time.process_time() - begin < 1.0
    chat.abort()
    imap.close()
    successor = await Imap.log_in(world, PETROVA)
    listed = "".join(await successor.command('LIST "" "*"'))
    assert f"Shared/{new}" in listed
    selected = await successor.command(f'SELECT "Shared/{new}/INBOX"')
    assert any(line.startswith("* 1 EXISTS") for line in selected)
    await asyncio.to_thread(send, world, new)  # mail goes on to arrive
    assert any("2 EXISTS" in line for line in await successor.command("NOOP"))
    successor.close()


async def test_who_is_suspended_goes_on_getting_mail_for_the_successor(api: Api) -> None:
    world, new = api.world, "orlov@digital.example"
    await api("POST", "/people", {"address": new, "password": PASSWORD})
    await api("POST", f"{at('/people', new)}/suspend", {"successor": PETROVA})
    await asyncio.to_thread(send, world, new)
    successor = await Imap.log_in(world, PETROVA)
    selected = await successor.command(f'SELECT "Other Users/{new}/INBOX"')
    assert any(line.startswith("* 1 EXISTS") for line in selected)
    await api("POST", f"{at('/people', new)}/restore", {})
    successor.close()
    again = await Imap.log_in(world, PETROVA)
    assert (await again.command(f'SELECT "Other Users/{new}/INBOX"'))[-1].startswith("a NO")
    again.close()


async def test_a_room_that_is_open_has_the_successor_as_an_owner(api: Api) -> None:
    world, room = api.world, slixmpp.JID("plan@conference.digital.example")
    ivanov, petrova = await chatting(world, IVANOV), await chatting(world, PETROVA)
    await ivanov.plugin["xep_0045"].join_muc_wait(room, "i", timeout=WAIT)
    await ivanov.plugin["xep_0045"].set_room_config(room, ivanov.plugin["xep_0004"].make_form("submit"))
    await petrova.plugin["xep_0045"].join_muc_wait(room, "p", timeout=WAIT)
    await api("POST", f"{at('/people', IVANOV)}/suspend", {"successor": PETROVA})
    owners: set[str] = set()
    async with asyncio.timeout(WAIT):  # the room follows in a moment
        while PETROVA not in owners:
            found = await petrova.plugin["xep_0045"].get_affiliation_list(room, "owner")
            owners = {str(each) for each in found}
    assert owners == {IVANOV, PETROVA}
    petrova.abort()
    ivanov.abort()
