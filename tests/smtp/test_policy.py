# SPDX-License-Identifier: Apache-2.0
"""smtp/policy.py: never an open relay, nobody under another's name."""

from __future__ import annotations

import pytest

from armgs_server.storage import accounts
from tests.smtp.client import Client, inbox
from tests.world import IVANOV, PETROVA, SIDOROV, World


@pytest.mark.parametrize(
    "recipient",
    [
        "x@other.example",
        "x%other.example@other.example",
        "@digital.example:x@other.example",
        '"x@other.example"@other.example',
        "x@[192.0.2.1]",
        "x@[127.0.0.1]",
        "x@sub.digital.example",
        "x@digital.example.other.example",
    ],
)
async def test_no_relay_for_strangers(world: World, recipient: str) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect(f"MAIL FROM:<{IVANOV}>", "250 ")  # our own address proves nothing
        await client.expect(f"RCPT TO:<{recipient}>", "550 5.7.1 ")
        await client.expect("DATA", "554 5.5.1 ")


@pytest.mark.parametrize(
    "recipient", ["x%other.example@digital.example", '"x@other.example"@digital.example']
)
async def test_tricks_with_the_local_part_name_nobody(world: World, recipient: str) -> None:
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect(f"RCPT TO:<{recipient}>", "550 5.1.1 ")


async def test_both_domains_are_ours(world: World) -> None:
    async with Client(world) as client:
        await client.ehlo()
        assert (await client.mail("a@b.example", PETROVA, SIDOROV)).startswith("250 ")
    assert await inbox(world, PETROVA) == await inbox(world, SIDOROV) != []


async def test_nobody_sends_under_another_name(world: World) -> None:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        await client.expect(f"MAIL FROM:<{PETROVA}>", "550 5.7.1 You may not send from this address")
        await client.expect("MAIL FROM:<a@other.example>", "550 5.7.1 ")
        await client.expect("MAIL FROM:<digital.example@digital.example>", "550 5.7.1 ")
        assert (await client.mail("ivanov+news@digital.example", PETROVA)).startswith("250 ")
        forged = f"From: Petrova <{PETROVA}>\r\n\r\nx\r\n".encode()
        assert (await client.mail(IVANOV, PETROVA, text=forged)).startswith("554 5.7.1 The From: address")
        twice = f"From: <{IVANOV}>\r\nFrom: <{PETROVA}>\r\n\r\nx\r\n".encode()
        assert (await client.mail(IVANOV, PETROVA, text=twice)).startswith("554 5.7.1 ")
        several = f"From: <{IVANOV}>, <{PETROVA}>\r\n\r\nx\r\n".encode()
        assert (await client.mail(IVANOV, PETROVA, text=several)).startswith("554 5.7.1 ")
        nonsense = b"From: somebody\r\n\r\nx\r\n"
        assert (await client.mail(IVANOV, PETROVA, text=nonsense)).startswith("554 5.7.1 ")
        own = f"From: =?utf-8?B?0Jg=?= <{IVANOV.upper()}>\r\n\r\nx\r\n".encode()
        assert (await client.mail(IVANOV, PETROVA, text=own)).startswith("250 ")
    assert len(await inbox(world, PETROVA)) == 2


async def test_send_as(world: World) -> None:
    ivanov = await world.directory.by_address(IVANOV)
    assert ivanov is not None
    group = await world.directory.create_group(
        "press@digital.example", "Press", [ivanov.id], {"senders": [ivanov.id]}
    )
    text = f"From: Press <{group.address}>\r\n\r\nx\r\n".encode()
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(IVANOV)
        assert (await client.mail(group.address, PETROVA, text=text)).startswith("250 ")
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(PETROVA)
        await client.expect(f"MAIL FROM:<{group.address}>", "550 5.7.1 ")


async def test_who_gets_no_mail(world: World) -> None:
    sidorov = await world.directory.by_address(SIDOROV)
    assert sidorov is not None
    await world.directory.disable(sidorov.id)
    await world.directory.create_room("room@digital.example", "Room", 10)
    await world.directory.create_group("empty@digital.example", "Nobody")
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect(f"RCPT TO:<{SIDOROV}>", "550 5.2.1 This mailbox is disabled")
        await client.expect("RCPT TO:<room@digital.example>", "550 5.2.1 This address takes no mail")
        await client.expect("RCPT TO:<empty@digital.example>", "550 5.2.4 ")
        await client.expect("RCPT TO:<digital.example@digital.example>", "550 5.1.1 ")


async def test_postmaster_is_who_leads(world: World) -> None:
    """RFC 5321 §4.5.1: a reserved mailbox that every domain has."""
    async with Client(world) as client:
        await client.ehlo()
        await client.expect("MAIL FROM:<a@b.example>", "250 ")
        await client.expect("RCPT TO:<postmaster@digital.example>", "550 5.1.1 ")  # nobody leads it yet
        await world.directory.create_person("minister@digital.example", "Minister", head=True)
        await client.expect("RCPT TO:<Postmaster>", "250 ")
        await client.expect("RCPT TO:<abuse@digital.example>", "250 ")
        assert (await client.send_text(b"Subject: x\r\n\r\n")).startswith("250 ")
    assert len(await inbox(world, "minister@digital.example")) == 1


async def test_a_full_mailbox_is_told_at_rcpt(world: World) -> None:
    petrova = await world.directory.by_address(PETROVA)
    assert petrova is not None
    owner = petrova.id
    await world.store.write(lambda tx: accounts.set_quota(tx, owner, 10_000))
    async with Client(world) as client:
        await client.ehlo()
        text = b"Subject: x\r\n\r\n" + b"x" * 10_000 + b"\r\n"
        assert (await client.mail("a@b.example", PETROVA, text=text)).startswith("452 4.2.2 ")
        await client.expect("MAIL FROM:<a@b.example> SIZE=10000", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "452 4.2.2 ")  # known by now
        await client.expect("RSET", "250 ")
        await client.expect("MAIL FROM:<a@b.example> SIZE=2000000", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "452 4.2.2 ")  # large enough to look first
        await client.expect("RSET", "250 ")
        await client.expect("MAIL FROM:<a@b.example> SIZE=100", "250 ")
        await client.expect(f"RCPT TO:<{PETROVA}>", "250 ")
