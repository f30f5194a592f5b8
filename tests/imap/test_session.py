# SPDX-License-Identifier: Apache-2.0
"""Sessions: limits, time-outs, failures of the store, and what other sessions see."""

from __future__ import annotations

import asyncio

import pytest

from armgs_server.imap.commands import COMMANDS
from armgs_server.storage import Store
from tests.formats.mail_samples import PLAIN
from tests.imap.client import Client, Office
from tests.imap.conftest import Offices


async def ended(client: Client) -> bool:
    """Whether the server has closed the connection."""
    async with asyncio.timeout(10):
        return await client.reader.read() == b""


def test_capabilities_come_from_the_table() -> None:
    announced = {name for spec in COMMANDS.values() for name in spec.capabilities}
    assert announced >= {"IMAP4rev1", "LITERAL+", "SASL-IR", "ID", "NAMESPACE", "IDLE", "UIDPLUS", "MOVE"}
    assert announced >= {"UNSELECT", "CHILDREN", "ENABLE", "SPECIAL-USE", "ESEARCH", "CONDSTORE", "QUOTA"}
    assert announced >= {"LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE", "WITHIN"}


async def test_a_line_that_is_too_long(offices: Offices) -> None:
    office = await offices(imap={"line_length": 8192})
    client = await office.login()
    assert (await client.no("NOOP " + "x" * 9000)).startswith(b"BAD [TOOBIG] ")
    assert (await client.no("NOOP " + "x" * 1_000_000)).startswith(b"BAD [TOOBIG] ")
    await client.ok("NOOP")


async def test_too_many_errors_end_the_connection(offices: Offices) -> None:
    office = await offices(imap={"errors": 3})
    client = await office.login()
    await client.no("WHAT")
    await client.no("WHAT")
    await client.ok("NOOP")  # in a row
    for _ in range(2):
        await client.no("WHAT")
    client.send(b"x WHAT\r\n")
    assert await client.line() == b"x BAD no such command: WHAT"
    assert await client.line() == b"* BYE too many errors"
    assert await ended(client)


async def test_a_silent_client_before_log_in(offices: Offices) -> None:
    office = await offices(security={"login_timeout": 1.0})
    client = await office.connect()
    await client.ok("NOOP")
    assert await client.line() == b"* BYE silent for too long"
    assert await ended(client)


async def test_a_failed_store_is_told_and_the_session_goes_on(office: Office) -> None:
    """A full disk, as SQLite reports it."""
    client = await office.login(mailbox="INBOX")
    assert b"APPENDUID" in await client.append(PLAIN)
    pages = await fill_disk(office.store)
    refused = await client.append(b"Subject: x\r\n\r\n" + b"y" * 40_000)
    assert refused.startswith(b"NO [UNAVAILABLE] ")
    assert len(await client.ok("FETCH 1:* (FLAGS)")) == 1
    await free_disk(office.store, pages)
    assert b"APPENDUID" in await client.append(PLAIN)
    assert await client.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 2)"]


async def fill_disk(store: Store) -> int:
    """No page can be added to the database any more."""
    rows = await store.write(lambda tx: tx.rows("PRAGMA page_count"))
    await store.write(lambda tx: tx.rows(f"PRAGMA max_page_count = {rows[0][0]}"))
    return int(rows[0][0])


async def free_disk(store: Store, pages: int) -> None:
    await store.write(lambda tx: tx.rows(f"PRAGMA max_page_count = {pages + 100_000}"))


async def test_a_client_that_takes_nothing_is_let_go(offices: Offices) -> None:
    office = await offices(limits={"write_timeout": 0.5})
    client = await office.login(mailbox="INBOX")
    for _ in range(10):
        await client.append(PLAIN + b"x" * 2_000_000)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    client.send(b"x FETCH 1:* (BODY.PEEK[])\r\n")
    async with asyncio.timeout(20):
        while office.service.session_count:
            await asyncio.sleep(0.05)
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    rest = await client.reader.read()
    assert b"x OK" not in rest, "it was cut off in the middle of the answer"


