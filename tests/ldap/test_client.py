# SPDX-License-Identifier: Apache-2.0
"""The reader of other servers, reading this one; and what it makes of servers that speak nonsense."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from armgs_server.errors import Denied, DomainError, Invalid, NotFound, Temporary
from armgs_server.ldap import client as module
from armgs_server.ldap.client import Client, Found, Url, all_of, any_of, equals, parse_url
from tests.world import HOST, HOSTNAME, IVANOV, PASSWORD, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
BASE = "dc=digital,dc=example"
PEOPLE = equals("objectClass", "inetOrgPerson")


def url(world: World, *, secure: bool = False) -> Url:
    return Url(secure, HOSTNAME, world.ports["ldaps" if secure else "ldap"], BASE)


async def read(client: Client, wanted: bytes = PEOPLE, base: str = BASE) -> list[Found]:
    return [found async for found in client.search(base, wanted, ("cn", "mail", "entryUUID"))]


async def test_urls() -> None:
    assert parse_url("ldaps://dc.corp/DC=a,DC=%D1%8E") == Url(True, "dc.corp", 636, "DC=a,DC=ю")
    assert parse_url("ldap://[::1]:1389") == Url(False, "::1", 1389, "")
    for wrong in ("http://x", "ldap:///dc=a", "ldap://x:y", "ldap://x/dc=a?cn", "ldap://u@x", "x"):
        with pytest.raises(Invalid):
            parse_url(wrong)


@pytest.mark.parametrize("secure", [True, False])
async def test_reading(ministry: World, secure: bool) -> None:
    """By TLS from the first byte, and by StartTLS."""
    client = await Client.connect(url(ministry, secure=secure), ministry.client_context())
    await client.bind(IVANOV, PASSWORD)
    people = await read(client)
    assert [each.text("mail") for each in people[:2]] == [IVANOV, "petrova@digital.example"]
    assert people[0].text("displayname", "cn") == "Иванов Иван"
    assert people[0].text("entryuuid")
    assert people[0].text("nothing") == ""
    wanted = any_of(equals("uid", "ivanov"), all_of(PEOPLE, equals("sn", "Смирнова")))
    assert len(await read(client, wanted)) == 2
    await client.close()


async def test_page_by_page(ministry: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    client = await Client.connect(url(ministry), None)
    await client.bind(IVANOV, PASSWORD)
    assert len(await read(client, equals("o", "Digital"))) > 6
    await client.close()


async def test_refusals(ministry: World) -> None:
    client = await Client.connect(url(ministry), None)
    with pytest.raises(Denied):
        await read(client)
    with pytest.raises(Denied):
        await client.bind(IVANOV, "wrong-password")
    await client.bind(IVANOV, PASSWORD)
    with pytest.raises(NotFound):
        await read(client, base="dc=nowhere")
    await client.close()


async def test_a_certificate_of_nobody_we_know(ministry: World) -> None:
    for secure in (True, False):
        with pytest.raises(Temporary):
            await Client.connect(url(ministry, secure=secure), ssl.create_default_context())


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[Url]:
    """Answers the first bytes with these."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        writer.close()

    listening = await asyncio.start_server(serve, HOST, 0)
    async with listening:
        yield Url(False, HOST, listening.sockets[0].getsockname()[1], "")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x84\x7f\xff\xff\xff",  # two gigabytes are announced
        b"\x30\x05\x02\x01\x01\x61\x00",  # no result in it
        b"\x30\x0c\x02\x01\x01\x64\x07\x0a\x01\x00\x04\x00\x04\x00",  # an entry is no answer to a bind
        b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00",  # a notice of disconnection
    ],
)
async def test_nonsense(answer: bytes) -> None:
    async with server(answer) as where:
        client = await Client.connect(where, None)
        with pytest.raises(DomainError):
            await client.bind("a", "b")


async def test_nobody_listens() -> None:
    async with server(b"") as where:
        pass
    with pytest.raises(Temporary):
        await Client.connect(where, None)
