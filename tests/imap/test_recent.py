# SPDX-License-Identifier: Apache-2.0
r"""\Recent: RFC 3501 §2.3.2. One session is told first, and only it has the flag."""

from __future__ import annotations

from tests.imap.client import IVANOV, PASSWORD, Office
from tests.imap.conftest import Offices


async def make(offices: Offices) -> Office:
    office = await offices(imap={"recent": True})
    sender = await office.login()
    for number in range(2):
        await sender.append(b"Subject: %d\r\n\r\n" % number)
    return office


async def test_the_first_to_select_has_them(offices: Offices) -> None:
    office = await make(offices)
    a, b = await office.login(), await office.login()
    assert await a.ok("STATUS INBOX (RECENT)") == [b"* STATUS INBOX (RECENT 2)"]
    # who only looks takes nothing away from others
    assert b"* 2 RECENT" in await b.ok("EXAMINE INBOX")
    assert b"* 2 RECENT" in await a.ok("SELECT INBOX")
    assert b"* 0 RECENT" in await b.ok("SELECT INBOX")
    assert await a.ok("FETCH 1 (FLAGS)") == [rb"* 1 FETCH (FLAGS (\Recent))"]
    assert await b.ok("FETCH 1 (FLAGS)") == [b"* 1 FETCH (FLAGS ())"]
    assert await a.ok("SEARCH NEW") == [b"* SEARCH 1 2"]
    assert await a.ok("SEARCH OLD") == [b"* SEARCH"]
    assert await b.ok("SEARCH RECENT") == [b"* SEARCH"]
    assert await a.ok(r"STORE 1 +FLAGS (\Seen)") == [rb"* 1 FETCH (FLAGS (\Seen \Recent))"]
    assert await a.ok("SEARCH NEW") == [b"* SEARCH 2"]
    assert b"* 0 RECENT" in await a.ok("SELECT INBOX")


async def test_new_ones_go_to_one_session(offices: Offices) -> None:
    office = await make(offices)
    a, b = await office.login(mailbox="INBOX"), await office.login(mailbox="INBOX")
    sender = await office.login()
    await sender.append(b"Subject: new\r\n\r\n")
    assert b"* 0 RECENT" not in await b.ok("NOOP")
    assert await a.ok("NOOP") == [b"* 3 EXISTS", b"* 2 RECENT"]
    assert await b.ok("FETCH 3 (FLAGS)") == [rb"* 3 FETCH (FLAGS (\Recent))"]
    await a.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    assert await a.ok("EXPUNGE") == [b"* 1 EXPUNGE", b"* 1 RECENT"]


async def test_a_client_of_rev2_hears_nothing_of_it(offices: Offices) -> None:
    office = await make(offices)
    client = await office.connect()
    await client.ok(f"LOGIN {IVANOV} {PASSWORD}")
    await client.ok("ENABLE IMAP4rev2")
    assert not any(b"RECENT" in line for line in await client.ok("SELECT INBOX"))
    assert await client.ok("FETCH 1 (FLAGS)") == [b"* 1 FETCH (FLAGS ())"]
    # and it leaves the others theirs
    assert b"* 2 RECENT" in await (await office.login()).ok("SELECT INBOX")
