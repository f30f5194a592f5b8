# SPDX-License-Identifier: Apache-2.0
"""Two workers against one: chat with archive, mail by SMTP, the month of a calendar of 2,000 events.

The generator of the load is one process that does next to nothing for an operation (ready bytes, one system
call each way; its own CPU has a column), but it does share the machine: on two cores two workers never have
both. So beside the rate there is the CPU for one operation, which tells what the workers cost each other
whatever else runs; with cores to spare the throughput of two is twice that of one times cost of one / cost of
two. Sessions of chat lie on whichever worker took the connection: with two, half of the messages cross from
one to the other.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

from armgs_server.directory import Directory
from armgs_server.formats import icalendar
from armgs_server.storage import Store, calindex, collections, items
from armgs_server.storage.tx import Tx
from bench import chat, chat_load, dav_calendar, smtp
from bench.common import HOST, PASSWORD, BenchServer, Row, address, main, percentile, server

PEOPLE = 100
EVENTS = 2000
CONNECTIONS = 32
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
WARMING = 1.0
ROUNDS = 3
CALENDAR = f"/dav/calendars/{address(0)}/default/"

Record = Callable[[float], None]  # is given the seconds of each operation

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


async def make_calendar(store: Store, directory: Directory) -> None:
    """EVENTS in the default calendar of user 0."""
    person = await directory.by_address(address(0))
    assert person is not None

    async def work(tx: Tx) -> None:
        calendar = await collections.by_role(tx, person.id, "calendar", "default")
        assert calendar is not None
        for number in range(EVENTS):
            data = dav_calendar.event(number)
            item = await items.add(tx, calendar, store.blobs.small(data), name=f"{number}.ics")
            await calindex.put(tx, item, calindex.entry(icalendar.check(data)))

    await store.write(work)


class Delivery(asyncio.Protocol):
    """One SMTP connection that delivers message after message, pipelined."""

    def __init__(self, worker: int, done: Callable[[], None]) -> None:
        self._number = worker * 1_000_003
        self._done = done
        self._waits = 0  # replies still to come before the next step; 220 and the last line of EHLO first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._steps = self._run()
        self._waits = next(self._steps)

    def data_received(self, data: bytes) -> None:
        for line in data.split(b"\r\n"):
            if line[3:4] == b" ":
                assert line[:1] in b"23", line
                self._waits -= 1
        if self._waits == 0:
            self._waits = next(self._steps)

    def _run(self) -> Iterator[int]:
        yield 1
        self._transport.write(b"EHLO bench.example\r\n")
        yield 1
        while True:
            self._number += 1
            text = smtp.message(self._number)
            self._transport.write(
                b"MAIL FROM:<author@other.example>\r\nRCPT TO:<%s>\r\nBDAT %d LAST\r\n%s"
                % (address(self._number % PEOPLE).encode(), len(text), text)
            )
            yield 3
            self._done()


class Month(asyncio.Protocol):
    """One HTTP connection that asks for the month again and again."""

    def __init__(self, worker: int, done: Callable[[], None]) -> None:
        token = base64.b64encode(f"{address(0)}:{PASSWORD}".encode()).decode()
        body = dav_calendar.QUERY.encode()
        self._request = (
            f"REPORT {CALENDAR} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {token}\r\nDepth: 1\r\n"
            f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self._done = done
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        if not self._is_whole(data):
            return
        assert self._parts[0].startswith(b"HTTP/1.1 207"), self._parts[0][:200]
        self._parts.clear()
        self._done()
        self._transport.write(self._request)

    def _is_whole(self, data: bytes) -> bool:
        head = self._parts[0]
        if found := _LENGTH.search(head, 0, 2000):
            return sum(map(len, self._parts)) >= head.index(b"\r\n\r\n") + 4 + int(found[1])
        return data.endswith(b"0\r\n\r\n")


async def start_connections(
    protocol: Callable[[int, Callable[[], None]], asyncio.Protocol], port: int, record: Record
) -> None:
    """CONNECTIONS of the protocol, each of which begins the next operation when one is done."""
    loop = asyncio.get_running_loop()
    begun = [time.perf_counter()] * CONNECTIONS

    def done(worker: int) -> None:
        now = time.perf_counter()
        record(now - begun[worker])
        begun[worker] = now

    for worker in range(CONNECTIONS):
        await loop.create_connection(partial(protocol, worker, partial(done, worker)), HOST, port)


async def start_chat(port: int, record: Record) -> None:
    """Everybody writes to a neighbour, four messages of each on their way."""
    sessions = await chat.log_in([f"user{number}" for number in range(PEOPLE)], port)
    ring = chat_load.Ring(sessions, record)
    task = asyncio.get_running_loop().create_task(ring.run(sys.maxsize))
    _running.add(task)


_running: set[asyncio.Task[None]] = set()  # what goes on until the process ends
LOADS: dict[str, tuple[Callable[[int, Record], Awaitable[None]], int]] = {
    "chat": (start_chat, 5222),
    "delivery": (partial(start_connections, Delivery), 25),
    "month": (partial(start_connections, Month), 80),
}


async def generate(load: str, port: int, seconds: float) -> None:
    """Runs the load in this process and prints operations, seconds, p50, p99 and its own seconds of CPU."""
    start, _ = LOADS[load]
    counted: list[float] = []
    await start(port, counted.append)
    await asyncio.sleep(WARMING)
    print("ready", flush=True)
    begun, used, before = time.perf_counter(), time.process_time(), len(counted)
    await asyncio.sleep(seconds)
    elapsed, own, times = time.perf_counter() - begun, time.process_time() - used, counted[before:]
    print(len(times), elapsed, percentile(times, 50), percentile(times, 99), own, flush=True)
    os._exit(0)  # in the middle of operations, whose ends nobody waits for


async def run(bench: BenchServer, load: str, seconds: float) -> Row:
    """One round against a running server."""
    _, port = LOADS[load]
    command = [sys.executable, "-m", "bench.workers", "generate", load, str(bench.port(port)), str(seconds)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parent.parent
    )
    assert process.stdout is not None
    await process.stdout.readline()
    cpu, store = bench.cpu(), bench.store()
    count, elapsed, p50, p99, own = map(float, (await process.stdout.readline()).split())
    used, stored = bench.cpu() - cpu, bench.store() - store
    await process.wait()
    per = 1000 / count
    return Row(
        load,
        "operation",
        used * per,
        count / elapsed,
        p50,
        p99,
        bench.memory(),
        store_ms=stored * per or None,
        load_ms=own * per,
    )


def median(rows: list[Row]) -> Row:
    """The medians of CPU, rate and times over the rounds; memory of the last."""

    def middle(values: Iterable[float | None]) -> float:
        return statistics.median(value or 0.0 for value in values)

    return replace(
        rows[-1],
        cpu_ms=middle(row.cpu_ms for row in rows),
        rate=middle(row.rate for row in rows),
        p50=middle(row.p50 for row in rows),
        p99=middle(row.p99 for row in rows),
        load_ms=middle(row.load_ms for row in rows) or None,
    )


async def measure() -> list[Row]:
    """For each load: the row of one worker, of two, and two divided by one (rate, and CPU for one)."""
    found: dict[tuple[str, int], list[Row]] = {}
    for _ in range(ROUNDS):  # one and two in turns: whatever else runs here disturbs both
        for workers in (1, 2):
            settings = {"server": {"workers": workers}}
            async with server(PEOPLE, settings=settings, prepare=make_calendar) as bench:
                for load in LOADS:
                    found.setdefault((load, workers), []).append(await run(bench, load, SECONDS))
    rows = []
    for load in LOADS:
        one, two = median(found[load, 1]), median(found[load, 2])
        rows += [replace(one, name=f"{load}: 1 worker"), replace(two, name=f"{load}: 2 workers")]
        assert one.rate and two.rate and one.cpu_ms and two.cpu_ms
        rows.append(Row(f"{load}: 2 workers / 1", "times", two.cpu_ms / one.cpu_ms, two.rate / one.rate))
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["generate"]:
        uvloop.run(generate(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
    else:
        main(measure)
