# SPDX-License-Identifier: Apache-2.0
"""XMPP: 1:1 messages with archive, carbons and stream management; a room of 200; idle sessions; log-in.

The clients are bare sockets with a counter, so that one core of driver can load one core of server.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import ssl
import time
from collections.abc import Awaitable, Callable

from armgs_server.directory import Change, Directory
from armgs_server.storage import Store
from bench.common import (
    HOST,
    PASSWORD,
    BenchServer,
    Row,
    address,
    idle_memory,
    main,
    percentile,
    server,
    timed,
)

PEOPLE = 200
MESSAGES = 10000
IN_FLIGHT = 4
ROOM_MESSAGES = 100
IDLE = 400
UNIT = 10
SILENCE = 8.0
LOGINS = 400
ROOM = "bench@conference.digital.example"
SM = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
CARBONS = "<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
BODY = "Совещание переносится на 15:00, подтвердите, пожалуйста, получение."
_HEADER = (
    "<?xml version='1.0'?><stream:stream to='digital.example' version='1.0' xmlns='jabber:client'"
    " xmlns:stream='http://etherx.jabber.org/streams'>"
)
_STANZA = re.compile(rb"<(message|presence|iq|r)[ />]|<body>m(\d+) ")
_ids = itertools.count(1)


class Client(asyncio.Protocol):
    """One session; `arrivals` are futures by message number, shared by all clients of a run."""

    def __init__(self, arrivals: dict[int, asyncio.Future[None]]) -> None:
        self.arrivals = arrivals
        self.buffer = b""
        self.wanted = b""
        self.found: asyncio.Future[None] | None = None
        self.counts = False
        self.stanzas = 0
        self.heard: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, text: str) -> None:
        self.transport.write(text.encode())

    async def until(self, wanted: bytes) -> None:
        """Returns when these bytes have come."""
        if wanted not in self.buffer:
            self.wanted = wanted
            self.found = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(60):
                await self.found
        self.buffer = self.buffer[self.buffer.index(wanted) + len(wanted) :]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.counts:
            self._count()
        elif self.found is not None and self.wanted in self.buffer:
            self.found.set_result(None)
            self.found = None

    def hear(self) -> asyncio.Future[None]:
        """Done with the next message that comes."""
        self.heard = asyncio.get_running_loop().create_future()
        return self.heard

    def _count(self) -> None:
        end = self.buffer.rfind(b">") + 1
        for match in _STANZA.finditer(self.buffer, 0, end):
            if match[2] is not None:
                if self.heard is not None and not self.heard.done():
                    self.heard.set_result(None)
                arrival = self.arrivals.get(int(match[2]))
                if arrival is not None and not arrival.done():
                    arrival.set_result(None)
            elif match[1] == b"r":
                self.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.stanzas}'/>")
            else:
                self.stanzas += 1
        self.buffer = self.buffer[end:]


async def log_in(
    bench: BenchServer,
    number: int,
    arrivals: dict[int, asyncio.Future[None]] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    full: bool = True,
) -> Client:
    """A bound, available session; `full` with stream management and carbons."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: Client({} if arrivals is None else arrivals),
        HOST,
        bench.port(5223 if tls is not None else 5222),
        ssl=tls,
        server_hostname="localhost" if tls is not None else None,
    )
    client.send(_HEADER)
    await client.until(b"</stream:features>")
    initial = base64.b64encode(f"\0{address(number)}\0{PASSWORD}".encode()).decode()
    client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{initial}</auth>")
    await client.until(b"<success")
    await client.until(b">")
    client.send(_HEADER)
    await client.until(b"</stream:features>")
    client.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    await client.until(b"</iq>")
    client.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
    await client.until(b"id='roster'")
    if full:
        client.send(SM + CARBONS)
        await client.until(b"<enabled")
        await client.until(b"/>")
    client.counts = True
    client.send("<presence/>")
    return client


async def quiet(bench: BenchServer) -> None:
    """Returns when the server has nothing left to do."""
    while True:
        before = bench.cpu()
        await asyncio.sleep(0.5)
        if bench.cpu() - before < 0.02:
            return


