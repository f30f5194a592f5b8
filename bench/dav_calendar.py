# SPDX-License-Identifier: Apache-2.0
"""CalDAV in a calendar of 5,000 events, CardDAV in a book of 5,000 cards; Radicale beside it with 500 events.

The events are of about 575 bytes over two years, one in twenty-five recurs. One connection at a time asks,
with Basic authentication on each request, so a row's CPU is that of one operation.
"""

import asyncio
import base64
import os
import random
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from bench import dav_peers, engines
from bench.common import HOST, PASSWORD, BenchServer, Measured, Row, address, main, server, timed
from bench.peers import Missing

EVENTS = 5000
RADICALE_EVENTS = 500
CARDS = 5000
BEGIN = datetime(2025, 11, 1)
MONTH = ("20261201T000000Z", "20270101T000000Z")
DECLARED = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CR="urn:ietf:params:xml:ns:carddav"'
QUERY = (
    f"<C:calendar-query {DECLARED}><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter>"
    '<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">'
    f'<C:time-range start="{MONTH[0]}" end="{MONTH[1]}"/></C:comp-filter></C:comp-filter></C:filter>'
    "</C:calendar-query>"
)
FREE_BUSY = (
    f'<C:free-busy-query {DECLARED}><C:time-range start="{MONTH[0]}" end="{MONTH[1]}"/></C:free-busy-query>'
)
SEARCH = (
    f"<CR:addressbook-query {DECLARED}><D:prop><D:getetag/><CR:address-data/></D:prop>"
    '<CR:filter test="anyof"><CR:prop-filter name="FN">'
    '<CR:text-match match-type="contains">Surname77x</CR:text-match></CR:prop-filter>'
    '<CR:prop-filter name="EMAIL">'
    '<CR:text-match match-type="contains">surname77@</CR:text-match></CR:prop-filter>'
    "</CR:filter></CR:addressbook-query>"
)
ETAGS = '<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>'
POLL = (
    '<D:propfind xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><D:prop><CS:getctag/><D:sync-token/>'
    "</D:prop></D:propfind>"
)


def event(number: int) -> bytes:
    rng = random.Random(number)
    start = BEGIN + timedelta(
        days=rng.randrange(730), hours=rng.randrange(8, 18), minutes=15 * rng.randrange(4)
    )
    end = start + timedelta(minutes=rng.choice((30, 60, 90)))
    rule = f"RRULE:FREQ=WEEKLY;BYDAY={start:%a}"[:-1].upper() + "\r\n" if number % 25 == 0 else ""
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN\r\n"
        f"BEGIN:VEVENT\r\nCREATED:20251101T080000Z\r\nLAST-MODIFIED:20251101T080000Z\r\n"
        f"DTSTAMP:20251101T080000Z\r\nUID:{number:08}-7a9b-4d0e-9d2e-000000000001\r\n"
        f"SUMMARY:Planning with the whole team, part {number}\r\n"
        f"DTSTART;TZID=Europe/Moscow:{start:%Y%m%dT%H%M%S}\r\nDTEND;TZID=Europe/Moscow:{end:%Y%m%dT%H%M%S}\r\n"
        f"{rule}LOCATION:Room {number % 30}\r\n"
        "DESCRIPTION:Something longer that most clients fold at seventy-five octets\r\n"
        "  as the standard says\r\n"
        "STATUS:CONFIRMED\r\nTRANSP:OPAQUE\r\nSEQUENCE:1\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\n"
        "TRIGGER:-PT15M\r\nDESCRIPTION:Reminder\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


def card(number: int) -> bytes:
    return (
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:card-{number:08}\r\n"
        f"FN:Given{number % 97} Surname{number % 500}x\r\nN:Surname{number % 500};Given{number % 97};;;\r\n"
        f"EMAIL;TYPE=INTERNET:given{number}.surname{number % 500}@digital.example\r\n"
        f"TEL;TYPE=CELL:+7 912 {number:07}\r\nORG:Digital;Unit {number % 20}\r\nEND:VCARD\r\n"
    ).encode()


