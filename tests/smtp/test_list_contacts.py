# SPDX-License-Identifier: Apache-2.0
"""Contacts in groups: what a list sends on to them, through the queue to a server that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.directory import contacts
from armgs_server.storage import queue
from tests.smtp.client import Client, wait_for_mail
from tests.smtp.sink import Sink, running_sink
from tests.smtp.test_lists import LIST, REQUEST, make_list, read, submit
from tests.world import IVANOV, PETROVA, SIDOROV, World

BOB, EVE = "bob@partner.example", "eve@partner.example"
OWNER = "team-owner@digital.example"


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with running_sink(Sink()) as sink:
        yield sink


@pytest.fixture
async def world(sink: Sink, tmp_path: Path) -> AsyncIterator[World]:
    settings = {"smtp": {"relay_host": f"127.0.0.1:{sink.port}", "relay_idle": 0}}
    async with World(tmp_path, settings=settings) as world:
        yield world


async def put_in(world: World, *mails: str) -> None:
    group = await world.directory.by_address(LIST)
    assert group is not None
    for mail in mails:
        made = await world.directory.apply(
            lambda tx, mail=mail: contacts.create(tx, group.department, mail, [mail, f"other-{mail}"])  # type: ignore[misc]
        )
        await world.directory.add_members(group, [made.id])


async def arrived(sink: Sink, count: int) -> list[tuple[str, list[str]]]:
    """Reverse-path and recipients of the messages there, once there are so many."""
    async with asyncio.timeout(20):
        while len(sink.messages) < count:
            await asyncio.sleep(0.02)
    return sorted((each.mail_from or "", sorted(each.rcpt_tos)) for each in sink.messages)


async def test_contacts_get_what_a_list_sends_on(world: World, sink: Sink) -> None:
    await make_list(world, PETROVA)
    await put_in(world, BOB, EVE)
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        answer = await client.mail(IVANOV, LIST, EVE, text=b"Subject: Hello\r\n\r\nx\r\n")
        assert answer.startswith("250 ")
    [message] = await wait_for_mail(world, PETROVA)
    assert read(message)["List-Id"] == '"Team" <team.digital.example>'
    # Who is written to directly, too, gets one copy: the author's own.
    assert await arrived(sink, 2) == [(IVANOV, [EVE]), (OWNER, [BOB])]
    [copy] = [each.content for each in sink.messages if each.mail_from == OWNER]
    assert isinstance(copy, bytes)
    assert b"List-Id:" in copy and b"Return-Path:" not in copy and b"Subject: Hello" in copy


async def test_a_list_of_contacts_alone_is_one(world: World, sink: Sink) -> None:
    await make_list(world, post="moderators", is_moderated=True, moderators=(SIDOROV,))
    assert (await submit(world, SIDOROV, LIST, "a")).startswith("550 5.2.4 ")
    await put_in(world, BOB)
    assert (await submit(world, IVANOV, LIST, "News")).startswith("250 ")
    [question] = [read(each) for each in await wait_for_mail(world, SIDOROV)]
    subject = question.get_content().partition("subject=approve%20")[2].split()[0]
    assert sink.messages == []
    assert (await submit(world, SIDOROV, REQUEST, f"approve {subject}")).startswith("250 ")
    assert await arrived(sink, 1) == [(OWNER, [BOB])]


async def test_a_contact_gives_nobody_a_way_through(world: World, sink: Sink) -> None:
    await make_list(world, PETROVA, post="inside")
    await put_in(world, BOB)
    async with Client(world) as client:
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{BOB}>", "250 ")
        await client.expect(f"RCPT TO:<{LIST}>", "550 5.7.2 ")
        await client.expect(f"RCPT TO:<{BOB}>", "550 ")
    assert await world.store.read(queue.scan) == [] and sink.messages == []
