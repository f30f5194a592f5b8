# SPDX-License-Identifier: Apache-2.0
"""APPEND: RFC 3501 §6.3.11; streamed, bounded, durable when it is acknowledged. See also append.txt."""

from __future__ import annotations

import asyncio

from armgs_server.storage import accounts
from tests.formats.mail_samples import PLAIN
from tests.imap.client import IVANOV, Office
from tests.imap.conftest import Offices


async def test_a_message_over_the_limit_is_refused_before_it_comes(offices: Offices) -> None:
    office = await offices(imap={"message_size": 65536})
    client = await office.login(mailbox="INBOX")
    assert await client.no("APPEND INBOX {65537}") == b"NO [TOOBIG] messages here have at most 65536 octets"
    refused = await client.append(b"x" * 200_000)
    assert refused.startswith(b"NO [TOOBIG] ")
    assert b"APPENDUID" in await client.append(b"x" * 65536)
    assert b"APPENDLIMIT=65536" in (await client.ok("CAPABILITY"))[0]


async def test_quota(office: Office) -> None:
    client = await office.login(mailbox="INBOX")
    person = await office.directory.by_address(IVANOV)
    assert person is not None
    owner = person.id
    used = (await office.store.read(lambda tx: accounts.usage(tx, owner))).bytes
    await office.store.write(lambda tx: accounts.set_quota(tx, owner, used + 2000))
    assert b"APPENDUID" in await client.append(b"x" * 1500)
    assert (await client.append(b"x" * 1000)).startswith(b"NO [OVERQUOTA] ")
    assert await client.ok("STATUS INBOX (MESSAGES SIZE)") == [b"* STATUS INBOX (MESSAGES 1 SIZE 1500)"]
    [_, quota] = await client.ok("GETQUOTAROOT INBOX")
    assert quota == b'* QUOTA "" (STORAGE %d %d)' % (-(-(used + 1500) // 1024), (used + 2000) // 1024)


async def test_a_message_that_ends_half_way_leaves_nothing(office: Office) -> None:
    client, other = await office.login(), await office.login(mailbox="INBOX")
    client.send(b"x APPEND INBOX {100000+}\r\n" + b"y" * 90_000)
    await client.writer.drain()
    await client.close()
    assert await other.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 0)"]
    assert [path for path in (office.store_path / "blobs").rglob("*") if path.is_file()] == []


async def test_many_appends_at_once_are_each_there(office: Office) -> None:
    clients = [await office.login() for _ in range(5)]
    watcher = await office.login(mailbox="INBOX")

    async def append(number: int) -> bytes:
        return await clients[number % 5].append(PLAIN)

    for first in range(0, 20, 5):
        answers = await asyncio.gather(*(append(first + number) for number in range(5)))
        assert all(b"APPENDUID" in answer for answer in answers)
    assert (await watcher.ok("NOOP"))[0].startswith(b"* 20 EXISTS")
    assert await watcher.ok("UID SEARCH ALL") == [b"* SEARCH " + b" ".join(b"%d" % n for n in range(1, 21))]


async def test_the_end_of_the_command_is_part_of_it(office: Office) -> None:
    client = await office.login()
    client.send(b"x APPEND INBOX {3+}\r\nabc junk\r\n")
    assert await client.responses(b"x") == [b"BAD message literal expected"]
    client.send(b"y APPEND INBOX {3+}\r\nabc {5+}\r\n12345junk\r\n")
    assert (await client.responses(b"y"))[0].startswith(b"BAD ")
    assert await client.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 0)"]
