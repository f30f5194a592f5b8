# SPDX-License-Identifier: Apache-2.0
"""MESSAGELIMIT (RFC 9738), where a limit is set: three messages of one command."""

from __future__ import annotations

import pytest

from tests.imap.client import Client, Office
from tests.imap.conftest import Offices


@pytest.fixture
async def office(offices: Offices) -> Office:
    return await offices(imap={"message_limit": 3})


@pytest.fixture
async def client(office: Office) -> Client:
    """INBOX with five messages."""
    client = await office.login(mailbox="INBOX")
    for number in range(1, 6):
        await client.append(b"Subject: %d\r\n\r\ntext\r\n" % number)
    await client.ok("NOOP")
    return client


async def test_it_is_announced(client: Client) -> None:
    [line] = await client.ok("CAPABILITY")
    assert b" MESSAGELIMIT=3" in line


async def test_fetch_has_the_newest(client: Client) -> None:
    *lines, tagged = await client.command("FETCH 1:* (UID)")
    assert lines == [b"* 3 FETCH (UID 3)", b"* 4 FETCH (UID 4)", b"* 5 FETCH (UID 5)"]
    assert tagged.startswith(b"OK [MESSAGELIMIT 3 3]")
    *lines, tagged = await client.command("UID FETCH 1:2,4:5 (UID)")
    assert [line.split()[1] for line in lines] == [b"2", b"4", b"5"]
    assert tagged.startswith(b"OK [MESSAGELIMIT 3 2]")
    *lines, tagged = await client.command("FETCH 1:3 (UID)")
    assert len(lines) == 3
    assert tagged == b"OK FETCH completed"


async def test_store_changes_the_newest(client: Client) -> None:
    tagged = (await client.command("STORE 1:* +FLAGS (\\Seen)"))[-1]
    assert tagged.startswith(b"OK [MESSAGELIMIT 3 3]")
    assert await client.ok("SEARCH UIDAFTER 2 SEEN") == [b"* SEARCH 3 4 5"]
    *lines, tagged = await client.command("UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)")
    assert any(line.startswith(b"* NO [MESSAGELIMIT 3 3]") for line in lines)
    assert tagged.startswith(b"OK [MODIFIED 3:5]")


async def test_search_looks_at_the_newest(client: Client) -> None:
    *lines, tagged = await client.command("SEARCH ALL")
    assert (lines, tagged[:22]) == ([b"* SEARCH 3 4 5"], b"OK [MESSAGELIMIT 3 3] ")
    *lines, tagged = await client.command("UID SEARCH UIDBEFORE 4")
    assert (lines, tagged) == ([b"* SEARCH 1 2 3"], b"OK SEARCH completed")
    assert await client.ok("UID SEARCH UIDBEFORE 1") == [b"* SEARCH"]
    assert await client.ok("UID SEARCH UIDAFTER 4294967295") == [b"* SEARCH"]


async def test_what_cannot_be_done_by_halves_is_refused(client: Client) -> None:
    for command in ("COPY 1:* Trash", "SORT (DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"):
        assert (await client.no(command)).startswith(b"NO [MESSAGELIMIT 3"), command
    assert (await client.command("COPY 3:* Trash"))[-1].startswith(b"OK [COPYUID")
    assert await client.ok("SORT (REVERSE DATE) UTF-8 UIDAFTER 2") == [b"* SORT 5 4 3"]


async def test_move_and_expunge_go_step_by_step(client: Client) -> None:
    tagged = (await client.command("MOVE 1:* Trash"))[-1]
    assert tagged.startswith(b"OK [MESSAGELIMIT 3 3]")
    assert await client.ok("UID SEARCH ALL") == [b"* SEARCH 1 2"]
    await client.ok("SELECT Trash")
    await client.append(b"Subject: 6\r\n\r\n", "Trash", "(\\Deleted)")
    await client.ok("STORE 1:3 +FLAGS (\\Deleted)")
    tagged = (await client.command("UID EXPUNGE 1:*"))[-1]
    assert tagged.startswith(b"OK [MESSAGELIMIT 3 2]")
    assert await client.ok("UID SEARCH ALL") == [b"* SEARCH 1"]
