# SPDX-License-Identifier: Apache-2.0
"""Two workers: whichever of them a search comes to, one indexes the mailbox and reads its attachments; and
the news of one worker's client reach a client of the other."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.formats.documents import docx, pdf
from tests.imap.client import Client
from tests.imap.test_attachments import letter
from tests.world import HOST, IVANOV, PASSWORD, World

PATIENCE = 60.0
CONNECTIONS = 8  # so that both workers have some


async def connect(world: World, mailbox: str = "INBOX") -> Client:
    client = Client(*await asyncio.open_connection(HOST, world.ports["imap"], limit=1 << 24))
    await client.line()
    await client.ok(f"LOGIN {IVANOV} {PASSWORD}")
    if mailbox:
        await client.ok(f"SELECT {mailbox}")
    return client


async def found(client: Client, program: str, expected: bytes) -> None:
    """Asks until the answer is there: attachments are found as soon as they are indexed."""
    async with asyncio.timeout(PATIENCE):
        while (await client.ok(b"UID SEARCH " + program.encode()))[-1] != expected:
            await asyncio.sleep(0.1)


async def test_two_workers(tmp_path: Path) -> None:
    settings = {"server": {"workers": 2}, "imap": {"search_index_interval": 1.0, "recent": False}}
    async with World(tmp_path, process=True, settings=settings) as world:
        clients = [await connect(world) for _ in range(CONNECTIONS)]
        first = clients[0]
        await first.append(letter("one", pdf("Invoice 4711 is paid")))
        for client in clients:
            await found(client, "TEXT 4711", b"* SEARCH 1")
        await clients[-1].append(letter("two", docx("Договоры о поставке")))
        for client in clients:
            await found(client, 'FUZZY TEXT "договору"', b"* SEARCH 2")
        for client in clients:
            await client.ok("NOTIFY SET (selected NONE) (personal (MessageNew MessageExpunge MailboxName))")
        await first.ok("CREATE Later")
        for client in clients[1:]:
            assert await client.line() == b'* LIST (\\HasNoChildren) "/" Later'
        await first.append(letter("three"), "Later")
        for client in clients[1:]:
            assert await client.line() == b"* STATUS Later (MESSAGES 1 UIDNEXT 2)"
        for client in clients:
            await client.close()
