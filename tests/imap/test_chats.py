# SPDX-License-Identifier: Apache-2.0
"""Chats as mailboxes: what is listed, what a message looks like, what arrives, what goes."""

from __future__ import annotations

import asyncio
import datetime

import pytest

from armgs_server.directory import Change, structure
from armgs_server.storage import accounts, archive, clock, rooms
from armgs_server.storage.rooms import AffiliationRecord
from armgs_server.storage.tx import Tx
from tests.imap.client import IVANOV, PETROVA, Client, Office
from tests.imap.conftest import Offices
from tests.imap.test_session import fill_disk, free_disk

ROOM = "team@conference.digital.example"
CHAT = '"Chats/Anna Petrova"'
MESSAGE = b"Subject: mail\r\n\r\ntext\r\n"


async def number_of(office: Office, address: str) -> int:
    person = await office.directory.by_address(address)
    assert person is not None
    return person.id


async def say(
    office: Office, text: str, *, sender: str = PETROVA, peer: str = PETROVA, sent: int = 0, extra: str = ""
) -> int:
    """One message in Ivanov's archive; its id."""
    owner = await number_of(office, IVANOV)
    to = peer if sender == IVANOV else IVANOV
    data = (
        f"<message xmlns='jabber:client' from='{sender}/home' to='{to}' id='m1' type='chat'>"
        f"<body>{text}</body>{extra}</message>"
    ).encode()
    return await office.store.write(lambda tx: archive.append(tx, owner, peer, "m1", data, sent))


async def make_room(office: Office, *members: str) -> int:
    """A room whose owner number is returned."""
    department = office.directory.domains["digital.example"]

    async def work(tx: Tx) -> int:
        made = await structure.create_chatroom(tx, ROOM, "The team", department)
        affiliations = [AffiliationRecord(jid, "member", "", "") for jid in members]
        await rooms.create(tx, made.id, ROOM, {}, affiliations)
        data = f"<message xmlns='jabber:client' from='{ROOM}/Анна' type='groupchat'><body>hi</body></message>"
        await archive.append(tx, made.id, "Анна", "r1", data.encode())
        return made.id

    return await office.store.write(work)


@pytest.fixture
async def office(office: Office) -> Office:
    """Petrova has a name."""
    await office.directory.update(await number_of(office, PETROVA), Change(name="Anna Petrova"))
    return office


async def listed(client: Client, pattern: str = "Chats*") -> list[bytes]:
    return await client.ok(f'LIST "" "{pattern}"')


async def opened(office: Office, mailbox: str = CHAT) -> Client:
    """Ivanov, with a chat open."""
    client = await office.login()
    await listed(client)
    await client.ok(f"SELECT {mailbox}")
    return client


async def test_a_conversation_is_a_mailbox(office: Office) -> None:
    await say(office, "hello")
    await say(office, "hello to you", sender=IVANOV)
    client = await office.login()
    assert await listed(client) == [
        b'* LIST (\\Noselect \\HasChildren) "/" Chats',
        b'* LIST (\\HasNoChildren) "/" "Chats/Anna Petrova"',
    ]
    selected = await client.command(f"SELECT {CHAT}")
    assert b"* 2 EXISTS" in selected
    assert selected[-1].startswith(b"OK [READ-ONLY]")
    assert await client.ok("FETCH 1:* (FLAGS BODY.PEEK[TEXT])") == [
        b"* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {7}\r\nhello\r\n)",
        b"* 2 FETCH (FLAGS (\\Seen) BODY[TEXT] {14}\r\nhello to you\r\n)",
    ]
    [line] = await client.ok("FETCH 1 (ENVELOPE)")
    assert b'"petrova" "digital.example"' in line
    assert b'"<m1@digital.example>"' in line


async def test_it_is_searched_and_sorted(office: Office) -> None:
    await say(office, "the budget", sent=clock.now() - 2 * clock.DAY)
    await say(office, "бюджет готов", sender=IVANOV)
    client = await opened(office)
    assert await client.ok("SEARCH FROM ivanov") == [b"* SEARCH 2"]
    assert await client.ok("SEARCH BODY budget") == [b"* SEARCH 1"]
    assert await client.ok("SEARCH SUBJECT БЮДЖЕТ") == [b"* SEARCH 2"]
    today = datetime.datetime.now(datetime.UTC).strftime("%d-%b-%Y")
    assert await client.ok(f"SEARCH BEFORE {today}") == [b"* SEARCH 1"]
    assert await client.ok("SORT (REVERSE DATE) UTF-8 ALL") == [b"* SORT 2 1"]


