# SPDX-License-Identifier: Apache-2.0
"""The same operations with 1,000, 10,000 and 100,000 accounts in the store: what more accounts cost.

The people who are busy are two hundred, four of each of fifty units, spread over all departments; everybody
else is only there. A round before the measured one fills the caches of a process that has just been started.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
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
LOGINS = 800
DELIVERIES = 3000
PRESENCES = 40  # of each of a unit
PUTS = 600
MONTHS = 150


def busy(accounts: int) -> list[str]:
    """Four people of each of fifty units, evenly over all."""
    units = accounts // population.UNIT
    firsts = (place * units // UNITS * population.UNIT for place in range(UNITS))
    return [population.address_of(first + number) for first in firsts for number in range(1, 1 + OF_EACH)]


async def prepare(store: Store, directory: Directory, *, accounts: int) -> None:
    """The accounts, and a calendar of 2,000 events."""
    await population.make(accounts, store, directory)
    await workers.make_calendar(store, directory)


async def measure_one(accounts: int) -> list[Row]:
    """The rows with so many accounts."""
    async with server(0, prepare=partial(prepare, accounts=accounts)) as bench:
        return [
            await logins(bench, busy(accounts)),
            await delivery(bench, busy(accounts)),
            await presence(bench),
            await calendar(bench, "PUT of an event", 1, PUTS, lambda load: load.put),
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
) -> Row:
    """An operation on the default calendar of one person."""
    client = dav_calendar.Client(bench.port(80), address(user), PASSWORD)
    load = dav_calendar.Load(client, f"/dav/calendars/{address(user)}/default/", workers.EVENTS)
    operation = choose(load)
    await timed(bench, "", "request", 20, [operation])
    return await timed(bench, name, "request", count, [operation])


async def measure() -> list[Row]:
    """The rows of each size, with the ratio of its CPU to that of the smallest."""
    rows: list[Row] = []
    smallest: dict[str, float] = {}
    for accounts in SIZES:
        for row in await measure_one(accounts):
            assert row.cpu_ms is not None
            ratio = row.cpu_ms / smallest.setdefault(row.name, row.cpu_ms)
            times = f" ({ratio:.2f} times)" if accounts != SIZES[0] else ""
            rows.append(replace(row, name=f"{row.name}, {accounts} accounts{times}"))
    return rows


if __name__ == "__main__":
    main(measure)
