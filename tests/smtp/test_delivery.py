# SPDX-License-Identifier: Apache-2.0
"""smtp/delivery.py: one transaction for all recipients, one copy of the bytes, lists, full mailboxes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.smtp import copies
from armgs_server.smtp.copies import Copy
from armgs_server.smtp.lists import MailList, Rules
from armgs_server.smtp.policy import Recipient
from armgs_server.smtp.transaction import LISTS
from armgs_server.storage import accounts, queue
from armgs_server.storage.tx import Row, Tx
from tests.smtp.client import Client, inbox
from tests.smtp.sink import Sink, running_sink
from tests.world import IVANOV, PETROVA, SIDOROV, World

MESSAGE = b"From: x@y.example\r\nSubject: Hello\r\n\r\nbody\r\n"

ALL = MailList(90, "all@d.example", "All", Rules())
SOME = MailList(91, "some@d.example", "Some", Rules())


async def person_id(world: World, address: str) -> int:
    person = await world.directory.by_address(address)
    assert person is not None
    return person.id


async def make_list(world: World, *members: str) -> str:
    ids = [await person_id(world, member) for member in members]
    group = await world.directory.create_group("all@digital.example", 'Все "наши"', ids)
    return group.address


async def waiting(tx: Tx) -> list[Row]:
    return await tx.rows("SELECT recipient, attempts FROM queue ORDER BY id")


def test_a_person_gets_one_copy() -> None:
    direct = Recipient("a@d.example", "d.example", (1,))
    again = Recipient("a+x@d.example", "d.example", (1,))
    staff = Recipient("all@d.example", "d.example", (3, 1, 2), ALL)
    some = Recipient("some@d.example", "d.example", (2, 4), SOME)
    remote = Recipient("x@other.example", "other.example")
    assert copies.plan_copies([staff, direct, some, again, remote, remote]) == [
        Copy(((1, direct),), (remote,)),
        Copy(((3, staff), (2, staff)), (), ALL),
        Copy(((4, some),), (), SOME),
    ]
    assert copies.plan_copies([Recipient("l@d.example", "d.example", (1,), SOME), direct]) == [
        Copy(((1, direct),))
    ]


async def test_all_recipients_see_the_message_at_once(world: World) -> None:
    """The second client: whoever watches a mailbox hears of it after the commit."""
    heard: list[bytes] = []
    owner = await person_id(world, PETROVA)
    unsubscribe = world.store.bus.subscribe(f"changes:{owner}", heard.append)
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("a@b.example", PETROVA, IVANOV, SIDOROV, text=MESSAGE)).startswith("250 ")
    unsubscribe()
    assert len(heard) == 1
    copies = [await inbox(world, address) for address in (PETROVA, IVANOV, SIDOROV)]
    assert copies[0] == copies[1] == copies[2] != []
    assert b"\tfor <" not in copies[0][0]  # nobody learns of the others
    rows = await world.store.read(lambda tx: tx.rows("SELECT refs FROM blob WHERE refs > 1"))
    assert rows == [(3,)]


async def test_a_list_has_its_own_copy_once_for_all(world: World) -> None:
    address = await make_list(world, PETROVA, IVANOV)
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("a@b.example", address, IVANOV, SIDOROV, text=MESSAGE)).startswith("250 ")
    [to_ivanov], [to_petrova] = await inbox(world, IVANOV), await inbox(world, PETROVA)
    assert b"List-Id" not in to_ivanov  # written to directly as well
    assert to_petrova.endswith(
        b"List-Id: =?utf-8?b?0JLRgdC1ICLQvdCw0YjQuCI=?= <all.digital.example>\r\n"
        b"List-Post: <mailto:all@digital.example>\r\n"
        b"List-Help: <mailto:all-request@digital.example?subject=help>\r\n"
        b"List-Owner: <mailto:all-owner@digital.example>\r\n" + MESSAGE
    )
    assert to_petrova.startswith(b"Return-Path: <all-owner@digital.example>\r\n")
    assert to_ivanov.startswith(b"Return-Path: <a@b.example>\r\n")


async def test_lists_in_one_message_are_bounded(world: World) -> None:
    member = await person_id(world, PETROVA)
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        for number in range(LISTS):
            await world.directory.create_group(f"list{number}@digital.example", "List", [member])
            await client.expect(f"RCPT TO:<list{number}@digital.example>", "250 ")
        await world.directory.create_group("more@digital.example", "List", [member])
        await client.expect("RCPT TO:<more@digital.example>", "452 4.5.3 ")
        await client.expect(f"RCPT TO:<{IVANOV}>", "250 ")
        text = MESSAGE + b"x" * 300_000 + b"\r\n"
        assert (await client.send_text(text)).startswith("250 ")
    assert len(await inbox(world, PETROVA)) == len(await inbox(world, IVANOV)) == 1


async def test_a_list_message_does_not_come_back(world: World) -> None:
    address = await make_list(world, PETROVA)
    returned = b"List-Id: All <all.digital.example>\r\n" + MESSAGE
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("a@b.example", address, text=returned)).startswith("554 5.4.6 ")
        assert (await client.mail("a@b.example", address, IVANOV, text=returned)).startswith("250 ")
        await client.expect("MAIL FROM:<>", "250 ")
        await client.expect(f"RCPT TO:<{address}>", "550 5.7.1 A list takes no delivery reports")
    assert await inbox(world, PETROVA) == []
    assert len(await inbox(world, IVANOV)) == 1


async def test_a_message_that_goes_in_circles_is_stopped(world: World) -> None:
    hop = b"Received: from a by b; Sun, 22 Nov 2026 00:00:00 +0000\r\n"
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("a@b.example", PETROVA, text=hop * 101 + MESSAGE)).startswith("554 5.4.6 ")
        assert (await client.mail("a@b.example", PETROVA, text=hop * 100 + MESSAGE)).startswith("250 ")


async def test_when_the_only_mailbox_is_full_the_message_is_refused(world: World) -> None:
    owner = await person_id(world, PETROVA)
    await world.store.write(lambda tx: accounts.set_quota(tx, owner, 2000))
    async with Client(world) as client:
        await client.ehlo()
        text = MESSAGE + b"x" * 2000 + b"\r\n"
        assert (await client.mail("a@b.example", PETROVA, text=text)).startswith("452 4.2.2 ")
    assert await inbox(world, PETROVA) == []


async def test_one_full_mailbox_waits_while_others_get_theirs(world: World) -> None:
    owner = await person_id(world, PETROVA)
    await world.store.write(lambda tx: accounts.set_quota(tx, owner, 2000))
    text = MESSAGE + b"x" * 2000 + b"\r\n"
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("a@b.example", PETROVA, IVANOV, text=text)).startswith("250 ")
    assert len(await inbox(world, IVANOV)) == 1
    assert await inbox(world, PETROVA) == []

    async with asyncio.timeout(10):  # the relay has tried at once, and will again
        while True:
            row = await world.store.read(
                lambda tx: tx.row("SELECT recipient, last_error, attempts FROM queue")
            )
            if row is not None and row[2]:
                break
            await asyncio.sleep(0.02)
    assert row == (PETROVA, "The mailbox is full", 1)

    await world.store.write(lambda tx: accounts.set_quota(tx, owner, 0))
    await world.store.write(lambda tx: tx.execute("UPDATE queue SET next_attempt = 0"))
    world.store.bus.publish(queue.TOPIC, b"")
    async with asyncio.timeout(10):
        while not await inbox(world, PETROVA):
            await asyncio.sleep(0.02)
    assert await inbox(world, PETROVA) == await inbox(world, IVANOV)


async def test_a_submitted_message_gets_what_it_lacks(world: World) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        assert (await client.mail(IVANOV, PETROVA, text=b"Subject: bare\r\n\r\nbody\r\n")).startswith("250 ")
        whole = (
            f"From: <{IVANOV}>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0300\r\nMessage-ID: <1@x>\r\n\r\nb\r\n"
        ).encode()
        assert (await client.mail(IVANOV, PETROVA, text=whole)).startswith("250 ")
    bare, complete = await inbox(world, PETROVA)
    assert f"\r\nFrom: <{IVANOV}>\r\nDate: ".encode() in bare
    assert b"\r\nMessage-ID: <" in bare
    assert complete.count(b"From: ") == complete.count(b"Date: ") == complete.count(b"Message-ID: ") == 1


async def test_both_engines(tmp_path: Path, store_url: str) -> None:
    """Direct, by a list, full, and for another domain, in one transaction of either engine."""
    async with (
        running_sink(Sink()) as sink,
        World(
            tmp_path,
            store_url=store_url,
            settings={"smtp": {"relay_routes": [f"other.example=127.0.0.1:{sink.port}"]}},
        ) as world,
    ):
        address = await make_list(world, PETROVA, SIDOROV)
        owner = await person_id(world, SIDOROV)
        await world.store.write(lambda tx: accounts.set_quota(tx, owner, 100))
        async with Client(world, "submission") as client:
            await client.ehlo()
            await client.login(IVANOV)
            text = f"From: <{IVANOV}>\r\nSubject: x\r\n\r\nbody\r\n".encode()
            answer = await client.mail(IVANOV, address, IVANOV, "x@other.example", text=text)
            assert answer.startswith("250 ")
        assert len(await inbox(world, IVANOV)) == len(await inbox(world, PETROVA)) == 1
        assert await inbox(world, SIDOROV) == []
        async with asyncio.timeout(10):
            while not sink.messages:
                await asyncio.sleep(0.02)
            while (rows := await world.store.read(waiting)) != [(address, 1)]:
                assert len(rows) <= 2
                await asyncio.sleep(0.02)
