# SPDX-License-Identifier: Apache-2.0
"""Chat of ours beside prosody and ejabberd, each with the same features, clients and operations.

SCRAM-SHA-1 everywhere (PLAIN against hashed passwords would measure PBKDF2). "Log-in" is connecting, SCRAM,
binding, roster, presence, stream management and carbons.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import cycle

import uvloop

from bench import chat, chat_load, chat_peers, engines, population
from bench.chat_peers import Target
from bench.common import DOMAIN, Row, driving, parse_arguments, percentile, server, share
from bench.idle import FILES, allow_files
from bench.peers import Missing, tree
from bench.report import print_rows

PEOPLE = 2000
ROOM = f"bench@conference.{DOMAIN}"
TALKERS = 200
WARMING = 400
MESSAGES = 6000
LOGINS = 300
IDLE = 1000
SILENCE = 12.0
PAGES = 300
ROOM_MESSAGES = 30
_PAGE = (
    b"<iq type='set' id='m'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'>"
    b"<max>50</max><before/></set></query></iq>"
)
_JOIN = (
    "<presence to='{room}/n{number}'><x xmlns='http://jabber.org/protocol/muc'>"
    "<history maxstanzas='0'/></x></presence>"
)
_UNLOCK = (
    f"<iq type='set' id='unlock' to='{ROOM}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
    "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
).encode()
USERS = [f"user{number}" for number in range(PEOPLE)]


@asynccontextmanager
async def ours(people: int) -> AsyncIterator[Target]:
    """Our daemon with one worker. Nobody has contacts, as on the peers, which know no units."""
    settings = {"server": {"workers": 1}}
    async with server(0, settings=settings, prepare=partial(population.make_strangers, people)) as bench:
        directory = bench.directory / "tls"
        yield Target("armgs", bench.port(5222), bench.port(5223), directory, lambda: tree(bench.pid))


async def counted(
    target: Target, name: str, unit: str, count: int, operations: Sequence[Callable[[], Awaitable[None]]]
) -> Row:
    """Runs `count` operations shared by the workers, with the CPU of server and clients for one."""
    cpu, own, begun = target.cpu(), time.process_time(), time.perf_counter()
    times = await share(count, operations)
    elapsed = time.perf_counter() - begun
    per = 1000 / count
    return Row(
        f"{target.name}: {name}",
        unit,
        cpu_ms=(target.cpu() - cpu) * per,
        rate=count / elapsed,
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        load_ms=(time.process_time() - own) * per,
    )


async def logins(target: Target, name: str, tls: ssl.SSLContext | None) -> Row:
    """Ten at the same time, people in turns."""
    turns = cycle(USERS[:TALKERS])
    port = target.port if tls is None else target.tls_port

    async def operation() -> None:
        session = await chat.connect(chat.Session(next(turns)), port, tls=tls)
        session.end()

    await counted(target, "", "log-in", TALKERS, [operation] * 10)  # what is done once
    return await counted(target, name, "log-in", LOGINS, [operation] * 10)


async def idle(target: Target, name: str, port: int, tls: ssl.SSLContext | None) -> Row:
    """Memory of each session when all have been silent for a while, in a server that had none before.

    After others they would live in what those have left behind, and seem to take less.
    """
    kept = await chat.log_in(USERS[-10:], port, tls=tls)  # what the first bring into memory is not theirs
    await asyncio.sleep(SILENCE)
    before = target.memory()
    kept += await chat.log_in(USERS[:IDLE], port, tls=tls)
    await asyncio.sleep(SILENCE)
    memory = (target.memory() - before) / IDLE
    await leave(kept)
    return Row(f"{target.name}: {name}", "session", memory=memory)


async def messages(target: Target) -> Row:
    """Everybody writes to a neighbour, four messages of each on their way."""
    sessions = await chat.log_in(USERS[:TALKERS], target.port)
    times: list[float] = []
    ring = chat_load.Ring(sessions, times.append)
    await ring.run(WARMING)
    await settled(target)
    times.clear()
    cpu, own, begun = target.cpu(), time.process_time(), time.perf_counter()
    await ring.run(MESSAGES)
    elapsed = time.perf_counter() - begun
    await settled(target)  # what was put off belongs to it too
    per = 1000 / MESSAGES
    row = Row(
        f"{target.name}: message 1:1, archived",
        "message",
        cpu_ms=(target.cpu() - cpu) * per,
        rate=MESSAGES / elapsed,
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        load_ms=(time.process_time() - own) * per,
    )
    await leave(sessions)
    return row


async def archive(target: Target) -> Row:
    """The last page of 50 of one's own archive, ten people at the same time."""
    sessions = await chat.log_in(USERS[:10], target.port, full=False)

    def reader(session: chat.Session) -> Callable[[], Awaitable[None]]:
        async def operation() -> None:
            done = asyncio.get_running_loop().create_future()
            session.finished = lambda: done.set_result(None)
            session.transport.write(_PAGE)
            async with asyncio.timeout(60):
                await done

        return operation

    row = await counted(target, "archive page of 50", "page", PAGES, list(map(reader, sessions)))
    await leave(sessions)
    return row


