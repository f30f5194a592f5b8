# SPDX-License-Identifier: Apache-2.0
"""Components: a real one (slixmpp), one spoken by hand, and what neither may do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from slixmpp.componentxmpp import ComponentXMPP

from armgs_server.errors import Invalid
from tests.world import HOST, IVANOV, World
from tests.xmpp.client import TIMEOUT, Client, chat, error_of, find
from tests.xmpp.federation import RawServer

DOMAIN = "bot.digital.example"
SECRET = "not a guess"
SETTINGS = {"federation": {"components": [f"{DOMAIN}=bot.secret"], "component_listen": [HOST]}}


class BotWorld(World):
    """With the component's secret beside the configuration."""

    def configure(self) -> None:
        super().configure()
        (self.path / "bot.secret").write_text(SECRET + "\n")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[BotWorld]:
    async with BotWorld(tmp_path, settings=SETTINGS) as world:
        yield world


@pytest.fixture
async def ivanov(world: BotWorld) -> AsyncIterator[Client]:
    async with Client(world, IVANOV, "office") as client:
        await client.log_in()
        yield await client.go_online()


class Component(RawServer):
    """Port 5347, by hand."""

    def send_header(self, from_: str, to: str, id_: str = "") -> None:
        self.send(
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' to='{to}'"
            " xmlns:stream='http://etherx.jabber.org/streams'>"
        )

    async def shake_hands(self, secret: str = SECRET, domain: str = DOMAIN) -> None:
        self.begin()
        self.send_header("", domain)
        await self.wait_header()
        digest = hashlib.sha1((self.stream_id + secret).encode()).hexdigest()
        self.send(f"<handshake>{digest}</handshake>")


async def connect(world: World, stack: AsyncExitStack) -> Component:
    component = Component(*await asyncio.open_connection(HOST, world.ports["component"]))
    stack.push_async_callback(component.close)
    return component


async def connected(world: World, stack: AsyncExitStack) -> Component:
    component = await connect(world, stack)
    await component.shake_hands()
    answer = await component.next()
    assert answer is not None and answer.tag == "{jabber:component:accept}handshake"
    return component


async def test_slixmpp_component(world: BotWorld, ivanov: Client) -> None:
    bot = ComponentXMPP(DOMAIN, SECRET, HOST, world.ports["component"])
    bot.register_plugin("xep_0030")
    bot.register_plugin("xep_0199")
    ready = asyncio.Event()
    bot.add_event_handler("session_start", lambda _: ready.set())

    def echo(message: Any) -> None:
        message.reply(f"echo {message['body']}").send()

    bot.add_event_handler("message", echo)
    bot.connect()
    async with asyncio.timeout(TIMEOUT):
        await ready.wait()
    try:
        ivanov.send(chat(f"anybody@{DOMAIN}", "слышно?"))
        assert (await ivanov.message("echo слышно?")).get("from") == f"anybody@{DOMAIN}"
        assert (await ivanov.iq("<ping xmlns='urn:xmpp:ping'/>", to=DOMAIN)).get("type") == "result"
        items = await ivanov.iq(
            "<query xmlns='http://jabber.org/protocol/disco#items'/>", to="digital.example"
        )
        listed = [each.get("jid") for each in find(items, "items:query")]
        assert DOMAIN in listed
    finally:
        await bot.disconnect(wait=0.1)


async def test_presence_and_subscription_of_a_gateway(world: BotWorld, ivanov: Client) -> None:
    async with AsyncExitStack() as stack:
        component = await connected(world, stack)
        ivanov.send(f"<presence type='subscribe' to='contact@{DOMAIN}'/>")
        request = await component.next()
        assert request is not None and request.get("type") == "subscribe" and request.get("from") == IVANOV
        component.send(f"<presence type='subscribed' from='contact@{DOMAIN}' to='{IVANOV}'/>")
        component.send(f"<presence from='contact@{DOMAIN}/gateway' to='{IVANOV}'/>")
        await ivanov.presence_of(f"contact@{DOMAIN}/gateway")
        roster = await ivanov.iq("<query xmlns='jabber:iq:roster'/>")
        item = next(each for each in find(roster, "roster:query") if each.get("jid") == f"contact@{DOMAIN}")
        assert item.get("subscription") == "to"


async def test_a_component_speaks_for_its_domain_only(world: BotWorld, ivanov: Client) -> None:
    async with AsyncExitStack() as stack:
        component = await connected(world, stack)
        component.send(f"<message from='ivanov@digital.example' to='{IVANOV}'><body>x</body></message>")
        assert await component.error() == "invalid-from"
        assert await component.next() is None


async def test_who_is_not_connected_cannot_be_reached(world: BotWorld, ivanov: Client) -> None:
    ivanov.send(chat(f"a@{DOMAIN}", "нет?", id_="m1"))
    error = await ivanov.receive("c:message", lambda stanza: stanza.get("id") == "m1")
    assert error_of(error) == "service-unavailable"
    ivanov.send(chat("a@elsewhere.example", "нет?", id_="m2"))  # there is no federation
    error = await ivanov.receive("c:message", lambda stanza: stanza.get("id") == "m2")
    assert error_of(error) == "remote-server-not-found"


async def test_handshakes_that_fail(world: BotWorld) -> None:
    async with AsyncExitStack() as stack:
        stranger = await connect(world, stack)
        await stranger.shake_hands("guessed")
        assert await stranger.error() == "not-authorized"
        unknown = await connect(world, stack)
        unknown.begin()
        unknown.send_header("", "other.digital.example")
        assert await unknown.error() == "host-unknown"
        eager = await connect(world, stack)
        eager.begin()
        eager.send_header("", DOMAIN)
        eager.send(f"<message from='a@{DOMAIN}' to='{IVANOV}'/>")
        assert await eager.error() == "not-authorized"
        first = await connected(world, stack)
        second = await connect(world, stack)
        await second.shake_hands()
        assert await second.error() == "conflict"
        await first.close()
        wrong = await connect(world, stack)
        wrong.begin()
        wrong.send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
        assert await wrong.error() == "invalid-namespace"


async def test_a_handshake_that_takes_too_long(tmp_path: Path) -> None:
    """However often something comes, the time for the handshake is one."""
    async with BotWorld(tmp_path, settings={**SETTINGS, "security": {"login_timeout": 2.0}}) as world:
        async with AsyncExitStack() as stack:
            slow = await connect(world, stack)
            slow.begin()
            slow.send_header("", DOMAIN)
            drip = asyncio.create_task(_drip(slow))
            try:
                assert await slow.error() == "connection-timeout"
            finally:
                drip.cancel()


async def _drip(component: Component) -> None:
    while True:
        component.send(" ")
        await asyncio.sleep(0.1)


async def test_settings_that_are_wrong(tmp_path: Path) -> None:
    for line in (DOMAIN, f"{DOMAIN}=missing.secret"):
        settings = {"federation": {"components": [line], "component_listen": [HOST]}}
        with pytest.raises(Invalid, match=r"federation\.components"):
            async with World(tmp_path / line, settings=settings):
                raise AssertionError("it has started")
