# SPDX-License-Identifier: Apache-2.0
"""In whose name mail is sent, where mail of a post lies, and what is kept of it beside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from armgs_server.directory.delegation import Manner, delegate
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.storage import accounts, collections, items, journal
from armgs_server.storage.tx import Tx
from tests.rules.office import put_script
from tests.smtp.client import Client, inbox, mailbox
from tests.world import IVANOV, PETROVA, SIDOROV, World

POST = "minister@digital.example"
OUTSIDE = "somebody@other.example"


async def person(world: World, address: str) -> Principal:
    found = await world.directory.by_address(address)
    assert found is not None
    return found


async def make_post(world: World, *holders: str, deputies: tuple[str, ...] = ()) -> Principal:
    directory = world.directory
    post = await directory.create_group(
        POST, "Minister", [(await person(world, each)).id for each in holders]
    )
    post = await directory.open_mailbox(post)
    await directory.set_deputies(post, [(await person(world, each)).id for each in deputies])
    return post


async def allow(world: World, manner: Manner) -> None:
    """petrova writes for ivanov."""
    owner, other = await person(world, IVANOV), await person(world, PETROVA)
    await world.store.write(lambda tx: delegate(tx, owner, other, manner))


async def submit(world: World, author: str, sender: str, *recipients: str, head: str = "") -> str:
    async with Client(world, "submission") as client:
        await client.ehlo()
        await client.login(author)
        text = f"{head}Subject: x\r\n\r\nbody\r\n".encode()
        reply = await client.say(f"MAIL FROM:<{sender}>")
        if not reply.startswith("250 "):
            return reply
        await client.say("RSET")
        return await client.mail(sender, *recipients, text=text)


async def arrive(world: World, *recipients: str) -> str:
    async with Client(world) as client:
        await client.ehlo()
        return await client.mail(OUTSIDE, *recipients)


async def test_on_behalf_of_somebody(world: World) -> None:
    await allow(world, "on-behalf")
    head = f"From: Ivanov <{IVANOV}>\r\n"
    for sender in (PETROVA, IVANOV):
        assert (await submit(world, PETROVA, sender, SIDOROV, head=head)).startswith("250 ")
    for message in await inbox(world, SIDOROV):
        assert f"\r\nSender: <{PETROVA}>\r\n".encode() in message  # RFC 5322 §3.6.2
        assert message.count(b"\nSender: ") == message.count(b"\nFrom: ") == 1
    own = f"Sender: Petrova <{PETROVA}>\r\n{head}"
    assert (await submit(world, PETROVA, PETROVA, SIDOROV, head=own)).startswith("250 ")
    assert (await inbox(world, SIDOROV))[-1].count(b"Sender: ") == 1
    forged = f"Sender: <{SIDOROV}>\r\n{head}"
    assert (await submit(world, PETROVA, PETROVA, SIDOROV, head=forged)).startswith("554 5.7.1 ")
    assert (await submit(world, PETROVA, PETROVA, SIDOROV, head=f"{own}{own}")).startswith("554 5.7.1 ")


async def test_on_behalf_without_a_from_field(world: World) -> None:
    await allow(world, "on-behalf")
    assert (await submit(world, PETROVA, IVANOV, SIDOROV)).startswith("250 ")
    [message] = await inbox(world, SIDOROV)
    assert f"Sender: <{PETROVA}>\r\nFrom: <{IVANOV}>\r\n".encode() in message


async def test_as_somebody(world: World) -> None:
    await allow(world, "as")
    assert (await submit(world, PETROVA, IVANOV, SIDOROV, head=f"From: <{IVANOV}>\r\n")).startswith("250 ")
    [message] = await inbox(world, SIDOROV)
    assert b"Sender:" not in message


async def test_the_right_ends(world: World) -> None:
    await allow(world, "on-behalf")
    await allow(world, "none")
    assert (await submit(world, PETROVA, IVANOV, SIDOROV)).startswith("550 5.7.1 ")
    head = f"From: <{IVANOV}>\r\n"
    assert (await submit(world, PETROVA, PETROVA, SIDOROV, head=head)).startswith("554 5.7.1 ")


async def test_mail_to_a_post_is_the_posts(world: World) -> None:
    await make_post(world, IVANOV, deputies=(PETROVA,))
    assert (await arrive(world, POST)).startswith("250 ")
    [message] = await inbox(world, POST)
    assert b"List-Id" not in message
    assert await inbox(world, IVANOV) == await inbox(world, PETROVA) == []


async def test_mail_to_a_vacant_post_reaches_its_deputies(world: World) -> None:
    await make_post(world, IVANOV, deputies=(PETROVA, SIDOROV))
    await world.directory.disable((await person(world, IVANOV)).id)
    await world.directory.disable((await person(world, SIDOROV)).id)
    assert (await arrive(world, POST, PETROVA)).startswith("250 ")
    assert await inbox(world, POST) == await inbox(world, PETROVA) != []
    assert await inbox(world, SIDOROV) == []
    await world.directory.enable((await person(world, IVANOV)).id)
    await arrive(world, POST)
    assert (len(await inbox(world, POST)), len(await inbox(world, PETROVA))) == (2, 1)


async def test_a_post_that_is_full(world: World) -> None:
    post = await make_post(world, IVANOV)
    await world.store.write(lambda tx: accounts.set_quota(tx, post.id, 10))
    assert (await arrive(world, POST)).startswith("452 ")


async def test_what_a_post_sends_is_in_its_sent(world: World) -> None:
    post = await make_post(world, IVANOV)
    head = f"From: Minister <{POST}>\r\n"
    assert (await submit(world, PETROVA, POST, SIDOROV, head=head)).startswith("550 5.7.1 ")
    assert (await submit(world, IVANOV, POST, SIDOROV, head=head)).startswith("250 ")
    assert await mailbox(world, POST, "sent") == await inbox(world, SIDOROV) != []
    assert (await submit(world, IVANOV, IVANOV, SIDOROV)).startswith("250 ")
    assert len(await mailbox(world, POST, "sent")) == 1
    await world.store.write(lambda tx: accounts.set_quota(tx, post.id, 10))  # the message goes all the same
    assert (await submit(world, IVANOV, POST, SIDOROV, head=head)).startswith("250 ")
    assert (len(await mailbox(world, POST, "sent")), len(await inbox(world, SIDOROV))) == (1, 3)


async def test_copies_for_sent_are_switched_off(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"smtp": {"sent_copies": False}}) as world:
        await make_post(world, IVANOV)
        assert (await submit(world, IVANOV, POST, SIDOROV)).startswith("250 ")
        assert await mailbox(world, POST, "sent") == []


async def test_a_receipt_is_asked_for_and_noted(world: World) -> None:
    """RFC 8098: the request passes as it is; $MDNSent is a keyword that is kept (RFC 3503)."""
    head = f"Disposition-Notification-To: <{IVANOV}>\r\nFrom: <{IVANOV}>\r\n"
    assert (await submit(world, IVANOV, IVANOV, PETROVA, head=head)).startswith("250 ")
    [message] = await inbox(world, PETROVA)
    assert f"\r\nDisposition-Notification-To: <{IVANOV}>\r\n".encode() in message
    reader, writer = await world.connect("imap")
    writer.write(f"a LOGIN {PETROVA} test-password\r\nb SELECT INBOX\r\n".encode())
    writer.write(b"c STORE 1 +FLAGS ($MDNSent)\r\nd UNSELECT\r\ne SELECT INBOX\r\nf FETCH 1 FLAGS\r\n")
    writer.write(b"g LOGOUT\r\n")
    said = await reader.read()
    while more := await reader.read():
        said += more
    writer.close()
    assert rb" $MDNSent \*)] kept" in said
    assert b"* 1 FETCH (FLAGS ($MDNSent" in said.partition(b"e OK")[2]


@pytest.mark.parametrize("recipient", [IVANOV, OUTSIDE])
async def test_a_journal_has_what_people_send(world: World, recipient: str) -> None:
    department = await world.directory.by_address("digital.example")
    assert department is not None
    await submit(world, PETROVA, PETROVA, recipient)
    await world.directory.update(department.id, Change(data={"journal": True}))
    assert (await submit(world, PETROVA, PETROVA, recipient, SIDOROV)).startswith("250 ")
    assert (await submit(world, SIDOROV, SIDOROV, SIDOROV)).startswith("250 ")
    [entry] = await world.store.read(lambda tx: journal.page(tx, department.id))
    assert (entry.sender, json.loads(entry.recipients)) == (PETROVA, [recipient, SIDOROV])
    assert await world.store.blobs.read(entry.blob) == (await inbox(world, SIDOROV))[0]


async def test_a_journal_has_what_people_get(world: World) -> None:
    department = await world.directory.by_address("digital.example")
    assert department is not None
    await world.directory.update(department.id, Change(data={"journal": True}))
    await arrive(world, IVANOV, PETROVA)
    await arrive(world, SIDOROV)
    [entry] = await world.store.read(lambda tx: journal.page(tx, department.id))
    assert (entry.sender, json.loads(entry.recipients)) == (OUTSIDE, [IVANOV, PETROVA])


async def test_rules_of_the_department_and_of_the_post_file_its_mail(world: World) -> None:
    post = await make_post(world, IVANOV)
    await put_script(world, 'require "imap4flags"; keep :flags "$Important";', "digital.example")
    await arrive(world, POST)
    await put_script(world, 'require ["fileinto", "mailbox"]; fileinto :create "Letters/2026";', POST)
    await arrive(world, POST)

    async def work(tx: Tx) -> list[str]:
        found = []
        for path in (("INBOX",), ("Letters", "2026")):
            folder = await collections.by_path(tx, post.id, "mail", path)
            assert folder is not None
            found += [f"{path[-1]} {item.keywords}" for item in await items.scan(tx, post.id, folder.id)]
        return found

    assert await world.store.read(work) == ["INBOX $Important", "INBOX $Important", "2026 "]