async def test_the_end_of_the_service_is_told(office: Office) -> None:
    client, idler = await office.login(), await office.login(mailbox="INBOX")
    await idler.idle()
    await office.service.stop()
    for each in (client, idler):
        assert await each.line() == b"* BYE the server is shutting down"
        assert await ended(each)


async def test_half_a_command_at_the_end_is_no_command(office: Office) -> None:
    client, other = await office.login(), await office.login()
    client.send(b"x CREATE Half")
    client.writer.write_eof()
    assert await ended(client)
    assert await other.ok('LIST "" Half*') == []


async def test_pipelined_commands_are_answered_in_order(office: Office) -> None:
    client = await office.login()
    client.send(
        b"1 SELECT INBOX\r\n2 NOOP\r\n3 FETCH 1 FLAGS\r\n4 IDLE\r\nDONE\r\n"
        b"5 UNSELECT\r\n6 LOGOUT\r\n7 NOOP\r\n"
    )
    tagged = []
    async with asyncio.timeout(10):
        while line := await client.line():
            if not line.startswith((b"*", b"+")):
                tagged.append(line[:4])
    assert tagged == [b"1 OK", b"2 OK", b"3 BA", b"4 OK", b"5 OK", b"6 OK"]


async def test_idlers_hear_everything_and_once(office: Office) -> None:
    idlers = [await office.login(mailbox="INBOX") for _ in range(10)]
    tags = [await idler.idle() for idler in idlers]
    writer = await office.login()
    for _ in range(5):
        await writer.append(PLAIN)
    for idler, tag in zip(idlers, tags, strict=True):
        exists = []
        while not exists or exists[-1] != b"* 5 EXISTS":
            line = await idler.line()
            if line.endswith(b"EXISTS"):
                exists.append(line)
        assert exists == sorted(set(exists))
        assert await idler.done(tag) in ([b"OK IDLE completed"], [b"* 0 RECENT", b"OK IDLE completed"])


@pytest.fixture
async def office_on_each(store_url: str, offices: Offices) -> Office:
    """Once on each engine of the store."""
    return await offices(store_url)


async def test_a_day_in_the_office(office_on_each: Office) -> None:
    a, b = await office_on_each.login(mailbox="INBOX"), await office_on_each.login(mailbox="INBOX")
    for number in range(3):
        assert b"APPENDUID" in await a.append(PLAIN.replace(b"Hello", b"Hello %d" % number))
    assert (await b.ok("NOOP"))[0] == b"* 3 EXISTS"
    assert await b.ok("UID SEARCH SUBJECT hello UNSEEN") == [b"* SEARCH 1 2 3"]
    assert await b.ok("UID SEARCH BODY second SINCE 1-Jan-2024 LARGER 10") == [b"* SEARCH 1 2 3"]
    [fetched] = await b.ok("UID FETCH 2 (ENVELOPE BODYSTRUCTURE INTERNALDATE BODY[HEADER.FIELDS (Subject)])")
    assert fetched.endswith(b"BODY[HEADER.FIELDS (Subject)] {20}\r\nSubject: Hello 1\r\n\r\n)")
    assert await a.ok("NOOP") == [b"* 2 FETCH (UID 2 FLAGS (\\Seen))"]
    await a.ok("STORE 1,3 +FLAGS (\\Deleted Old)")
    assert await a.ok("EXPUNGE") == [b"* 3 EXPUNGE", b"* 1 EXPUNGE"]
    tag = await b.idle()
    assert [await b.line(), await b.line()] == [b"* 3 EXPUNGE", b"* 1 EXPUNGE"]
    await a.ok("CREATE Работа/Отчёты")
    assert (await a.ok("UID MOVE 2 &BCAEMAQxBD4EQgQw-/&BB4EQgRHBFEEQgRL-"))[0].startswith(b"* OK [COPYUID ")
    assert await b.line() == b"* 1 EXPUNGE"
    await b.done(tag)
    assert len(await b.ok('LIST "" * RETURN (STATUS (MESSAGES UNSEEN SIZE))')) == 16
    await b.ok("UNSELECT")
    await b.ok("DELETE &BCAEMAQxBD4EQgQw-/&BB4EQgRHBFEEQgRL-")