class Client:
    """A keep-alive connection, opened anew where the server closes it."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self.port = port
        self.authorization = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: bytes | str = b"", expect: int = 207, depth: str = "0"
    ) -> bytes:
        data = body.encode() if isinstance(body, str) else body
        kind = (
            "text/vcard"
            if path.endswith(".vcf")
            else "text/calendar"
            if method == "PUT"
            else "application/xml"
        )
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Basic {self.authorization}\r\n"
            f"Depth: {depth}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {len(data)}\r\n\r\n"
        ).encode()
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self.port, limit=1 << 20)
        reader, writer = self._streams
        writer.write(head + data)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(answer.split(" ", 2)[1])
        fields = dict(line.split(": ", 1) for line in answer.split("\r\n")[1:] if line)
        content = b""
        if status not in (204, 304):
            content = await _body(reader, fields)
        if fields.get("connection") == "close" or answer.startswith("http/1.0"):
            writer.close()
            self._streams = None
        assert status in (expect, 201 if expect == 204 else expect), (method, path, status, content[:300])
        return content


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    if fields.get("transfer-encoding") != "chunked":
        return await reader.read()
    content = b""
    while size := int(await reader.readline(), 16):
        content += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return content


Operation = Callable[[], Awaitable[None]]


class Load:
    """The operations on one calendar."""

    def __init__(self, client: Client, calendar: str, events: int) -> None:
        self.client = client
        self.calendar = calendar
        self.events = events
        self.number = 0
        self.token = ""

    def name(self, number: int) -> str:
        return f"{self.calendar}{number:08}.ics"

    async def put(self) -> None:
        self.number += 1
        await self.client.request("PUT", self.name(self.number), event(self.number), 204)

    async def replace(self) -> None:
        number = random.randrange(self.events) + 1
        data = event(number).replace(b"SEQUENCE:1", b"SEQUENCE:%d" % random.randrange(2, 1000))
        await self.client.request("PUT", self.name(number), data, 204)

    async def get(self) -> None:
        await self.client.request("GET", self.name(random.randrange(self.events) + 1), expect=200)

    async def poll(self) -> None:
        await self.client.request("PROPFIND", self.calendar, POLL)

    async def sync(self) -> None:
        body = (
            f"<D:sync-collection {DECLARED}><D:sync-token>{self.token}</D:sync-token>"
            "<D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
        )
        answer = await self.client.request("REPORT", self.calendar, body)
        self.token = answer.rpartition(b"sync-token>")[0].rpartition(b"<")[0].rpartition(b">")[2].decode()

    async def sync_all(self) -> None:
        self.token = ""
        await self.sync()

    async def listing(self) -> None:
        answer = await self.client.request("PROPFIND", self.calendar, ETAGS, depth="1")
        assert answer.count(b".ics<") == self.events

    async def multiget(self) -> None:
        first = random.randrange(self.events - 100) + 1
        hrefs = "".join(f"<D:href>{self.name(first + number)}</D:href>" for number in range(100))
        asked = "<D:prop><D:getetag/><C:calendar-data/></D:prop>"
        body = f"<C:calendar-multiget {DECLARED}>{asked}{hrefs}</C:calendar-multiget>"
        answer = await self.client.request("REPORT", self.calendar, body, depth="1")
        assert answer.count(b"BEGIN:VCALENDAR") == 100

    async def month(self) -> None:
        answer = await self.client.request("REPORT", self.calendar, QUERY, depth="1")
        assert answer.count(b"BEGIN:VCALENDAR") > 10

    async def free_busy(self) -> None:
        await self.client.request("REPORT", self.calendar, FREE_BUSY, expect=200, depth="1")


async def calendar_rows(bench: Measured, load: Load, who: str, few: int, many: int) -> list[Row]:
    """The table of one server; `few` and `many` are how often slow and fast operations run."""
    rows = []
    for name, unit, count, operation in (
        (f"PUT, filling to {load.events}", "event", load.events, load.put),
        ("PUT over an event", "event", few, load.replace),
        ("GET", "event", many, load.get),
        ("poll: PROPFIND of ctag and sync-token", "request", many, load.poll),
        ("PROPFIND 1, entity tags of all", "request", max(3, few // 20), load.listing),
        ("sync-collection, all", "request", max(3, few // 20), load.sync_all),
        ("sync-collection, nothing new", "request", many, load.sync),
        ("calendar-multiget of 100", "request", few, load.multiget),
        ("calendar-query, one month", "request", few, load.month),
        ("free-busy-query, one month", "request", few, load.free_busy),
    ):
        rows.append(await timed(bench, f"{who}: {name}", unit, count, [operation]))
    return rows


async def card_rows(bench: Measured, client: Client, book: str, who: str, count: int) -> list[Row]:
    number = 0

    async def put() -> None:
        nonlocal number
        number += 1
        await client.request("PUT", f"{book}{number:08}.vcf", card(number), 204)

    async def search() -> None:
        answer = await client.request("REPORT", book, SEARCH, depth="1")
        assert answer.count(b"BEGIN:VCARD") == 10

    async def multiget() -> None:
        hrefs = "".join(f"<D:href>{book}{each + 1:08}.vcf</D:href>" for each in range(100))
        asked = "<D:prop><D:getetag/><CR:address-data/></D:prop>"
        body = f"<CR:addressbook-multiget {DECLARED}>{asked}{hrefs}</CR:addressbook-multiget>"
        await client.request("REPORT", book, body, depth="1")

    return [
        await timed(bench, f"{who}: PUT, filling to {CARDS}", "card", CARDS, [put]),
        await timed(bench, f"{who}: addressbook-query by name or mail", "request", count, [search]),
        await timed(bench, f"{who}: addressbook-multiget of 100", "request", count, [multiget]),
    ]


@asynccontextmanager
async def radicale() -> AsyncIterator[BenchServer]:
    """Radicale on its own server, its files in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="bench-radicale-") as name, socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [
            sys.executable,
            "-m",
            "radicale",
            "--config",
            os.devnull,
            "--server-hosts",
            f"{HOST}:{port}",
        ]
        command += ["--auth-type", "none", "--storage-filesystem-folder", name, "--logging-level", "error"]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            await _wait_for(port)
            yield BenchServer(Path(name), port - 80, process)
        finally:
            process.terminate()
            await process.wait()


