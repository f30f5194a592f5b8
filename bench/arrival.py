# SPDX-License-Identifier: Apache-2.0
"""From the end of a message on port 25 to EXISTS in the session of who waits for it in IDLE, at half load."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque

from bench.common import HOST, BenchServer, Row, address, main, percentile, server, timed
from bench.imap import Client
from bench.smtp import Sender

PEOPLE = 20
SENDERS = 20
WARMING = 1000
SECONDS = 8.0
_EXISTS = re.compile(rb"\* (\d+) EXISTS\r\n")


class Waiting:
    """Somebody in IDLE; `sent` are the times at which messages to them were sent, `times` what each took."""

    def __init__(self, client: Client, times: list[float]) -> None:
        self.sent: deque[float] = deque()
        self._client = client
        self._times = times
        self._known = 0

    @classmethod
    async def connect(cls, bench: BenchServer, number: int, times: list[float]) -> Waiting:
        client = await Client.connect(bench)
        await client.login(number)
        await client.command("SELECT INBOX")
        client.writer.write(b"i IDLE\r\n")
        await client.reader.readline()
        return cls(client, times)

    async def listen(self, count: int) -> None:
        """Until so many messages are there."""
        while self._known < count:
            line = await self._client.reader.readline()
            assert line, "the connection ended"
            if found := _EXISTS.fullmatch(line):
                now = time.perf_counter()
                for _ in range(int(found[1]) - self._known):
                    self._times.append(now - self.sent.popleft())
                self._known = int(found[1])

    def begin(self, count: int) -> None:
        self._known = count


async def measure() -> list[Row]:
    """As many as go, then half of that rate with somebody listening."""
    async with server(PEOPLE) as bench:
        senders = [await Sender.connect(bench, number) for number in range(SENDERS)]
        for number, sender in enumerate(senders):
            sender.to(lambda _, number=number: address(number))  # type: ignore[misc]
        full = await timed(bench, "", "message", WARMING, [sender.pipelined for sender in senders])
        assert full.rate is not None
        for sender in senders:  # each person has the same number now, and it is known
            await sender.pipelined()
        times: list[float] = []
        waiting = [await Waiting.connect(bench, number, times) for number in range(PEOPLE)]
        counts = [await _count(bench, number) for number in range(PEOPLE)]
        each = int(full.rate / 2 * SECONDS / PEOPLE)
        interval = PEOPLE / (full.rate / 2)
        begun, cpu = time.perf_counter(), bench.cpu()
        await asyncio.gather(
            *(
                _exchange(sender, person, count, each, interval, begun + number * interval / PEOPLE)
                for number, (sender, person, count) in enumerate(zip(senders, waiting, counts, strict=True))
            )
        )
        elapsed, used = time.perf_counter() - begun, bench.cpu() - cpu
    name = f"delivery to EXISTS in IDLE, half of {full.rate:.0f}/s"
    return [
        Row(
            name,
            "message",
            used * 1000 / len(times),
            len(times) / elapsed,
            percentile(times, 50),
            percentile(times, 99),
        )
    ]


async def _count(bench: BenchServer, number: int) -> int:
    reader, writer = await asyncio.open_connection(HOST, bench.port(143))
    client = Client(reader, writer)
    await client.reader.readline()
    await client.login(number)
    writer.write(b"s STATUS INBOX (MESSAGES)\r\n")
    found = re.search(rb"MESSAGES (\d+)", await reader.readline())
    assert found is not None
    writer.close()
    return int(found[1])


async def _exchange(
    sender: Sender, person: Waiting, count: int, messages: int, interval: float, begin: float
) -> None:
    """One sender and one listener; a message is due at each interval, whether the last has arrived or not."""
    person.begin(count)

    async def send() -> None:
        for number in range(messages):
            due = begin + number * interval
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            person.sent.append(time.perf_counter())
            await sender.pipelined()

    await asyncio.gather(send(), person.listen(count + messages))


if __name__ == "__main__":
    main(measure)
