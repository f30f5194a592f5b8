# SPDX-License-Identifier: Apache-2.0
"""The IMAP server in each of its states, fed with what no client should send: it answers, closes or waits,
never fails, and another session goes on undisturbed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.imap.commands import COMMANDS
from armgs_server.storage import Store
from tests.formats.mail_samples import MIXED, PLAIN
from tests.imap.client import IVANOV, PASSWORD, Client, Office

STATES = ("new", "authenticated", "selected", "idle", "authenticating", "appending")
ROUNDS = 60

_WORDS = [
    *(name.encode() for name in COMMANDS),
    *(b"INBOX", b"Sent", b"a/b", b"*", b"%", b'""', b'"x y"', b"1:*", b"1", b"$", b"4294967295", b"0"),
    *(b"(", b")", b"((", b"FLAGS", b"(\\Seen)", b"+FLAGS.SILENT", b"BODY[]", b"BODY.PEEK[1.2.MIME]<0.9>"),
    *(b"RETURN", b"(MIN MAX ALL COUNT SAVE)", b"(SUBSCRIBED)", b"(STATUS (MESSAGES))", b"(CONDSTORE)"),
    *(b"HEADER", b"SUBJECT", b"OR", b"NOT", b"UID", b"SINCE", b"1-Jan-2024", b"MODSEQ", b"OLDER", b"BODY"),
    *(b"{3+}\r\nabc", b"{0+}\r\n", b"{5}", b"{99999999999+}", b"~{1}", b"\xff\xfe", b"\0", b"\r", b"&AA-"),
    *(b"SET", b"STATUS", b"NONE", b"(selected", b"(personal", b"(subtree (a b)", b"(MessageNew", b"(UID)"),
    *(b"MessageExpunge))", b"(MailboxName))", b"IN", b"(personal inboxes)", b"(RELEVANCY UPDATE)", b"FUZZY"),
    *(b"UIDONLY", b"INTERNAL", b'"imap://a@b/INBOX/;UID=1;URLAUTH=anonymous"', b"UIDAFTER", b"Chats/x"),
    *(b"DONE", b"=", b"AGl2YW5v", b"+", b"(UNCHANGEDSINCE 1)", b"(CHANGEDSINCE 1)", b"CHARSET", b"UTF-8"),
]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    store = await Store.open("sqlite", tmp_path / "store")
    office = Office(store, tmp_path / "store", {"imap": {"errors": 10_000}})
    await office.start()
    yield office
    await office.stop()
    await store.close()


async def reach(office: Office, state: str) -> Client:
    client = await office.connect()
    if state == "new":
        return client
    if state == "authenticating":
        client.send(b"x AUTHENTICATE PLAIN\r\n")
        return client
    await client.ok(f"LOGIN {IVANOV} {PASSWORD}")
    if state == "appending":
        client.send(b"x APPEND INBOX {100+}\r\nhalf of it")
    elif state != "authenticated":
        await client.ok("SELECT INBOX")
        if state == "idle":
            client.send(b"x IDLE\r\n")
    return client


def nonsense(chance: random.Random) -> bytes:
    """A few lines: words of the grammar in no order, sometimes damaged."""
    lines = []
    for number in range(chance.randrange(1, 6)):
        line = b" ".join(chance.choices(_WORDS, k=chance.randrange(1, 7)))
        if chance.random() < 0.9:
            line = b"f%d " % number + line
        if chance.random() < 0.2:
            at = chance.randrange(len(line) + 1)
            line = line[:at] + chance.randbytes(chance.randrange(8)) + line[at + chance.randrange(3) :]
        lines.append(line)
    return b"\r\n".join(lines) + b"\r\n"


@pytest.mark.parametrize("state", STATES)
async def test_nonsense_in_each_state(office: Office, state: str, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(state)
    witness = await office.login(mailbox="INBOX")
    for message in (PLAIN, MIXED):
        await witness.append(message)
    with caplog.at_level(logging.ERROR):
        for _ in range(ROUNDS):
            client = await reach(office, state)
            client.send(nonsense(chance))
            client.writer.write_eof()
            async with asyncio.timeout(20):
                answer = await client.reader.read()
            assert b"internal error" not in answer, answer
            await client.close()
        assert (await witness.command("NOOP"))[-1].startswith(b"OK ")
    assert [record.getMessage() for record in caplog.records] == []


async def test_nonsense_is_answered_line_by_line(office: Office) -> None:
    """Every command with a tag and without a literal gets exactly one tagged line."""
    chance = random.Random(7)
    words = [word for word in _WORDS if b"{" not in word and word.strip(b"\r") and b"\0" not in word]
    words = [word for word in words if word not in (b"IDLE", b"LOGOUT", b"AUTHENTICATE", b"DELETE", b"\r")]
    client = await office.login(mailbox="INBOX")
    for message in (PLAIN, MIXED):
        await client.append(message)
    for _ in range(400):
        line = b" ".join(chance.choices(words, k=chance.randrange(1, 7)))
        answers = await client.command(line)
        assert answers[-1].startswith((b"OK ", b"NO ", b"BAD ")), line
