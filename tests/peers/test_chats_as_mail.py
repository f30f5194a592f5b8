# SPDX-License-Identifier: Apache-2.0
"""Chats as mail, from end to end: said in a chat program (slixmpp), heard by a mail program that idles
(imaplib's socket), fetched by mbsync, and by Python's own e-mail package found to be mail."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chat_client import ChatClient
from tests.imap.client import Client
from tests.peers.test_imap_clients import Debian, maildir, mbsync_config, run
from tests.world import IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer
CHAT = "Chats/&BB8ENQRCBEAEPgQyBDA- &BBAEPQQ9BDA-"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"imap": {"chat_interval": 0.1}}) as world:
        yield world


@pytest.fixture
async def petrova(world: World) -> AsyncIterator[ChatClient]:
    client = ChatClient(world, f"{PETROVA}/desk")
    await client.online()
    yield client
    await client.offline()


async def until_archived(world: World, count: int) -> None:
    """Waits until so many messages are in Ivanov's archive."""
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    async with asyncio.timeout(30):
        while True:
            found = await world.store.read(
                lambda tx: tx.value("SELECT COUNT(*) FROM archive WHERE owner = ?", person.id)
            )
            if found >= count:
                return
            await asyncio.sleep(0.05)


async def test_a_mail_program_hears_what_is_said(world: World, petrova: ChatClient) -> None:
    petrova.say(IVANOV, "Первое")
    await until_archived(world, 1)
    client = Client(*await world.connect("imap"))
    assert (await client.line()).startswith(b"* OK ")
    await client.ok(f"LOGIN {IVANOV} {PASSWORD}")
    names = b"\n".join(await client.ok('LIST "" "Chats/%"'))
    assert CHAT.encode() in names
    assert b"* 1 EXISTS" in await client.ok(f'SELECT "{CHAT}"')
    tag = await client.idle()
    petrova.say(IVANOV, "Второе")
    async with asyncio.timeout(30):
        while await client.line() != b"* 2 EXISTS":
            pass
    await client.done(tag)
    assert await client.ok(b"SEARCH CHARSET UTF-8 SUBJECT {12+}\r\n" + "Второе".encode()) == [b"* SEARCH 2"]
    await client.close()


async def test_mbsync_fetches_chats(
    world: World, petrova: ChatClient, debian: Debian, tmp_path: Path
) -> None:
    debian("isync")
    petrova.say(IVANOV, "Посмотри, пожалуйста")
    petrova.say(IVANOV, "и ответь")
    await until_archived(world, 2)
    config = mbsync_config(world, tmp_path)
    for _ in range(2):
        await run("mbsync", "-c", str(config), "all", directory=tmp_path)
        files = maildir(tmp_path, CHAT)
        assert len(files) == 2
    texts = []
    for path in files:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        assert isinstance(message, email.message.EmailMessage)
        assert message["From"].addresses[0].addr_spec == PETROVA
        texts.append(message.get_content().strip())
    assert sorted(texts) == sorted(["Посмотри, пожалуйста", "и ответь"])
