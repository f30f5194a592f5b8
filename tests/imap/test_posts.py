# SPDX-License-Identifier: Apache-2.0
"""Mailboxes of a post: whoever holds it has them, at once; whoever leaves it has nothing, at once."""

from __future__ import annotations

from armgs_server.directory.model import Principal
from armgs_server.formats import mime
from armgs_server.storage import collections, mail
from armgs_server.storage.tx import Tx
from tests.imap.client import DOMAIN, IVANOV, PETROVA, Office
from tests.imap.conftest import Offices

POST = f"minister@{DOMAIN}"
INBOX = f"Shared/{POST}/INBOX"
LETTER = b"Subject: letter\r\n\r\ntext\r\n"


async def person(office: Office, address: str) -> Principal:
    found = await office.directory.by_address(address)
    assert found is not None
    return found


async def make(office: Office, *holders: str, deputies: tuple[str, ...] = ()) -> Principal:
    post = await office.directory.create_group(
        POST, "Minister", [(await person(office, each)).id for each in holders]
    )
    post = await office.directory.open_mailbox(post)
    await office.directory.set_deputies(post, [(await person(office, each)).id for each in deputies])
    return post


async def deliver(office: Office, post: Principal) -> None:
    async def work(tx: Tx) -> None:
        inbox = await collections.by_role(tx, post.id, "mail", "inbox")
        assert inbox is not None
        await mail.append(tx, inbox, office.store.blobs.small(LETTER), mime.index(LETTER))

    await office.store.write(work)


async def test_who_holds_the_post_works_in_its_mailboxes(office: Office) -> None:
    post = await make(office, IVANOV, PETROVA)
    one, other = await office.login(), await office.login(PETROVA)
    listed = await one.ok('LIST "" "Shared/*" RETURN (SUBSCRIBED)')
    assert rb'* LIST (\HasNoChildren \Subscribed) "/" ' + INBOX.encode() in listed
    assert b'* LSUB () "/" ' + f"Shared/{POST}/Sent".encode() in await one.ok('LSUB "" "Shared/*"')
    assert await one.ok(f"MYRIGHTS {INBOX}") == [f"* MYRIGHTS {INBOX} lrswipkxtecd".encode()]
    assert (await one.no(f"SETACL {INBOX} anyone lr")).startswith(b"NO [NOPERM]")
    assert (await one.no(f"UNSUBSCRIBE {INBOX}")).startswith(b"NO [CANNOT]")
    await one.ok(f"SELECT {INBOX}")
    tag = await one.idle()
    await deliver(office, post)
    assert await one.line() == b"* 1 EXISTS"
    await one.done(tag)
    await other.ok(f"SELECT {INBOX}")
    await other.ok(r"STORE 1 +FLAGS (\Seen \Answered)")  # what one has done the others see
    assert await one.ok("NOOP") == [rb"* 1 FETCH (UID 1 FLAGS (\Seen \Answered))"]
    assert (await other.no(f"SELECT Shared/nobody@{DOMAIN}/INBOX")).startswith(b"NO [NONEXISTENT]")


async def test_who_leaves_the_post_is_shown_out(store_url: str, offices: Offices) -> None:
    office = await offices(store_url)
    post = await make(office, IVANOV, PETROVA)
    await deliver(office, post)
    idling, asking, staying = await office.login(), await office.login(), await office.login(PETROVA)
    for client in (idling, asking, staying):
        await client.ok(f"SELECT {INBOX}")
    tag = await staying.idle()
    await idling.idle()
    await office.directory.remove_members(post, [(await person(office, IVANOV)).id])
    assert (await idling.line()).startswith(b"* BYE ")
    asking.send(b"x FETCH 1 BODY[]\r\n")
    assert (await asking.line()).startswith(b"* BYE ")
    assert await asking.line() == b""
    again = await office.login()
    assert (await again.no(f"SELECT {INBOX}")).startswith(b"NO [NONEXISTENT]")
    assert await again.ok('LIST "" "Shared/*"') == []
    await deliver(office, post)
    assert await staying.line() == b"* 2 EXISTS"
    await staying.done(tag)


async def test_a_right_that_is_taken_away_ends_at_once(office: Office) -> None:
    owner, reader = await office.login(), await office.login(PETROVA)
    await owner.ok(f"SETACL INBOX {PETROVA} lr")
    await reader.ok(f'SELECT "Other Users/{IVANOV}/INBOX"')
    await reader.idle()
    await owner.ok(f"DELETEACL INBOX {PETROVA}")
    assert (await reader.line()).startswith(b"* BYE ")


async def test_a_deputy_stands_in_while_the_post_is_vacant(office: Office) -> None:
    post = await make(office, IVANOV, deputies=(PETROVA,))
    await deliver(office, post)
    deputy = await office.login(PETROVA)
    assert (await deputy.no(f"SELECT {INBOX}")).startswith(b"NO [NONEXISTENT]")
    ivanov = await person(office, IVANOV)
    await office.directory.disable(ivanov.id)
    assert b"* 1 EXISTS" in await deputy.ok(f"SELECT {INBOX}")
    await office.directory.enable(ivanov.id)
    deputy.send(b"x FETCH 1 FLAGS\r\n")
    assert (await deputy.line()).startswith(b"* BYE ")


async def test_expunged_mail_of_a_post_comes_back(offices: Offices) -> None:
    office = await offices(imap={"undelete_days": 30})
    post = await make(office, IVANOV, PETROVA)
    await deliver(office, post)
    client, other = await office.login(mailbox=INBOX), await office.login(PETROVA, INBOX)
    await client.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    assert await client.ok("EXPUNGE") == [b"* 1 EXPUNGE"]
    assert b"* 1 EXPUNGE" in await other.ok("NOOP")
    await other.ok(f"SELECT Shared/{POST}/Restored/INBOX")
    assert b"* 1 EXPUNGE" in await other.ok(f"MOVE 1 {INBOX}")
    assert b"* 1 EXISTS" in await client.ok("NOOP")
