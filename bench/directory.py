# SPDX-License-Identifier: Apache-2.0
"""A ministry of 100,000 people and 3,000 units: taking it in, finding people, moving a unit, the pages.

`BENCH_PEOPLE=10000` makes a smaller one. The import is `armgs sync` in a process of its own, whose CPU is
counted; everything else is asked of one daemon. LDAP is asked of OpenLDAP's slapd, too.
"""

from __future__ import annotations

import asyncio
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from armgs_server.cli.workplace import Workplace, load_config, opened
from armgs_server.storage import clock, web_sessions
from armgs_server.storage.tx import Tx
from armgs_server.storage.web_sessions import WebSession
from bench import chat, common, dav_calendar, directory_ldap, engines, peers
from bench.common import DOMAIN, HOST, PASSWORD, BenchServer, Row, address, main, timed
from bench.directory_people import COMMON, PEOPLE, UNITS, rare_families, write_tables

ASKER = UNITS + 5  # somebody who leads nothing
MOVED = 200
SEARCHES = 100
MOVES = 5
PROPERTY_SEARCH = (
    '<principal-property-search xmlns="DAV:"><property-search><prop><displayname/></prop><match>{}</match>'
    "</property-search><prop><displayname/></prop></principal-property-search>"
)
WORD_SEARCH = (
    '<C:calendarserver-principal-search xmlns:C="http://calendarserver.org/ns/" xmlns="DAV:">'
    "<C:search-token>{}</C:search-token><prop><displayname/></prop>"
    "<C:limit><C:nresults>20</C:nresults></C:limit></C:calendarserver-principal-search>"
)
BOOK_QUERY = (
    '<C:addressbook-query xmlns:C="urn:ietf:params:xml:ns:carddav" xmlns="DAV:"><prop><getetag/></prop>'
    '<C:filter><C:prop-filter name="{}"><C:text-match>{}</C:text-match></C:prop-filter></C:filter>'
    "<C:limit><C:nresults>20</C:nresults></C:limit></C:addressbook-query>"
)
CHAT_SEARCH = (
    "<iq type='set' id='s' to='search.{}'><query xmlns='jabber:iq:search'><nick>{}</nick>"
    "<set xmlns='http://jabber.org/protocol/rsm'><max>20</max></set></query></iq>"
)


async def take_in(folder: Path, tables: tuple[Path, Path], name: str) -> Row:
    """`armgs sync`, its CPU and memory; `rate` is by the clock."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = ("-m", "armgs_server", "sync", DOMAIN, "--units", str(tables[0]), "--people", str(tables[1]))
    process = await asyncio.create_subprocess_exec(sys.executable, *command, "--config", str(folder))
    if await process.wait():
        raise RuntimeError("armgs sync has refused something")
    elapsed, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Row(
        name, "person", cpu_ms=used * 1000 / PEOPLE, rate=PEOPLE / elapsed, memory=float(after.ru_maxrss)
    )


async def prepare(config_file: Path) -> str:
    """Lets the asker and some who are to be moved log in; the cookie of who is signed in on the pages."""
    token = secrets.token_urlsafe(32)
    async with opened(load_config(config_file), visiting=False) as workplace:
        for number in (ASKER, *range(UNITS + 10, UNITS + 14)):
            person = await workplace.principal(address(number), "person")
            await workplace.directory.set_password(person.id, PASSWORD)
        asker = await workplace.principal(address(ASKER), "person")
        now = clock.now()
        session = WebSession(
            asker.id, web_sessions.hash_of(token), "whole", now, now, now + clock.DAY, HOST, "bench"
        )

        async def work(tx: Tx) -> None:
            await web_sessions.add(tx, session, 10)

        await workplace.store.write(work)
    return f"armgs={asker.id:x}.{token}"


Operation = Callable[[], Awaitable[None]]


async def searching(
    bench: BenchServer, name: str, ask: Callable[[str], Awaitable[None]], rare: str
) -> list[Row]:
    """A part of a name that few have, and one that a third has."""
    numbers = iter(range(10**9))

    async def few() -> None:
        await ask(rare.format(next(numbers) * 7919 % PEOPLE))

    async def many() -> None:
        await ask(COMMON)

    rows = []
    for title, operation in (("a part that few have", few), ("20 of a third of all", many)):
        await timed(bench, "", "search", 5, [operation])
        rows.append(await timed(bench, f"{name}: {title}", "search", SEARCHES, [operation]))
    return rows


async def cards(bench: BenchServer) -> list[Row]:
    """CardDAV: principals, as calendars ask, and the department's book."""
    client = dav_calendar.Client(bench.port(80), address(ASKER), PASSWORD)
    book = f"/dav/addressbooks/{address(ASKER)}/directory/"

    async def by_word(text: str) -> None:
        answer = await client.request("REPORT", "/dav/principals/", WORD_SEARCH.format(text))
        assert b"displayname" in answer

    async def by_property(text: str) -> None:
        answer = await client.request("REPORT", "/dav/principals/", PROPERTY_SEARCH.format(text))
        assert b"displayname" in answer

    async def by_card(text: str) -> None:
        name = "EMAIL" if text.isascii() else "FN"
        assert b"getetag" in await client.request("REPORT", book, BOOK_QUERY.format(name, text), depth="1")

    rows = await searching(bench, "CardDAV principals by word", by_word, "user{}")
    numbers = iter(range(10**9))
    named = rare_families()

    async def one() -> None:
        await by_property(named[next(numbers) % len(named)])

    rows.append(await timed(bench, "CardDAV principals by property: few", "search", SEARCHES, [one]))
    return rows + await searching(bench, "CardDAV department's book", by_card, "user{}@")