async def messages(bench: BenchServer) -> Row:
    """Everybody writes to a neighbour, a few messages in flight each."""
    arrivals: dict[int, asyncio.Future[None]] = {}
    clients = [await log_in(bench, number, arrivals) for number in range(PEOPLE)]
    await quiet(bench)
    loop = asyncio.get_running_loop()

    def worker(sender: Client, to: str) -> Callable[[], Awaitable[None]]:
        async def operation() -> None:
            number = next(_ids)
            arrivals[number] = loop.create_future()
            sender.send(
                f"<message to='{to}' type='chat' id='{number}'><body>m{number} {BODY}</body>"
                f"<origin-id xmlns='urn:xmpp:sid:0' id='{number}'/>"
                "<request xmlns='urn:xmpp:receipts'/></message>"
            )
            await arrivals[number]
            del arrivals[number]

        return operation

    workers = [
        worker(client, address((number + 1) % PEOPLE))
        for number, client in enumerate(clients)
        for _ in range(IN_FLIGHT)
    ]
    row = await timed(bench, "1:1 message, archive + carbons + SM", "message", MESSAGES, workers)
    for client in clients:
        client.transport.close()
    return row


async def room(bench: BenchServer) -> Row:
    """One talks, all hear."""
    clients = [await log_in(bench, number) for number in range(PEOPLE)]
    for number, client in enumerate(clients):
        client.send(f"<presence to='{ROOM}/n{number}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        if number == 0:  # a new room is locked until its owner accepts what it is
            await asyncio.sleep(0.5)
            form = "<x xmlns='jabber:x:data' type='submit'/>"
            client.send(
                f"<iq type='set' id='unlock' to='{ROOM}'>"
                f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query></iq>"
            )
            await asyncio.sleep(0.5)
    await quiet(bench)
    times = []
    cpu, started = bench.cpu(), time.perf_counter()
    for number in range(ROOM_MESSAGES):
        sent = time.perf_counter()
        heard = [client.hear() for client in clients]
        clients[number % PEOPLE].send(
            f"<message to='{ROOM}' type='groupchat' id='g{number}'><body>m0 {BODY}</body></message>"
        )
        async with asyncio.timeout(60):
            await asyncio.gather(*heard)
        times.append(time.perf_counter() - sent)
    elapsed, used = time.perf_counter() - started, bench.cpu() - cpu
    deliveries = ROOM_MESSAGES * PEOPLE
    for client in clients:
        client.transport.close()
    return Row(
        f"room of {PEOPLE}, archive + SM",
        "delivery",
        cpu_ms=used * 1000 / deliveries,
        rate=deliveries / elapsed,
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        memory=bench.memory(),
    )


async def logins(bench: BenchServer) -> Row:
    """Connect, authenticate, bind, roster, presence, stream management, carbons."""
    numbers = itertools.cycle(range(PEOPLE))

    async def operation() -> None:
        client = await log_in(bench, next(numbers))
        client.send("</stream:stream>")
        client.transport.close()

    return await timed(bench, "log-in, PLAIN, full profile", "log-in", LOGINS, [operation] * 10)


async def in_units(store: Store, directory: Directory) -> None:
    """Ten colleagues to a unit, as in real life: each sees nine, not everybody."""
    first = await directory.by_address(address(0))
    assert first is not None
    unit = 0
    number = 0
    while (person := await directory.by_address(address(number))) is not None:
        if number % UNIT == 0:
            unit = (await directory.create_unit(first.department, f"Unit {number // UNIT}")).id
        await directory.update(person.id, Change(unit=unit))
        number += 1


async def idle(bench: BenchServer, name: str, tls: ssl.SSLContext | None) -> Row:
    """Sessions of as many people, each available, with roster, carbons and stream management."""
    clients: list[Client] = []

    async def connect(number: int) -> Client:
        client = await log_in(bench, number, tls=tls)
        clients.append(client)
        if number == IDLE:  # the last one: now they fall silent, and the server lets go of their parsers
            await asyncio.sleep(SILENCE)
        return client

    row = await idle_memory(bench, name, IDLE, connect)
    for client in clients:
        client.transport.close()
    return row


async def measure() -> list[Row]:
    """All figures."""
    rows = []
    async with server(PEOPLE, prepare=in_units) as bench:
        rows.append(await messages(bench))
    async with server(PEOPLE, prepare=in_units) as bench:
        rows.append(await logins(bench))
    async with server(PEOPLE, prepare=in_units) as bench:
        rows.append(await room(bench))
    async with server(IDLE + 1, prepare=in_units) as bench:
        rows.append(await idle(bench, "idle session, full profile", None))
    async with server(IDLE + 1, prepare=in_units) as bench:
        tls = bench.client_context()
        rows.append(await idle(bench, "idle session, full profile, TLS", tls))
    return rows


if __name__ == "__main__":
    main(measure)
