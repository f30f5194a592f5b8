# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment: what was acknowledged is there at the next start, nothing else is half there."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

from tests.formats.mail_samples import PLAIN
from tests.imap.client import Client
from tests.world import IVANOV, PASSWORD, World

KILLS = 2


async def login(world: World, address: str = IVANOV) -> Client:
    client = Client(*await world.connect("imap"))
    assert (await client.line()).startswith(b"* OK ")
    await client.ok(f"LOGIN {address} {PASSWORD}")
    return client


async def test_acknowledged_messages_survive_kill_9(tmp_path: Path) -> None:
    acknowledged: dict[int, int] = {}
    async with World(tmp_path, process=True) as world:

        async def append(first: int) -> None:
            """Appends until the server dies; small messages and such as go to files."""
            client = await login(world)
            with contextlib.suppress(EOFError, ConnectionError):
                for number in range(first, first + 10_000):
                    padding = b"x" * (100_000 if number % 5 == 0 else 100)
                    tagged = await client.append(b"X-Number: %d\r\n%b%b\r\n" % (number, PLAIN, padding))
                    found = re.search(rb"APPENDUID \d+ (\d+)", tagged)
                    assert found is not None, tagged
                    acknowledged[int(found[1])] = number
            await client.close()

        for kill in range(KILLS):
            before = len(acknowledged)
            tasks = [asyncio.ensure_future(append((kill * 3 + each) * 100_000)) for each in range(3)]
            async with asyncio.timeout(30):
                while len(acknowledged) < before + 30:
                    await asyncio.sleep(0.01)
                await world.restart()
                await asyncio.gather(*tasks)
        client = await login(world)
        await client.ok("SELECT INBOX")
        found = {}
        for answer in await client.ok("UID FETCH 1:* (UID RFC822.SIZE BODY.PEEK[])"):
            fields = re.search(rb"UID (\d+) RFC822.SIZE (\d+) BODY\[\] \{(\d+)\}\r\nX-Number: (\d+)", answer)
            assert fields is not None
            assert fields[2] == fields[3]
            found[int(fields[1])] = int(fields[4])
        assert len(acknowledged) >= 30 * KILLS
        assert acknowledged.items() <= found.items()
        [status] = await client.ok("STATUS INBOX (MESSAGES)")
        assert status == b"* STATUS INBOX (MESSAGES %d)" % len(found)
        await client.close()
