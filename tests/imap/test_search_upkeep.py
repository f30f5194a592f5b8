# SPDX-License-Identifier: Apache-2.0
"""The index of words follows the mailboxes: slices, merges, messages that go, a lease that was lost."""

from __future__ import annotations

import asyncio

import pytest

from armgs_server.errors import Conflict
from armgs_server.imap import search_mailbox
from armgs_server.imap.attachments import AttachmentReader
from armgs_server.imap.search_mailbox import Mailbox
from armgs_server.storage import leases, mail_words
from armgs_server.storage.leases import Lease
from armgs_server.storage.mail_words import Segment
from tests.formats.mail_samples import crlf
from tests.imap.client import IVANOV, Client, Office
from tests.imap.conftest import Offices


async def mailbox(office: Office, name: str = "INBOX") -> tuple[Mailbox, tuple[int, int]]:
    """The mailbox in the hands of a holder, wanted and not yet indexed."""
    person = await office.directory.by_address(IVANOV)
    assert person is not None
    number = await office.store.read(
        lambda tx: tx.value("SELECT id FROM collection WHERE owner = ? AND name = ?", person.id, name)
    )
    lease = await office.store.write(lambda tx: leases.acquire(tx, "test", "holder"))
    assert lease is not None
    key = (person.id, int(number))
    await office.store.write(
        lambda tx: tx.execute("INSERT INTO mail_index (owner, collection, last) VALUES (?, ?, 0)", *key)
    )
    return Mailbox(office.store, lease, *key), key


async def fill(client: Client, count: int, word: str = "word") -> None:
    for number in range(count):
        await client.append(crlf(f"Subject: {number}\n\n{word}{number} everywhere\n"))


async def index(office: Office, box: Mailbox) -> list[int]:
    """All of it; how many messages each slice had."""
    reader = AttachmentReader(office.store, office.config.imap)
    done = []
    while (count := await box.index(reader)) is not None:
        done.append(count)
    return done


async def segments(office: Office, key: tuple[int, int]) -> list[Segment]:
    return await office.store.read(lambda tx: mail_words.segments(tx, *key))


@pytest.fixture
async def office(offices: Offices) -> Office:
    """Nobody else indexes: the mailbox is wanted without a word on the bus."""
    return await offices(imap={"search_index_interval": 1000.0})


async def test_slices_and_merges(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_mailbox, "SLICE", 3)
    client = await office.login(mailbox="INBOX")
    await fill(client, 25)
    box, key = await mailbox(office)
    assert await index(office, box) == [3] * 8 + [1]
    assert [(each.first, each.last) for each in await segments(office, key)][-2:] == [(22, 24), (25, 25)]
    await box.merge()
    assert [(each.first, each.last, each.messages) for each in await segments(office, key)] == [
        (1, 24, 24),
        (25, 25, 1),
    ]
    assert await client.ok("SEARCH BODY word7") == [b"* SEARCH 8"]
    assert await client.ok("SEARCH RETURN (COUNT) TEXT everywhere") != []


async def test_searches_while_segments_are_merged(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of the segments under it, a search finds all."""
    monkeypatch.setattr(search_mailbox, "SLICE", 1)
    client = await office.login(mailbox="INBOX")
    await fill(client, 40)
    box, _ = await mailbox(office)
    expected = [b"* SEARCH " + b" ".join(b"%d" % number for number in range(1, 41))]

    async def work() -> None:
        while await box.index(AttachmentReader(office.store, office.config.imap)) is not None:
            await box.merge()

    working = asyncio.create_task(work())
    while not working.done():
        assert await client.ok("SEARCH TEXT everywhere") == expected
    await working
    assert await client.ok("SEARCH TEXT everywhere") == expected


async def test_large_messages_are_slices_of_their_own(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_mailbox, "SLICE_SIZE", 100)
    client = await office.login(mailbox="INBOX")
    await fill(client, 3, "x" * 80)
    box, _ = await mailbox(office)
    assert await index(office, box) == [1, 1, 1]


async def test_words_of_what_is_gone_go_too(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    await fill(client, 10)
    box, key = await mailbox(office)
    await index(office, box)
    await client.ok("STORE 1:7 +FLAGS.SILENT (\\Deleted)")
    await client.ok("EXPUNGE")
    await box.merge()
    [left] = await segments(office, key)
    assert left.messages == 3
    words = await office.store.read(lambda tx: mail_words.words(tx, *key, mail_words.Kind.BODY, left))
    assert words is not None and b"WORD6" not in words and b"WORD7" in words
    assert await client.ok("UID SEARCH BODY word") == [b"* SEARCH 8 9 10"]
    await client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    await client.ok("EXPUNGE")
    await box.merge()
    assert await segments(office, key) == []


async def test_uids_far_apart(office: Office) -> None:
    """A segment stays within one base of 65,536."""
    client = await office.login(mailbox="INBOX")
    box, key = await mailbox(office)
    await fill(client, 2)
    await office.store.write(
        lambda tx: tx.execute("UPDATE collection SET uid_next = 200000 WHERE owner = ? AND id = ?", *key)
    )
    await fill(client, 2)
    assert await index(office, box) == [2, 0, 0, 2]
    assert [(each.first, each.last) for each in await segments(office, key)] == [(1, 65535), (200000, 200001)]
    assert await client.ok("UID SEARCH BODY word1") == [b"* SEARCH 2 200001"]


async def test_who_lost_the_lease_writes_nothing(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    await fill(client, 1)
    _, key = await mailbox(office)
    late = Mailbox(office.store, Lease("test", "holder", 0), *key)
    with pytest.raises(Conflict):
        await index(office, late)
    assert await segments(office, key) == []


async def test_a_mailbox_that_is_gone(office: Office) -> None:
    client = await office.login()
    await client.ok("CREATE Short")
    box, key = await mailbox(office, "Short")
    await client.ok("DELETE Short")
    assert await index(office, box) == []
    await office.store.write(
        lambda tx: tx.execute("INSERT INTO mail_index (owner, collection, last) VALUES (?, ?, 0)", *key)
    )
    assert await index(office, box) == []
