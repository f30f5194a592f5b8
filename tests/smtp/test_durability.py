# SPDX-License-Identifier: Apache-2.0
"""kill -9 during deliveries, again and again: what got its 250 is there once, and nothing is half there."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections import Counter
from pathlib import Path

from tests.imap.test_durability import login
from tests.world import IVANOV, PETROVA, World

KILLS = 20
CLIENTS = 20
MESSAGES = 1000  # in each life of the server, if it lives as long
PADDING = b"".join(b"line %d of the report\r\n" % number for number in range(100))


class Deliveries:
    """What 20 clients bring to two people, and what of it was acknowledged."""

    def __init__(self, world: World) -> None:
        self.acknowledged: list[int] = []
        self.next = 0
        self._world = world

    async def run(self, end: int) -> None:
        """One client, until the server dies or so many are on their way."""
        with contextlib.suppress(EOFError, ConnectionError):
            reader, writer = await self._world.connect("smtp")
            await reader.readuntil(b"\r\n")
            writer.write(b"EHLO client.example\r\n")
            while not (await reader.readuntil(b"\r\n")).startswith(b"250 "):
                pass
            while self.next < end:
                number = self.next
                self.next += 1
                text = b"From: a@b.example\r\nX-Number: %d\r\nSubject: report\r\n\r\n%b" % (number, PADDING)
                writer.write(
                    b"MAIL FROM:<a@b.example>\r\nRCPT TO:<%b>\r\nDATA\r\n"
                    % (IVANOV if number % 2 else PETROVA).encode()
                )
                for code in (b"250", b"250", b"354"):
                    assert (await reader.readuntil(b"\r\n")).startswith(code)
                writer.write(text + b".\r\n")
                reply = await reader.readuntil(b"\r\n")
                assert reply.startswith(b"250"), reply
                self.acknowledged.append(number)


async def test_kills_during_deliveries_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(1)
    async with World(tmp_path, process=True) as world:
        deliveries = Deliveries(world)
        for _ in range(KILLS):
            before = len(deliveries.acknowledged)
            end, fatal = deliveries.next + MESSAGES, before + chance.randrange(20, MESSAGES // 4)
            tasks = [asyncio.ensure_future(deliveries.run(end)) for _ in range(CLIENTS)]
            async with asyncio.timeout(180):
                while len(deliveries.acknowledged) < fatal:
                    await asyncio.sleep(0.005)
                await world.restart()
                await asyncio.gather(*tasks)
        found = [number for address in (IVANOV, PETROVA) for number in await numbers(world, address)]
    counted = Counter(found)
    assert len(deliveries.acknowledged) >= 20 * KILLS
    assert not set(deliveries.acknowledged) - counted.keys()
    assert set(counted.values()) == {1}
    assert counted.keys() <= set(range(deliveries.next))


async def numbers(world: World, address: str) -> list[int]:
    """Of the messages in the INBOX, each of which is whole."""
    client = await login(world, address)
    await client.ok("SELECT INBOX")
    found = []
    for answer in await client.ok("UID FETCH 1:* (BODY.PEEK[])"):
        assert answer.rstrip(b")\r\n").endswith(PADDING.rstrip())
        number = re.search(rb"\r\nX-Number: (\d+)\r\n", answer)
        assert number is not None
        found.append(int(number[1]))
    await client.close()
    return found
