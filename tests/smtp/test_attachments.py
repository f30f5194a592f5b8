# SPDX-License-Identifier: Apache-2.0
"""Large attachments become files of the sender and links in the message; all other mail goes as it is."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import ssl
import urllib.request
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from armgs_server.storage import accounts, collections, items
from armgs_server.storage.tx import Tx
from tests.smtp.client import Client, inbox
from tests.world import IVANOV, PETROVA, SIDOROV, World

DATA = bytes(range(256)) * 1000
LIMIT = 100_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"smtp": {"attachment_links": LIMIT}}) as world:
        yield world


def letter(*names: str, data: bytes = DATA) -> bytes:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["Subject"] = IVANOV, "report"
    made.set_content("the text\n")
    for name in names:
        made.add_attachment(data, maintype="application", subtype="pdf", filename=name)
    return made.as_bytes()


async def submit(world: World, text: bytes, *recipients: str) -> str:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        return await client.mail(IVANOV, *recipients, text=text)


async def files(world: World) -> list[tuple[str, int]]:
    """What is in the sender's folder."""
    owner = await world.directory.by_address(IVANOV)
    assert owner is not None

    async def work(tx: Tx) -> list[tuple[str, int]]:
        folder = await collections.by_role(tx, owner.id, "files", "mail-attachments")
        found = [] if folder is None else await items.scan(tx, owner.id, folder.id)
        return [(item.name or "", item.size) for item in found]

    return await world.store.read(work)


def fetch(url: str, context: ssl.SSLContext) -> bytes:
    with urllib.request.urlopen(f"{url}/file", context=context, timeout=20) as answer:
        found: bytes = answer.read()
    return found


async def test_a_large_attachment_becomes_a_link(world: World) -> None:
    assert (await submit(world, letter("отчёт.pdf", "отчёт.pdf"), PETROVA, SIDOROV)).startswith("250 ")
    [message], [other] = await inbox(world, PETROVA), await inbox(world, SIDOROV)
    assert message == other and len(message) < 5000
    text, note = email.message_from_bytes(message, policy=email.policy.default).iter_parts()
    assert text.get_content() == "the text\r\n"  # type: ignore[attr-defined]
    said = note.get_content()  # type: ignore[attr-defined]
    assert "Вложения этого письма" in said and "отчёт.pdf (0.2 MiB)" in said
    links = re.findall(r"https://\S+/link/\S+", said)
    assert len(set(links)) == 2
    assert await files(world) == [("отчёт.pdf", len(DATA)), ("отчёт (2).pdf", len(DATA))]
    for link in links:
        assert await asyncio.to_thread(fetch, link, world.client_context()) == DATA


@pytest.mark.parametrize("names", [(), ("small.pdf",)])
async def test_other_mail_goes_as_it_is(world: World, names: tuple[str, ...]) -> None:
    text = letter(*names, data=b"x" * 1000) + b"\r\n" * LIMIT
    assert (await submit(world, text, PETROVA)).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert message.endswith(text)
    assert await files(world) == []


async def test_mail_from_outside_goes_as_it_is(world: World) -> None:
    text = letter("a.pdf").replace(IVANOV.encode(), b"x@other.example")
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("x@other.example", PETROVA, text=text)).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert message.endswith(text)


async def test_what_is_signed_goes_as_it_is(world: World) -> None:
    text = letter("a.pdf").replace(b"multipart/mixed", b"multipart/signed")
    assert (await submit(world, text, PETROVA)).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert message.endswith(text)


async def test_a_sender_without_room(world: World) -> None:
    owner = await world.directory.by_address(IVANOV)
    assert owner is not None
    await world.store.write(lambda tx: accounts.set_quota(tx, owner.id, 1000))
    text = letter("a.pdf")
    assert (await submit(world, text, PETROVA)).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert message.endswith(text)
    assert await files(world) == []


async def test_links_are_switched_off(tmp_path: Path) -> None:
    settings = {"smtp": {"attachment_links": LIMIT}, "http": {"link_days": 0}}
    async with World(tmp_path, settings=settings) as world:
        text = letter("a.pdf")
        assert (await submit(world, text, PETROVA)).startswith("250 ")
        [message] = await inbox(world, PETROVA)
        assert message.endswith(text)