async def test_what_says_nothing_is_not_shown(office: Office) -> None:
    await say(office, "", extra="<received xmlns='urn:xmpp:receipts' id='1'/>")
    await say(office, "text")
    client = await opened(office)
    assert await client.ok(f"STATUS {CHAT} (MESSAGES UNSEEN UIDNEXT)") == [
        b"* STATUS " + CHAT.encode() + b" (MESSAGES 1 UNSEEN 0 UIDNEXT 2)"
    ]


async def test_an_open_chat_hears_of_new_messages(offices: Offices) -> None:
    office = await offices(imap={"chat_interval": 0.1})
    await say(office, "one")
    client = await opened(office, "Chats/Petrova@Digital.Example")
    tag = await client.idle()
    await say(office, "two")
    assert await client.line() == b"* 2 EXISTS"
    await client.done(tag)
    other = await office.login()
    [status] = await other.ok("STATUS Chats/Petrova@Digital.Example (MESSAGES)")
    assert status.endswith(b"(MESSAGES 2)")


async def test_a_list_with_status_knows_chats_that_were_opened(office: Office) -> None:
    await say(office, "one")
    client = await office.login()
    command = 'LIST "" "Chats/*" RETURN (STATUS (MESSAGES))'
    assert (await client.ok(command))[-1].endswith(b"(MESSAGES 0)"), "nobody has looked into it"
    await client.ok(f"STATUS {CHAT} (MESSAGES)")
    await say(office, "two")
    assert (await client.ok(command))[-1].endswith(b"(MESSAGES 2)")


async def test_uids_stay(office: Office) -> None:
    await say(office, "one")
    client = await opened(office)
    before = [line for line in await client.ok(f"SELECT {CHAT}") if b"UIDVALIDITY" in line]
    await say(office, "two")
    again = await client.ok(f"SELECT {CHAT}")
    assert before == [line for line in again if b"UIDVALIDITY" in line]
    assert await client.ok("UID FETCH 1:* (UID)") == [b"* 1 FETCH (UID 1)", b"* 2 FETCH (UID 2)"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("STORE 1 +FLAGS (\\Flagged)", b"NO [READ-ONLY]"),
        ("STORE 1 -FLAGS (\\Seen)", b"NO [READ-ONLY]"),
        ("EXPUNGE", b"NO [READ-ONLY]"),
        ("MOVE 1 Trash", b"NO [READ-ONLY]"),
        (f"APPEND {CHAT} {{3+}}\r\nx\r\n", b"NO [NOPERM]"),
        (f"COPY 1 {CHAT}", b"NO [NOPERM]"),
        (f"DELETE {CHAT}", b"NO [NOPERM]"),
        (f"RENAME {CHAT} Other", b"NO [NOPERM]"),
        ("CREATE Chats/Mine", b"NO [CANNOT]"),
        (f"SETACL {CHAT} petrova@digital.example lr", b"NO [NOPERM]"),
        ("SELECT Chats", b"NO [NONEXISTENT]"),
    ],
)
async def test_chats_are_led_elsewhere(office: Office, command: str, code: bytes) -> None:
    await say(office, "one")
    client = await opened(office)
    answer = await client.no(command)
    assert answer.startswith(code), answer


async def test_nobody_else_sees_them(office: Office) -> None:
    await say(office, "one")
    await opened(office)
    other = await office.login(PETROVA)
    assert await listed(other) == []
    assert (await other.no(f'SELECT "Other Users/{IVANOV}/Chats/Anna Petrova"')).startswith(b"NO [NONEXIS")


async def test_what_is_retracted_goes_and_a_copy_stays(office: Office) -> None:
    first = await say(office, "a secret")
    await say(office, "no secret")
    client = await opened(office)
    await client.ok("COPY 1 Archive")
    owner = await number_of(office, IVANOV)
    await office.store.write(
        lambda tx: archive.replace(tx, owner, first, b"<message xmlns='jabber:client'/>")
    )
    assert await client.ok("NOOP") == [b"* 1 EXPUNGE"]
    assert await client.ok("UID FETCH 1:* BODY.PEEK[TEXT]") == [
        b"* 1 FETCH (UID 2 BODY[TEXT] {11}\r\nno secret\r\n)"
    ]
    await client.ok("SELECT Archive")
    assert await client.ok("FETCH 1 BODY.PEEK[TEXT]") == [b"* 1 FETCH (BODY[TEXT] {10}\r\na secret\r\n)"]