async def chats(bench: BenchServer) -> list[Row]:
    """XEP-0055."""
    session = await chat.connect(chat.Session(f"user{ASKER}"), bench.port(5222))
    heard = asyncio.Event()
    session.mark, session.on_mark = b"</query>", lambda _: heard.set()

    async def ask(text: str) -> None:
        heard.clear()
        session.transport.write(CHAT_SEARCH.format(DOMAIN, text).encode())
        async with asyncio.timeout(30):
            await heard.wait()

    rows = await searching(bench, "XMPP search", ask, "user{}")
    session.end()
    return rows


async def pages(bench: BenchServer, cookie: str) -> list[Row]:
    """The pages of somebody who is signed in, and the start page of who is not; KB are those of the page."""
    rows = []
    reader, writer = await asyncio.open_connection(HOST, bench.port(80), limit=1 << 22)
    for name, path, shown in (
        ("start page", "/", ""),
        ("start page, signed in", "/", cookie),
        ("people by name", "/people?q=%D0%B8%D0%B2%D0%B0%D0%BD", cookie),
        ("people of a unit", "/people", cookie),
        ("rooms", "/rooms", cookie),
    ):
        size = 0

        async def get(path: str = path, shown: str = shown) -> None:
            nonlocal size
            field = f"Cookie: {shown}\r\n" if shown else ""
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            size = len(answer) + len(await reader.readexactly(length))

        await timed(bench, "", "page", 5, [get])
        row = await timed(bench, f"page: {name}", "page", SEARCHES, [get])
        rows.append(Row(row.name, row.unit, row.cpu_ms, row.rate, row.p50, row.p99, size / 1024))
    writer.close()
    return rows


async def move(bench: BenchServer, config_file: Path) -> list[Row]:
    """People of a unit go to another, until one of them sees it in the roster; CPU of the daemon and of the
    process in which the administrator's command runs."""
    async with opened(load_config(config_file)) as workplace:
        units = await _large_unit(workplace)
        moved = [f"user{UNITS + 10 + place}" for place in range(4)]
        sessions = await chat.log_in(moved, bench.port(5222), domain=DOMAIN)
        times, used, daemon = [], 0.0, bench.cpu()
        for turn in range(MOVES):
            heard = asyncio.Event()

            def hear(_: int, heard: asyncio.Event = heard) -> None:
                heard.set()

            for session in sessions:
                session.mark, session.on_mark = b"iq:roster", hear
            begun, own = time.perf_counter(), time.process_time()
            given = {"unit": units[turn % 2], "into": units[1 - turn % 2]}
            result = await workplace.office.run("units.move-people", given)
            assert result["moved"] == MOVED, result
            async with asyncio.timeout(60):
                await heard.wait()
            times.append(time.perf_counter() - begun)
            used += time.process_time() - own
            await asyncio.sleep(2)  # the pushes of all the others belong to the daemon's CPU
        for session in sessions:
            session.end()
    cpu = (bench.cpu() - daemon) * 1000 / MOVES
    row = Row(
        f"{MOVED} people of a unit moved, pushed",
        "move",
        cpu_ms=cpu + used * 1000 / MOVES,
        p50=common.percentile(times, 50),
    )
    return [row]


async def _large_unit(workplace: Workplace) -> tuple[int, int]:
    """Two units of their own; the first gets 200 people."""
    department = workplace.directory.domains[DOMAIN]
    units = [(await workplace.directory.create_unit(department, name)).id for name in ("Moved", "Into")]
    for number in range(UNITS + 10, UNITS + 10 + MOVED):
        person = await workplace.principal(address(number), "person")
        await workplace.office.run("people.change", {"address": person.address, "unit": units[0]})
    return units[0], units[1]


async def measure() -> list[Row]:
    """The rows."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="armgs-bench-") as name:
        folder = Path(name)
        settings: dict[str, dict[str, Any]] = {"store": {"url": engines.new_store()}}
        config_file, offset = common.configure(folder, settings)
        await common.populate(config_file, 0, None)
        tables = write_tables(folder)
        rows.append(await take_in(folder, tables, f"import: {PEOPLE} people, {UNITS} units"))
        rows.append(await take_in(folder, tables, "import: again, nothing is different"))
        cookie = await prepare(config_file)
        process = await common.start(folder, config_file)
        bench = BenchServer(folder, offset, process, engines.cpu)
        try:
            memory = bench.memory()
            await directory_ldap.Connection.connect(bench.port(389), address(ASKER))
            rows += await directory_ldap.measure(bench, "", bench.port(389), address(ASKER))
            grown = Row(
                "the index: all searches of LDAP, first one too", "process", memory=bench.memory() - memory
            )
            rows += [grown, *await cards(bench), *await chats(bench)]
            rows += [*await pages(bench, cookie), *await move(bench, config_file)]
        finally:
            await common.end(process)
    return rows + await _peer()


async def _peer() -> list[Row]:
    try:
        with peers.folder_of("slapd") as home:
            async with directory_ldap.slapd(home) as (slapd, port):
                name = f"cn=admin,{directory_ldap.SUFFIX}"
                return await directory_ldap.measure(slapd, " of slapd", port, name)
    except peers.Missing as error:
        print(error, file=sys.stderr)
        return []


if __name__ == "__main__":
    main(measure)
