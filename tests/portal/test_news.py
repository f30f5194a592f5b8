# SPDX-License-Identifier: Apache-2.0
"""News: one post on the page, as mail, as Atom and in chat; who must read it, and who is reminded."""

from __future__ import annotations

import asyncio
import base64
import email
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import pytest

from armgs_server.directory import news
from armgs_server.directory.administrators import set_administrators
from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid, NotFound
from armgs_server.storage import clock
from armgs_server.storage import news as rows
from armgs_server.storage.news import Post
from armgs_server.storage.tx import Tx
from tests.portal.browser import Browser
from tests.portal.client import get
from tests.world import IVANOV, PASSWORD, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, Client
from tests.xmpp.commands import X, command, conditions, submit

NASTY = "<script>alert(1)</script>\"'&"
ATOM = "{http://www.w3.org/2005/Atom}"
PUBSUB = "http://jabber.org/protocol/pubsub"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


async def principal(world: World, address: str) -> Principal:
    found = await world.directory.by_address(address)
    assert found is not None
    return found


async def write(
    world: World, title: str = "A day off", text: str = "On Friday.", *, must: bool = False
) -> Post:
    department = await principal(world, "digital.example")
    author = await principal(world, IVANOV)
    return await news.write(world.store, world.config, department, author, title, text, must=must)


async def signed_in(world: World, address: str) -> Browser:
    browser = Browser(world)
    await browser.sign_in(address)
    return browser


async def states(world: World) -> list[str]:
    return [state for (state,) in await world.store.read(lambda tx: tx.rows("SELECT state FROM news"))]


async def settled(world: World, wanted: list[str]) -> None:
    """Until chat has told what there is to tell."""
    async with asyncio.timeout(30):
        while await states(world) != wanted:
            await asyncio.sleep(0.02)


async def mail_of(world: World, address: str) -> list[EmailMessage]:
    """What lies in the shared folder, over IMAP."""
    reader, writer = await world.connect("imaps", secure=True)

    async def command(text: str) -> bytes:
        writer.write(f"a {text}\r\n".encode())
        found = b""
        async with asyncio.timeout(20):
            while not (b"\r\na " in found or found.startswith(b"a ")) or not found.endswith(b"\r\n"):
                found += await reader.read(65536)
        return found

    await reader.readline()
    assert b"a OK" in await command(f"LOGIN {address} {PASSWORD}")
    if b"a OK" not in await command("EXAMINE Shared/digital.example/News"):
        writer.close()
        return []
    answer = await command("FETCH 1:* BODY.PEEK[]")
    writer.close()
    found, rest = [], answer
    while match := re.search(rb"\{(\d+)\}\r\n", rest):
        size = int(match[1])
        message = email.message_from_bytes(rest[match.end() : match.end() + size], policy=default)
        found.append(cast(EmailMessage, message))
        rest = rest[match.end() + size :]
    return found


async def test_who_may_write_does_and_the_department_reads(world: World) -> None:
    department = await principal(world, "digital.example")
    ivanov = await principal(world, IVANOV)
    petrova = await signed_in(world, PETROVA)
    assert (await petrova.get("/news/new")).status == 403
    await petrova.get("/news")
    token = petrova.form("/signout").fields["token"]
    assert (await petrova.post("/news/new", {"token": token, "title": "x", "text": "y"})).status == 403
    await set_administrators(world.directory, department, [ivanov.id])
    browser = await signed_in(world, IVANOV)
    await browser.get("/news")
    assert 'href="/news/new"' in browser.text
    await browser.get("/news/new")
    await browser.submit("/news/new", title=f"Off {NASTY}", text=f"First line\nsecond {NASTY}")
    assert browser.path == "/news" and "Off &lt;script&gt;" in browser.text
    assert "First line\nsecond" in browser.text and "<script" not in browser.text
    page = await petrova.get("/news")
    assert "Off &lt;script&gt;" in page.text and "<script" not in page.text and "Иванов Иван" in page.text
    assert "Take the post back" not in (await petrova.get(re.findall(r"/news\?post=\d+", page.text)[0])).text
    sidorov = await signed_in(world, SIDOROV)
    assert "There are no news yet." in (await sidorov.get("/news")).text
    number = re.findall(r"/news\?post=(\d+)", page.text)[0]
    for wrong in (number, "0", "x", "9" * 30):
        assert (await sidorov.get(f"/news?post={wrong}")).status == 404
    await petrova.get("/news")
    assert (await petrova.post("/news", {"token": token, "post": number, "remove": "1"})).status == 403
    for title, text in (("", "x"), ("x", ""), ("a\x00b", "x"), ("x" * 201, "x"), ("x", "a\x07")):
        await browser.get("/news/new")
        assert (await browser.submit("/news/new", title=title, text=text)).status == 400
    await browser.get(f"/news?post={number}")
    await browser.submit("/news", {"remove": "1"})
    assert "There are no news yet." in (await petrova.get("/news")).text


