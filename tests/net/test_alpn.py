# SPDX-License-Identifier: Apache-2.0
"""XEP-0368 §4: ports 443 and 5223 give the service that the TLS handshake names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import HOST, HOSTNAME, IVANOV, PETROVA, World
from tests.xmpp.client import TIMEOUT, Client, chat


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


class AlpnClient(Client):
    """A client that names protocols in its handshake; `chosen` is the server's choice."""

    chosen: str | None = None

    async def shake_hands(self, service: str, *names: str) -> str | None:
        context = self.world.client_context()
        if names:
            context.set_alpn_protocols(list(names))
        self.reader, self.writer = await asyncio.open_connection(
            HOST, self.world.ports[service], ssl=context, server_hostname=HOSTNAME
        )
        chosen: str | None = self.writer.get_extra_info("ssl_object").selected_alpn_protocol()
        return chosen


async def first_line(client: AlpnClient) -> bytes:
    client.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(TIMEOUT):
        return await client.reader.readline()


@pytest.mark.parametrize("service", ["https", "xmpps"])
async def test_chat_by_its_name(world: World, service: str) -> None:
    async with AlpnClient(world, IVANOV, "phone") as ivanov, Client(world, PETROVA, "desk") as petrova:
        await petrova.log_in()
        await petrova.go_online()
        assert await ivanov.shake_hands(service, "xmpp-client") == "xmpp-client"
        await ivanov.open()
        await ivanov.authenticate()
        await ivanov.open()
        await ivanov.bind()
        ivanov.send(chat(petrova.full, "through the one port"))
        assert (await petrova.message("through the one port")).get("from") == ivanov.full
        await ivanov.close()


@pytest.mark.parametrize(
    "names", [(), ("http/1.1",), ("h2", "http/1.1"), ("http/1.1", "xmpp-client"), ("h3",)]
)
async def test_everything_else_is_http(world: World, names: tuple[str, ...]) -> None:
    async with AlpnClient(world, IVANOV) as client:
        chosen = await client.shake_hands("https", *names)
        assert chosen == ("http/1.1" if "http/1.1" in names else None)
        assert await first_line(client) == b"HTTP/1.1 200 OK\r\n"


async def test_the_name_binds(world: World) -> None:
    """What was promised to be chat is never read as HTTP (RFC 7301 §3.2, cross-protocol attacks)."""
    async with AlpnClient(world, IVANOV) as client:
        await client.shake_hands("https", "xmpp-client")
        assert (await first_line(client)).startswith(b"<?xml")


async def test_channel_binding_holds_on_the_one_port(world: World) -> None:
    async with AlpnClient(world, IVANOV) as client:
        await client.shake_hands("https", "xmpp-client")
        features = await client.open()
        names = [element.text for element in features.iter() if element.tag.endswith("}mechanism")]
        assert "SCRAM-SHA-256-PLUS" in names


async def test_a_handshake_that_breaks_off_leaves_nothing(world: World) -> None:
    reader, writer = await world.connect("https")
    writer.write(b"\x16\x03\x01\x00\x05hello")
    async with asyncio.timeout(TIMEOUT):
        await reader.read()
    writer.close()
    async with AlpnClient(world, IVANOV) as client:
        await client.shake_hands("https", "http/1.1")
        assert await first_line(client) == b"HTTP/1.1 200 OK\r\n"
