# SPDX-License-Identifier: Apache-2.0
"""The same operations with 1,000, 10,000 and 100,000 accounts in the store: what more accounts cost.

The people who are busy are two hundred, four of each of fifty units, spread over all departments; everybody
else is only there. A round before the measured one fills the caches of a process that has just been started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import cycle

from armgs_server.directory import Directory
from armgs_server.storage import Store
from bench import chat, chat_load, dav_calendar, population, smtp, workers
from bench.common import DOMAIN, PASSWORD, BenchServer, Row, address, main, server, timed

SIZES = tuple(map(int, os.environ.get("BENCH_ACCOUNTS", "1000,10000,100000").split(",")))
UNITS = 50
OF_EACH = 4
ROUNDS = 3
LOGINS = 400
DELIVERIES = 1500
PRESENCES = 20  # of each of a unit
PUTS = 300
MONTHS = 100


def busy(accounts: int) -> list[str]:
    """Four people of each of fifty units, evenly over all."""
    units = accounts // population.UNIT
    firsts = (place * units // UNITS * population.UNIT for place in range(UNITS))
    return [population.address_of(first + number) for first in firsts for number in range(1, 1 + OF_EACH)]


async def prepare(store: Store, directory: Directory, *, accounts: int) -> None:
    """The accounts, and a calendar of 2,000 events."""
    await population.make(accounts, store, directory)
    await workers.make_calendar(store, directory)


async def measure_one(bench: BenchServer, accounts: int, turn: int) -> list[Row]:
    """The rows with so many accounts."""
    return [
        await logins(bench, busy(accounts)),
        await delivery(bench, busy(accounts)),
        await presence(bench),
        await calendar(bench, "PUT of an event", 1, PUTS, lambda load: load.put, turn * 10 * PUTS),
        await calendar(bench, "month query", 0, MONTHS, lambda load: load.month),
    ]


async def logins(bench: BenchServer, users: list[str]) -> Row:
    """Connect, SCRAM, bind, roster, presence, stream management, carbons."""
    turns = cycle(users)

    async def operation() -> None:
        session = await chat.connect(chat.Session(*next(turns).split("@")), bench.port(5222))
        session.end()

    await timed(bench, "", "log-in", len(users), [operation] * 10)
    return await timed(bench, "log-in", "log-in", LOGINS, [operation] * 10)


async def delivery(bench: BenchServer, users: list[str]) -> Row:
    """5 KB by SMTP to one of the busy people."""
    senders = [
        (await smtp.Sender.connect(bench, number)).to(lambda number: users[number % len(users)])
        for number in range(20)
    ]
    operations: list[Callable[[], Awaitable[None]]] = [sender.pipelined for sender in senders]
    await timed(bench, "", "message", len(users), operations)
    return await timed(bench, "delivery", "message", DELIVERIES, operations)


async def presence(bench: BenchServer) -> Row:
    """Each of a unit says again and again how it is, and each hears it of each."""
    users = [f"user{number}" for number in range(population.UNIT, 2 * population.UNIT)]
    sessions = await chat.log_in(users, bench.port(5222), domain=DOMAIN)
    await asyncio.sleep(1.0)
    audience, turns = chat_load.Audience(sessions, b"<status>"), cycle(sessions)
    presence = b"<presence><status>in a meeting</status></presence>"

    async def operation() -> None:
        await audience.hear(lambda: next(turns).transport.write(presence))

    row = await timed(bench, "presence to a unit", "presence", PRESENCES * len(users), [operation])
    for session in sessions:
        session.end()
    return row


async def calendar(
    bench: BenchServer,
    name: str,
    user: int,
    count: int,
    choose: Callable[[dav_calendar.Load], Callable[[], Awaitable[None]]],
    first: int = 0,
) -> Row:
    """An operation on the default calendar of one person."""
    client = dav_calendar.Client(bench.port(80), address(user), PASSWORD)
    load = dav_calendar.Load(client, f"/dav/calendars/{address(user)}/default/", workers.EVENTS)
    load.number = first
    operation = choose(load)
    await timed(bench, "", "request", 20, [operation])
    return await timed(bench, name, "request", count, [operation])


async def measure() -> list[Row]:
    """The rows of each size, medians of all rounds, with the ratio of its CPU to that of the smallest."""
    found: dict[tuple[str, int], list[Row]] = {}
    async with AsyncExitStack() as stack:
        servers = {
            accounts: await stack.enter_async_context(server(0, prepare=partial(prepare, accounts=accounts)))
            for accounts in SIZES
        }
        for turn in range(ROUNDS):  # all sizes in turns: whatever else runs here disturbs them alike
            for accounts, bench in servers.items():
                for row in await measure_one(bench, accounts, turn):
                    found.setdefault((row.name, accounts), []).append(row)
    rows: list[Row] = []
    for (name, accounts), some in found.items():
        row, smallest = workers.median(some), workers.median(found[name, SIZES[0]])
        assert row.cpu_ms and smallest.cpu_ms
        times = f" ({row.cpu_ms / smallest.cpu_ms:.2f} times)" if accounts != SIZES[0] else ""
        rows.append(replace(row, name=f"{name}, {accounts} accounts{times}"))
    return rows


if __name__ == "__main__":
    main(measure)
