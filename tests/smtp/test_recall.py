# SPDX-License-Identifier: Apache-2.0
"""smtp/recall.py: unread copies go, read ones stay, and nobody takes back what another has written."""

from __future__ import annotations

import email
import email.policy

import pytest

from armgs_server.errors import NotFound
from armgs_server.smtp import recall
from armgs_server.smtp.recall import Recalled
from armgs_server.storage import collections, items, mail, mail_query, queue
from armgs_server.storage.items import Flags
from armgs_server.storage.tx import Tx
from tests.smtp.client import Client, inbox, wait_for_mail
from tests.world import IVANOV, PETROVA, SIDOROV, World

ID = "<1@laptop.example>"
TEXT = (
    f"From: {IVANOV}\r\nTo: {PETROVA}, team@digital.example, x@other.example\r\nCc: {SIDOROV}\r\n"
    f"Message-ID: {ID}\r\nSubject: Ошибка\r\n\r\nbody\r\n"
).encode()


async def send(world: World, author: str, *recipients: str, text: bytes = TEXT) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(author)
        assert (await client.mail(author, *recipients, text=text)).startswith("250 ")


async def file_sent(world: World, author: str) -> None:
    """As a client does after sending."""
    person = await world.directory.by_address(author)
    assert person is not None
    ref = await world.store.blobs.put(TEXT)
    index = await mail.read_index(world.store.blobs, ref)

    async def work(tx: Tx) -> None:
        sent = await collections.by_role(tx, person.id, "mail", "sent")
        assert sent is not None
        await mail.append(tx, sent, ref, index, flags=Flags.SEEN)

    await world.store.write(work)


async def mark_seen(world: World, address: str) -> None:
    person = await world.directory.by_address(address)
    assert person is not None

    async def work(tx: Tx) -> None:
        found = await collections.by_role(tx, person.id, "mail", "inbox")
        assert found is not None
        await mail_query.mark_seen(
            tx, found, [item.uid for item in await items.scan(tx, person.id, found.id)]
        )

    await world.store.write(work)


async def test_who_has_not_read_it_never_will(world: World) -> None:
    await world.directory.create_group("team@digital.example", "Team", [])
    heard: list[bytes] = []
    petrova = await world.directory.by_address(PETROVA)
    assert petrova is not None
    await send(world, IVANOV, PETROVA, SIDOROV)
    await file_sent(world, IVANOV)
    await mark_seen(world, SIDOROV)
    world.store.bus.subscribe(f"changes:{petrova.id}", heard.append)
    reply = f"In-Reply-To: {ID}\r\nSubject: Re: x\r\n\r\n".encode()
    await send(world, IVANOV, "recall@digital.example", text=reply)
    assert await inbox(world, PETROVA) == []
    assert heard  # her client sees it go
    assert len(await inbox(world, SIDOROV)) == 1
    [answer] = await wait_for_mail(world, IVANOV)
    text = email.message_from_bytes(answer, policy=email.policy.default).get_content()  # type: ignore[attr-defined]
    taken, read, elsewhere = text.split("\n\n")
    assert PETROVA in taken and SIDOROV in read and "x@other.example" in elsewhere


async def test_what_has_not_left_yet_does_not_leave(world: World) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        await client.expect(f"MAIL FROM:<{IVANOV}> HOLDFOR=600", "250 ")
        await client.expect("RCPT TO:<x@other.example>", "250 ")
        assert (await client.send_text(TEXT)).startswith("250 ")
    await file_sent(world, IVANOV)
    author = await world.directory.by_address(IVANOV)
    assert author is not None
    core = world.daemon.core
    recalled = await recall.recall(core, author, ID)
    assert recalled == Recalled(["x@other.example"], [PETROVA, SIDOROV], ["team@digital.example"])
    assert await world.store.read(lambda tx: queue.scan(tx)) == []


async def test_nobody_takes_back_what_another_has_written(world: World) -> None:
    other = TEXT.replace(f"From: {IVANOV}".encode(), f"From: {SIDOROV}".encode())
    await send(world, SIDOROV, PETROVA, text=other)
    await file_sent(world, IVANOV)
    author = await world.directory.by_address(IVANOV)
    assert author is not None
    recalled = await recall.recall(world.daemon.core, author, ID)
    assert PETROVA in recalled.read
    assert len(await inbox(world, PETROVA)) == 1


async def test_without_a_copy_in_sent_nothing_is_known(world: World) -> None:
    author = await world.directory.by_address(IVANOV)
    assert author is not None
    for message_id in (ID, ""):
        with pytest.raises(NotFound):
            await recall.recall(world.daemon.core, author, message_id)
    await send(world, IVANOV, "recall@digital.example", text=b"Subject: x\r\n\r\n")
    [answer] = await wait_for_mail(world, IVANOV)
    text = email.message_from_bytes(answer, policy=email.policy.default).get_content()  # type: ignore[attr-defined]
    assert "нет письма" in text


async def test_strangers_ask_in_vain(world: World) -> None:
    await send(world, IVANOV, PETROVA)
    await file_sent(world, IVANOV)
    async with Client(world) as client:
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{IVANOV}>", "250 ")
        await client.expect("RCPT TO:<recall@digital.example>", "550 5.7.1 ")
    assert len(await inbox(world, PETROVA)) == 1