async def room(target: Target) -> Row:
    """One talks, all hear."""
    sessions = await chat.log_in(USERS[:TALKERS], target.port)
    for number, session in enumerate(sessions):
        session.transport.write(_JOIN.format(room=ROOM, number=number).encode())
        if number == 0:  # a new room is locked until its owner accepts what it is
            await asyncio.sleep(1.0)
            session.transport.write(_UNLOCK)
            await asyncio.sleep(1.0)
        elif number % 20 == 0:
            await settled(target)
    await settled(target)
    audience = chat_load.Audience(sessions)
    turns = cycle(sessions)
    said = f"<message to='{ROOM}' type='groupchat' id='g'><body>{chat_load.BODY}</body></message>".encode()

    async def operation() -> None:
        await audience.hear(lambda: next(turns).transport.write(said))

    await operation()
    row = await counted(target, f"room of {TALKERS}", "message", ROOM_MESSAGES, [operation])
    await leave(sessions)
    assert row.cpu_ms is not None and row.rate is not None and row.load_ms is not None
    return Row(
        row.name,
        "delivery",
        cpu_ms=row.cpu_ms / TALKERS,
        rate=row.rate * TALKERS,
        p50=row.p50,
        p99=row.p99,
        load_ms=row.load_ms / TALKERS,
    )


async def storm(target: Target) -> Row:
    """All people at the same moment; who is refused is counted, and not tried again."""
    await leave(await chat.log_in(USERS, target.port))
    await settled(target)
    sessions = [chat.Session(user) for user in USERS]
    times: list[float] = []
    begun = time.perf_counter()

    async def come(session: chat.Session) -> None:
        await chat.connect(session, target.port)
        times.append(time.perf_counter() - begun)

    cpu, own = target.cpu(), time.process_time()
    found = await asyncio.gather(*map(come, sessions), return_exceptions=True)
    elapsed = time.perf_counter() - begun
    refused = sum(isinstance(each, BaseException) for each in found)
    per = 1000 / PEOPLE
    row = Row(
        f"{target.name}: {PEOPLE} at once, {refused} refused",
        "log-in",
        cpu_ms=(target.cpu() - cpu) * per,
        rate=len(times) / elapsed,
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        load_ms=(time.process_time() - own) * per,
    )
    await leave([session for session in sessions if not session.is_lost])
    return row


async def leave(sessions: Sequence[chat.Session]) -> None:
    """Everybody says goodbye."""
    for session in sessions:
        session.end()
    await asyncio.sleep(1.0)


async def settled(target: Target) -> None:
    """Returns when the server has nothing left to do."""
    while True:
        before = target.cpu()
        await asyncio.sleep(0.5)
        if target.cpu() - before < 0.02:
            return


async def rows_of(server: Callable[[int], AbstractAsyncContextManager[Target]]) -> list[Row]:
    """All rows of one server, started anew for the memory of idle sessions in clear text and under TLS."""
    rows = []
    async with server(PEOPLE) as target:
        rows.append(await idle(target, "idle session", target.port, None))
    async with server(PEOPLE) as target:
        tls = ssl.create_default_context(cafile=str(target.certificates / "ca.crt"))
        rows.append(await idle(target, "idle session, TLS", target.tls_port, tls))
    async with server(PEOPLE) as target:
        tls = ssl.create_default_context(cafile=str(target.certificates / "ca.crt"))
        for row in (
            logins(target, "log-in", None),
            logins(target, "log-in, TLS", tls),
            messages(target),
            archive(target),
            room(target),
            storm(target),
        ):
            rows.append(await row)
            print(f"  {rows[-1]}", file=sys.stderr, flush=True)
        return rows


async def measure() -> list[Row]:
    """Ours, then each peer that can be had."""
    allow_files(2 * PEOPLE + FILES)
    rows = await rows_of(ours)
    if not engines.beside_peers():
        return rows
    for peer in (chat_peers.prosody, chat_peers.ejabberd):
        try:
            rows += await rows_of(peer)
        except Missing as error:
            print(error, file=sys.stderr)
            rows.append(Row(f"{peer.__name__}: not installed", "-"))
    return rows


if __name__ == "__main__":
    arguments = parse_arguments()
    with driving(arguments.store):
        found = uvloop.run(measure())
    print_rows(found, as_json=arguments.json)
