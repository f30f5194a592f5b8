# SPDX-License-Identifier: Apache-2.0
"""UIDONLY (RFC 9586): a client that has given up message numbers."""

from __future__ import annotations

import pytest

from tests.imap.client import Client, Office

MESSAGE = b"Subject: test\r\n\r\ntext\r\n"


@pytest.fixture
async def client(office: Office) -> Client:
    """INBOX with messages 2, 3 and 4, of which 3 is flagged."""
    client = await office.login(mailbox="INBOX")
    for flags in ("(\\Deleted)", "", "(\\Flagged)", ""):
        await client.append(MESSAGE, options=flags)
    await client.ok("EXPUNGE")
    await client.ok("UNSELECT")
    assert await client.ok("ENABLE UIDONLY") == [b"* ENABLED UIDONLY"]
    selected = await client.ok("SELECT INBOX")
    assert not [line for line in selected if b"UNSEEN" in line]
    return client


@pytest.mark.parametrize(
    "command",
    [
        "FETCH 1 FLAGS",
        "STORE 1 +FLAGS (\\Seen)",
        "SEARCH ALL",
        "SORT (DATE) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "COPY 1 Trash",
        "MOVE 1 Trash",
        "REPLACE 1 INBOX {3+}\r\nx\r\n",
        "UID SEARCH 1:2",
        "UID SEARCH NOT 1",
    ],
)
async def test_what_needs_numbers_is_refused(client: Client, command: str) -> None:
    assert (await client.no(command)).startswith(b"BAD [UIDREQUIRED]")


async def test_fetch_is_answered_by_uid(client: Client) -> None:
    assert await client.ok("UID FETCH 3:* (FLAGS)") == [
        b"* 3 UIDFETCH (FLAGS (\\Flagged))",
        b"* 4 UIDFETCH (FLAGS ())",
    ]
    assert await client.ok("UID FETCH 2 (UID BODY.PEEK[TEXT])") == [
        b"* 2 UIDFETCH (UID 2 BODY[TEXT] {6}\r\ntext\r\n)"
    ]


async def test_store_and_search_go_by_uid(client: Client) -> None:
    assert await client.ok("UID STORE 4 +FLAGS (\\Seen)") == [b"* 4 UIDFETCH (FLAGS (\\Seen))"]
    assert await client.ok("UID SEARCH SEEN") == [b"* SEARCH 4"]
    assert await client.ok("UID SEARCH RETURN (SAVE) FLAGGED") == []
    assert await client.ok("UID SEARCH $") == [b"* SEARCH 3"]


async def test_what_others_do_is_told_by_uid(client: Client, office: Office) -> None:
    other = await office.login(mailbox="INBOX")
    await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await client.ok("NOOP") == [b"* 2 UIDFETCH (UID 2 FLAGS (\\Deleted))"]
    await other.ok("EXPUNGE")
    assert await client.ok("NOOP") == [b"* VANISHED 2"]
    assert await client.ok("UID FETCH 1:* (UID)") == [b"* 3 UIDFETCH (UID 3)", b"* 4 UIDFETCH (UID 4)"]


async def test_enabled_while_a_mailbox_is_open(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    await client.append(MESSAGE)
    await client.ok("ENABLE UIDONLY QRESYNC")
    assert await client.ok("UID FETCH 1 (MODSEQ)") == [b"* 1 UIDFETCH (MODSEQ (2))"]
    answer = await client.no("SELECT INBOX (QRESYNC (1 1 1:9 (1 1)))")
    assert answer.startswith(b"BAD [UIDREQUIRED]")