async def test_as_long_as_a_text_may_be(world: World) -> None:
    """In letters that a form sends as many characters each."""
    department, ivanov = await principal(world, "digital.example"), await principal(world, IVANOV)
    await news.set_editors(world.directory, department, [ivanov.id])
    browser = await signed_in(world, IVANOV)
    for letter in ("ы", "\U0001d540"):
        text = letter * news.TEXT_LIMIT
        await browser.get("/news/new")
        page = await browser.submit("/news/new", title="Long", text=text)
        assert page.status == 200 and text in page.text


async def test_editors_write_too(world: World) -> None:
    department, petrova = await principal(world, "digital.example"), await principal(world, PETROVA)
    await news.set_editors(world.directory, department, [petrova.id])
    browser = await signed_in(world, PETROVA)
    assert (await browser.get("/news/new")).status == 200
    await news.set_editors(world.directory, await principal(world, "digital.example"), [])
    assert (await browser.get("/news/new")).status == 403


async def test_as_mail(world: World) -> None:
    post = await write(world, f"Заголовок {NASTY}", "Строка\nещё одна", must=True)
    [message] = await mail_of(world, PETROVA)
    assert message["subject"] == f"Заголовок {NASTY}"
    assert message["from"].addresses[0].addr_spec == IVANOV
    assert message["archived-at"].strip("<>").endswith(f"/news?post={post.id}")
    assert (message["list-id"], message["importance"]) == ("<news.digital.example>", "high")
    assert message.get_content().splitlines() == ["Строка", "ещё одна"]
    assert await mail_of(world, SIDOROV) == []
    await news.remove(world.store, post.owner, post.id)
    assert await mail_of(world, PETROVA) == []
    with pytest.raises(NotFound):
        await news.remove(world.store, post.owner, post.id)


async def feed(world: World, address: str = "", domain: str = "digital.example") -> list[dict[str, str]]:
    """The entries of the Atom feed; what follows is nothing where there is no such feed for that person."""
    login = base64.b64encode(f"{address}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {login}"} if address else {}
    answer = await get(world, f"/feed/pubsub.{domain}/news", headers)
    if answer.status != 200:
        assert answer.status == (404 if address else 401)
        return []
    entries = ElementTree.fromstring(answer.body).findall(f"{ATOM}entry")
    return [
        {child.tag.removeprefix(ATOM): child.text or child.get("href", "") for child in each}
        for each in entries
    ]


async def test_as_atom(world: World) -> None:
    post = await write(world, f"Title {NASTY}", f"Text {NASTY}")
    await settled(world, ["told"])
    [entry] = await feed(world, PETROVA)
    assert (entry["title"], entry["content"]) == (f"Title {NASTY}", f"Text {NASTY}")
    assert entry["link"].endswith(f"/news?post={post.id}")
    assert await feed(world, SIDOROV) == await feed(world) == []
    await news.remove(world.store, post.owner, post.id)
    await settled(world, [])
    assert await feed(world, PETROVA) == []


async def test_in_chat(world: World) -> None:
    await write(world, "First")
    await settled(world, ["told"])
    async with Client(world, PETROVA) as client, Client(world, SIDOROV) as stranger:
        await client.log_in()
        await client.go_online()
        await stranger.log_in()
        subscribe = f"<pubsub xmlns='{PUBSUB}'><subscribe node='news' jid='{{}}'/></pubsub>"
        to = "pubsub.digital.example"
        refused = await stranger.iq(subscribe.format(SIDOROV), "set", to)
        assert refused.get("type") == "error"
        assert (await client.iq(subscribe.format(PETROVA), "set", to)).get("type") == "result"
        await client.receive("c:message")  # the last item, at once
        await write(world, "Second")
        event = await client.receive("c:message")
        titles = [each.text for each in event.iter(f"{ATOM}title")]
        assert titles == ["Second"]
        publish = f"<pubsub xmlns='{PUBSUB}'><publish node='news'><item id='x'/></publish></pubsub>"
        assert (await client.iq(publish, "set", to)).get("type") == "error"


