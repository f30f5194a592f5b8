# SPDX-License-Identifier: Apache-2.0
"""Log-in by SCRAM-SHA-256 in each protocol, and chat while somebody guesses passwords.

A log-in is a new connection to its end. The guesses go on at full speed from forty connections, the throttle
switched off and the hash as dear as it is by default: what is left is the bound on hashes at once.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

from armgs_server.cli.scram_client import ScramClient
from armgs_server.config import SecuritySettings
from armgs_server.ldap.ber import OCTET_STRING, Reader, element, integer, string
from armgs_server.ldap.results import message
from bench import chat
from bench.common import DOMAIN, HOST, PASSWORD, BenchServer, Row, address, main, percentile, server, timed

PEOPLE = 50
LOGINS = 200
MECHANISM = "SCRAM-SHA-256"
GUESSING = 40  # connections
MESSAGES = 150
PAUSE = 0.02  # seconds between messages: people write, they do not flood
_OFF = 1_000_000


class Lines:
    """A protocol of lines, each bench's own words around the same exchange."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> Lines:
        made = cls(*await asyncio.open_connection(HOST, port))
        await made._reader.readline()
        return made

    async def ask(self, line: str, until: str = "") -> str:
        """The answer's last line; `until` is what that begins with where there are several."""
        self._writer.write(line.encode() + b"\r\n")
        while True:
            answer = (await self._reader.readline()).decode()
            if answer.startswith(until):
                return answer
            assert answer, "the server has closed the connection"

    def close(self) -> None:
        self._writer.close()


async def exchange(lines: Lines, number: int, begin: str, *, code: int) -> str:
    """The SASL exchange; `code` is how long the word before the server's part is. The last answer."""
    scram = ScramClient(address(number), PASSWORD)
    answer = await lines.ask(begin + base64.b64encode(scram.first()).decode())
    final = scram.final(base64.b64decode(answer[code:]))
    answer = await lines.ask(base64.b64encode(final).decode())
    scram.verify(base64.b64decode(answer[code:]))
    return await lines.ask("")


async def imap(bench: BenchServer, number: int) -> None:
    lines = await Lines.connect(bench.port(143))
    assert (await exchange(lines, number, f"a AUTHENTICATE {MECHANISM} ", code=2)).startswith("a OK")
    lines.close()


async def pop3(bench: BenchServer, number: int) -> None:
    lines = await Lines.connect(bench.port(110))
    assert (await exchange(lines, number, f"AUTH {MECHANISM} ", code=2)).startswith("+OK")
    lines.close()


async def submission(bench: BenchServer, number: int) -> None:
    lines = await Lines.connect(bench.port(587))
    await lines.ask("EHLO bench.example", "250 ")
    assert (await exchange(lines, number, f"AUTH {MECHANISM} ", code=4)).startswith("235")
    lines.close()


async def ldap(bench: BenchServer, number: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, bench.port(389))
    scram = ScramClient(address(number), PASSWORD)

    async def ask(place: int, data: bytes) -> tuple[int, bytes]:
        credentials = element(0xA3, string(MECHANISM) + string(data))
        writer.write(message(place, element(0x60, integer(3) + string("") + credentials)))
        head = await reader.readexactly(2)
        size = head[1]
        if size & 0x80:
            size = int.from_bytes(await reader.readexactly(size & 0x7F), "big")
        whole = Reader(await reader.readexactly(size))
        whole.integer()
        answer = whole.enter(0x61)
        code = answer.integer(0x0A)
        answer.read(OCTET_STRING)
        answer.read(OCTET_STRING)
        return code, answer.read(0x87)

    code, first = await ask(1, scram.first())
    assert code == 14
    code, last = await ask(2, scram.final(first))
    assert code == 0
    scram.verify(last)
    writer.close()


async def xmpp(bench: BenchServer, number: int) -> None:
    """With binding, roster, presence, stream management and carbons."""
    session = await chat.connect(chat.Session(f"user{number}"), bench.port(5222))
    session.end()


async def log_ins(bench: BenchServer) -> list[Row]:
    """A row for each protocol."""
    rows = []
    turns = itertools.count()
    protocols: tuple[tuple[str, Callable[[BenchServer, int], Awaitable[None]]], ...] = (
        ("IMAP", imap),
        ("POP3", pop3),
        ("submission", submission),
        ("LDAP", ldap),
        ("XMPP, SCRAM-SHA-1, full profile", xmpp),
    )
    for name, log_in in protocols:

        async def operation(log_in: Callable[[BenchServer, int], Awaitable[None]] = log_in) -> None:
            await log_in(bench, next(turns) % PEOPLE)

        await timed(bench, "", "log-in", PEOPLE, [operation])
        rows.append(await timed(bench, f"log-in: {name}", "log-in", LOGINS, [operation] * 4))
    return rows


async def guess(bench: BenchServer, turns: itertools.count[int]) -> None:
    """A wrong password, over IMAP, for one who is there or is not."""
    lines = await Lines.connect(bench.port(143))
    number = next(turns)
    plain = base64.b64encode(f"\0{address(number % (2 * PEOPLE))}\0wrong-{number}".encode()).decode()
    assert "OK" not in await lines.ask(f"a AUTHENTICATE PLAIN {plain}", "a ")
    lines.close()


async def messages(bench: BenchServer, name: str) -> Row:
    """One to another, archived: the time until it is there."""
    sender, reader = await chat.log_in(["user0", "user1"], bench.port(5222), domain=DOMAIN)
    heard = asyncio.Event()
    reader.mark, reader.on_mark = b"<body>", lambda _: heard.set()
    text = f"<message to='{address(1)}' type='chat'><body>hello</body></message>".encode()
    times = []
    for _ in range(MESSAGES):
        heard.clear()
        begun = time.perf_counter()
        sender.transport.write(text)
        async with asyncio.timeout(60):
            await heard.wait()
        times.append(time.perf_counter() - begun)
        await asyncio.sleep(PAUSE)
    sender.end()
    reader.end()
    return Row(name, "message", p50=percentile(times, 50), p99=percentile(times, 99))


async def under_guessing(bench: BenchServer) -> list[Row]:
    """Chat alone, then with guesses; and how many guesses were answered."""
    rows = [await messages(bench, "chat, nobody guesses")]
    turns: itertools.count[int] = itertools.count()
    guesses = 0

    async def forever() -> None:
        nonlocal guesses
        while True:
            await guess(bench, turns)
            guesses += 1

    tasks = [asyncio.create_task(forever()) for _ in range(GUESSING)]
    try:
        await asyncio.sleep(1)
        cpu, started, first = bench.cpu(), time.perf_counter(), guesses
        rows.append(await messages(bench, f"chat, {GUESSING} connections guess"))
        elapsed, used, made = time.perf_counter() - started, bench.cpu() - cpu, guesses - first
        rows.append(Row("wrong passwords meanwhile", "guess", cpu_ms=used * 1000 / made, rate=made / elapsed))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return rows


async def measure() -> list[Row]:
    """Both, each on a daemon of its own."""
    async with server(PEOPLE) as bench:
        rows = await log_ins(bench)
    usual = SecuritySettings()
    settings: dict[str, dict[str, Any]] = {
        "log": {"level": "error"},  # each guess is a warning
        "security": {
            "argon2_memory": usual.argon2_memory,
            "argon2_passes": usual.argon2_passes,
            "login_failures": _OFF,
            "login_failures_address": _OFF,
            "login_failures_network": _OFF,
        },
    }
    async with server(2, settings=settings) as bench:
        return rows + await under_guessing(bench)


if __name__ == "__main__":
    main(measure)