async def _wait_for(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


async def measure() -> list[Row]:
    rows = []
    async with server() as bench:
        client = Client(bench.port(80), address(0), PASSWORD)
        await client.request("OPTIONS", "/dav/", expect=200)
        calendar = f"/dav/calendars/{address(0)}/default/"
        rows += await calendar_rows(bench, Load(client, calendar, EVENTS), "CalDAV", 200, 2000)
        rows += await card_rows(bench, client, f"/dav/addressbooks/{address(0)}/contacts/", "CardDAV", 200)
    if not engines.beside_peers():
        return rows
    async with radicale() as bench:
        client = Client(bench.port(80), "u", "p")
        await client.request("MKCALENDAR", "/u/c/", expect=201)
        rows += await calendar_rows(bench, Load(client, "/u/c/", RADICALE_EVENTS), "Radicale", 5, 10)
    try:
        async with dav_peers.cyrus() as peer:
            client = Client(peer.web, dav_peers.USER, PASSWORD)
            home = f"/dav/calendars/user/{dav_peers.USER}/"
            await client.request("MKCALENDAR", f"{home}bench/", expect=201)
            rows += await calendar_rows(peer, Load(client, f"{home}bench/", EVENTS), "Cyrus", 50, 200)
            book = f"/dav/addressbooks/user/{dav_peers.USER}/Default/"
            rows += await card_rows(peer, client, book, "Cyrus, CardDAV", 20)
    except Missing as error:
        print(f"without Cyrus: {error}", file=sys.stderr)
    return rows


if __name__ == "__main__":
    main(measure)
