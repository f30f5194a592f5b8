# SPDX-License-Identifier: Apache-2.0
"""XEP-0363 with a real HTTP client, and the file seen from the file collection."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from xml.etree.ElementTree import Element

import pytest

from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.world import IVANOV, World
from tests.xmpp.client import NAMESPACES, Client, error_of, find, text
from tests.xmpp.conftest import LogIn

HOST = "upload.digital.example"


async def slot(client: Client, name: str, size: int, type_: str = "image/png") -> Element:
    request = (
        f"<request xmlns='urn:xmpp:http:upload:0' filename='{name}' size='{size}' content-type='{type_}'/>"
    )
    return await client.iq(request, to=HOST)


async def http(
    world: World, method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request over HTTPS."""

    def run() -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, context=world.client_context(), timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    return await asyncio.to_thread(run)


async def folder_of(world: World, address: str) -> dict[str, list[str]]:
    """Names of folders at the top of the person's files, with the files in each."""
    person = await world.directory.by_address(address)
    assert person is not None

    async def work(tx: Tx) -> dict[str, list[str]]:
        root = await collections.by_role(tx, person.id, "files", "root")
        assert root is not None
        return {
            folder.name: [item.name or "" for item in await items.scan(tx, person.id, folder.id)]
            for folder in await collections.children(tx, person.id, root.id, "files")
        }

    return await world.store.read(work)


async def test_is_discovered(log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    listed = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#items'/>", to="digital.example")
    jids = [item.get("jid") for item in listed.iterfind("items:query/items:item", NAMESPACES)]
    assert HOST in jids
    info = await ivanov.iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", to=HOST)
    features = {each.get("var") for each in info.iterfind("disco:query/disco:feature", NAMESPACES)}
    assert "urn:xmpp:http:upload:0" in features
    assert info.findtext(".//{jabber:x:data}field[@var='max-file-size']/{jabber:x:data}value")


async def test_file_lands_in_the_sender_s_files(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV, lang="ru")
    body = b"\x89PNG" + bytes(range(256)) * 400
    for name in ("снимок.png", "снимок (2).png"):
        given = await slot(ivanov, "снимок.png", len(body))
        url = find(given, "upload:slot/upload:put").get("url", "")
        assert url == find(given, "upload:slot/upload:get").get("url")
        status, _, _ = await http(world, "PUT", url, body)
        assert status == 201
        assert name in (await folder_of(world, IVANOV))["Файлы из чата"]
    status, headers, received = await http(world, "GET", url)
    assert (status, received) == (200, body)
    assert headers["Content-Type"] == "image/png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    status, headers, received = await http(world, "GET", url, headers={"Range": "bytes=1-3"})
    assert (status, received) == (206, b"PNG")
    status, headers, received = await http(world, "HEAD", url)
    assert (status, received) == (200, b"")
    assert int(headers["Content-Length"]) == len(body)
    status, _, _ = await http(world, "GET", url, headers={"If-None-Match": headers["ETag"]})
    assert status == 304


async def test_a_page_is_never_shown(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    body = b"<script>alert(1)</script>"
    url = find(await slot(ivanov, "x.html", len(body), "text/html"), "upload:slot/upload:put").get("url", "")
    assert (await http(world, "PUT", url, body))[0] == 201
    _, headers, _ = await http(world, "GET", url)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment")


async def test_a_slot_serves_once_and_for_the_announced_size(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    url = find(await slot(ivanov, "a.bin", 5), "upload:slot/upload:put").get("url", "")
    assert (await http(world, "GET", url))[0] == 404
    assert (await http(world, "PUT", url, b"too long"))[0] == 413
    assert (await http(world, "PUT", url, b"right"))[0] == 201
    assert (await http(world, "PUT", url, b"again"))[0] == 409
    nobody_s = url.replace(url.split("/")[-2], "x" * 32)
    assert (await http(world, "PUT", nobody_s, b"right"))[0] == 404
    assert (await http(world, "DELETE", url))[0] == 405
    assert (await http(world, "OPTIONS", url))[0] == 204


@pytest.mark.parametrize(
    ("name", "size", "condition"),
    [("", 5, "bad-request"), ("..", 5, "bad-request"), ("a", 10**15, "not-acceptable")],
)
async def test_refused_slots(log_in: LogIn, name: str, size: int, condition: str) -> None:
    assert error_of(await slot(await log_in(IVANOV), name, size)) == condition


async def test_quota(world: World, log_in: LogIn) -> None:
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    owner = person.id
    await world.store.write(
        lambda tx: tx.execute("UPDATE account SET quota = bytes + 10 WHERE owner = ?", owner)
    )
    ivanov = await log_in(IVANOV)
    refused = await slot(ivanov, "a", 11)
    assert error_of(refused) == "resource-constraint"
    given = await slot(ivanov, "a", 10)
    assert text(given, "upload:slot/upload:get") == ""


async def test_type_that_is_no_header_value_is_not_kept(world: World, log_in: LogIn) -> None:
    ivanov = await log_in(IVANOV)
    for type_ in ("video/x&#13;&#10;Set-Cookie: a=b", "audio/\u8033"):
        given = await slot(ivanov, "a.bin", 4, type_)
        url = find(given, "upload:slot/upload:put").get("url", "")
        assert (await http(world, "PUT", url, b"four"))[0] == 201
        status, headers, received = await http(world, "GET", url)
        assert (status, received) == (200, b"four")
        assert headers["Content-Type"] == "application/octet-stream"
        assert "Set-Cookie" not in headers