async def test_what_has_expired_goes(office: Office) -> None:
    await say(office, "old", sent=clock.now() - 30 * clock.DAY)
    await say(office, "new")
    client = await opened(office)
    owner = await number_of(office, IVANOV)
    await office.store.write(lambda tx: archive.expire(tx, owner, clock.now() - clock.DAY, 100))
    assert await client.ok("NOOP") == [b"* 1 EXPUNGE"]
    assert await office.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM derived")) == 1


async def test_no_quota_counts_them(office: Office) -> None:
    await say(office, "one")
    client = await opened(office)
    owner = await number_of(office, IVANOV)
    usage = await office.store.read(lambda tx: accounts.usage(tx, owner))
    assert (usage.items, usage.bytes) == (0, 0)
    await client.ok("UNSELECT")


async def test_a_long_chat_begins_with_its_newest(offices: Offices) -> None:
    office = await offices(imap={"chat_messages": 3})
    for number in range(5):
        await say(office, f"message {number}")
    client = await opened(office, "Chats/Petrova@Digital.Example")
    assert await client.ok("SEARCH SUBJECT message") == [b"* SEARCH 1 2 3"]
    await say(office, "message 5")
    await client.ok("SELECT Chats/Petrova@Digital.Example")
    assert await client.ok("SEARCH SUBJECT message") == [b"* SEARCH 1 2 3 4"]
    assert await client.ok('SEARCH SUBJECT "message 2"') == [b"* SEARCH 1"]


async def test_a_room_is_a_mailbox_of_its_members(office: Office) -> None:
    room = await make_room(office, IVANOV)
    client = await opened(office, '"Chats/The team"')
    [line] = await client.ok("FETCH 1 (ENVELOPE)")
    assert b'((NIL NIL "team" "conference.digital.example"))' in line
    assert b"=?utf-8?b?0JDQvdC90LA=?=" in line
    assert await listed(await office.login(PETROVA)) == []
    await office.store.write(lambda tx: rooms.forget_person(tx, IVANOV))
    other = await office.login()
    assert await listed(other, "Chats/*") == []
    assert await office.store.read(lambda tx: archive.bounds(tx, room)) is not None


async def test_names_that_two_have(office: Office) -> None:
    other = await office.directory.create_person("anna@digital.example", "Anna Petrova")
    await say(office, "one")
    await say(office, "two", sender=other.address, peer=other.address)
    await say(office, "three", sender="x/y@elsewhere.example", peer="x/y@elsewhere.example")
    client = await office.login()
    names = [line.partition(b'"/" ')[2] for line in await listed(client, "Chats/%")]
    assert names == [
        b'"Chats/Anna Petrova"',
        b'"Chats/Anna Petrova (petrova@digital.example)"',
        b"Chats/x-y@elsewhere.example",
    ]


async def test_a_mailbox_that_is_called_chats_already(office: Office) -> None:
    client = await office.login()
    await client.ok("CREATE Chats")
    await client.append(MESSAGE, "Chats")
    await say(office, "one")
    assert len(await listed(client)) == 2
    assert b"* 1 EXISTS" in await client.ok("SELECT Chats")
    assert b"* 1 EXISTS" in await client.ok(f"SELECT {CHAT}")


async def test_switched_off(offices: Offices) -> None:
    office = await offices()
    await say(office, "one")
    client = await opened(office, "Chats/Petrova@Digital.Example")
    object.__setattr__(office.config.imap, "chats", False)
    assert await listed(client) == []
    assert (await client.no("SELECT Chats/Petrova@Digital.Example")).startswith(b"NO [NONEXISTENT]")


async def test_a_full_disk_hides_no_mailbox(office: Office) -> None:
    for number in range(100):
        await say(office, f"message {number}")
    client = await opened(office)
    await client.ok("UNSELECT")
    for number in range(200):
        await say(office, f"message {number} " + "x" * 500)
    pages = await fill_disk(office.store)
    assert await client.ok('LIST "" INBOX') == [b'* LIST (\\HasNoChildren) "/" INBOX']
    assert b"* 100 EXISTS" in await client.ok(f"SELECT {CHAT}")
    await free_disk(office.store, pages)
    assert b"* 300 EXISTS" in await client.ok(f"SELECT {CHAT}")


async def test_two_sessions_take_up_each_message_once(office: Office) -> None:
    for number in range(450):
        await say(office, f"message {number}")
    clients = [await office.login() for _ in range(4)]
    await listed(clients[0])
    found = await asyncio.gather(*(client.ok(f"SELECT {CHAT}") for client in clients))
    assert all(b"* 450 EXISTS" in lines for lines in found)