async def test_who_must_read_says_so(world: World) -> None:
    department, ivanov = await principal(world, "digital.example"), await principal(world, IVANOV)
    await set_administrators(world.directory, department, [ivanov.id])
    post = await write(world, "Fire drill", must=True)
    petrova, author = await signed_in(world, PETROVA), await signed_in(world, IVANOV)
    assert "Fire drill" in (await petrova.get("/me")).text
    assert "Must be read" in (await petrova.get("/news")).text
    assert "Who has read it: 0 / 2" in (await author.get(f"/news?post={post.id}")).text
    await petrova.get(f"/news?post={post.id}")
    assert PETROVA not in petrova.text  # the list is for who may write
    page = await petrova.submit("/news", {"post": str(post.id)})
    assert "I have read it" not in page.text and "Read:" in page.text
    assert "Fire drill" not in (await petrova.get("/me")).text
    again = await petrova.post(
        "/news", {"token": petrova.form("/signout").fields["token"], "post": str(post.id)}
    )
    assert again.status == 200
    page = await author.get(f"/news?post={post.id}")
    assert "Who has read it: 1 / 2" in page.text and PETROVA in page.text and "not yet" in page.text


async def test_who_has_not_is_reminded(world: World) -> None:
    post = await write(world, "Fire drill", must=True)
    petrova = await principal(world, PETROVA)
    await world.directory.create_person("new@digital.example", "New", password=PASSWORD)

    async def due(tx: Tx) -> None:
        await tx.execute("UPDATE news SET remind = 1 WHERE remind > 0")

    assert await news.remind(world.store, world.config) == 0  # not yet
    await world.store.write(due)
    async with Client(world, PETROVA) as client:
        await client.log_in()
        await client.go_online()
        assert await news.remind(world.store, world.config) == 2  # all but the author
        message = await client.receive(
            "c:message", lambda each: each.findtext("c:body", None, NAMESPACES) is not None
        )
        first, link = message.findtext("c:body", "", NAMESPACES).splitlines()
        assert "Fire drill" in first and link.startswith("https://")
    now = clock.now()
    await world.store.write(lambda tx: rows.acknowledge(tx, post, petrova.id, now))
    for expected in (1, 1, 0):
        await world.store.write(due)
        assert await news.remind(world.store, world.config) == expected


async def test_it_is_read_in_chat(world: World) -> None:
    post = await write(world, "Fire drill", "At noon.", must=True)
    await write(world, "A day off")
    async with Client(world, PETROVA) as client, Client(world, SIDOROV) as stranger:
        await client.log_in()
        await stranger.log_in()
        refused = await stranger.iq(command("armgs#news"), "set", SIDOROV)
        assert "forbidden" in conditions(refused)  # there is nothing in his department
        asked = await client.iq(command("armgs#news"), "set", PETROVA)
        assert [each.text for each in asked[0].iterfind(f".//{X}option/{X}value")] == [str(post.id)]
        session = asked[0].get("sessionid", "")
        wrong = await client.iq(
            command("armgs#news", session=session, inner=submit(post="1")), "set", PETROVA
        )
        assert "bad-payload" in conditions(wrong)
        chosen = submit(post=str(post.id))
        shown = await client.iq(command("armgs#news", session=session, inner=chosen), "set", PETROVA)
        assert "At noon." in [each.text for each in shown[0].iter(f"{X}value")]
        done = await client.iq(command("armgs#news", session=session, inner=submit()), "set", PETROVA)
        assert done[0].get("status") == "completed"
        done = await client.iq(command("armgs#news"), "set", PETROVA)
        assert done[0].get("status") == "completed"
    petrova = await principal(world, PETROVA)
    assert list(await world.store.read(lambda tx: rows.readers(tx, post.owner, post.id))) == [petrova.id]


async def test_many_posts_are_paged(world: World) -> None:
    for number in range(21):
        await write(world, f"Number {number:02}")
    browser = await signed_in(world, PETROVA)
    page = await browser.get("/news")
    assert "Number 20" in page.text and "Number 00" not in page.text
    older = re.search(r'href="(/news\?before=\d+)"', page.text)
    assert older is not None
    page = await browser.get(older[1])
    assert "Number 00" in page.text and "Number 20" not in page.text


async def test_what_is_no_news(world: World) -> None:
    for title, text in (("a\nBcc: x@y", "x"), ("x", "y" * 50_001), ("x", "\ud800"), (" ", "x")):
        with pytest.raises(Invalid):
            await write(world, title, text)
