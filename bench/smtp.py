# SPDX-License-Identifier: Apache-2.0
"""SMTP: durable delivery of 5 KB messages by 20 connections; to lists; of 5 MB; submission."""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable

from armgs_server.directory import Directory
from armgs_server.storage import Store
from bench.common import DOMAIN, HOST, PASSWORD, BenchServer, Row, address, main, server, timed

MESSAGES = int(os.environ.get("BENCH_DELIVERIES", "6000"))
CONNECTIONS = 20
PEOPLE = 100
LIST = f"all@{DOMAIN}"
_LINE = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod.\r\n"


def message(number: int, size: int = 5000) -> bytes:
    """A message of about `size` bytes, ready for DATA (no line begins with a dot)."""
    head = (
        b"From: =?utf-8?B?0J/QtdGC0YDQvtCy0LA=?= <user1@digital.example>\r\n"
        b"To: User 0 <user0@digital.example>\r\nSubject: Report %d of the quarter\r\n"
        b"Date: Mon, 5 Oct 2026 10:11:12 +0300\r\nMessage-ID: <%d.bench@other.example>\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    ) % (number, number)
    return head + _LINE * ((size - len(head)) // len(_LINE))


class Sender:
    """One connection; each call delivers one message and waits for its 250."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, worker: int) -> None:
        self._reader = reader
        self._writer = writer
        self._number = worker * 1_000_005  # nobody's mailbox is everybody's at one time
        self._texts = 5000
        self._recipients: Callable[[int], str] = lambda number: address(number % PEOPLE)
        self._sender = "author@other.example"

    @classmethod
    async def connect(cls, bench: BenchServer, worker: int, port: int = 25) -> "Sender":
        return await cls.connect_to(bench.port(port), worker)

    @classmethod
    async def connect_to(cls, port: int, worker: int, hello: bytes = b"EHLO") -> "Sender":
        """LMTP's LHLO is for peers."""
        sender = cls(*await asyncio.open_connection(HOST, port), worker)
        await sender._reader.readline()
        sender._writer.write(hello + b" bench.example\r\n")
        await sender._reply()
        return sender

    def to(self, recipients: Callable[[int], str], size: int = 5000, sender: str = "") -> "Sender":
        """What the next calls send."""
        self._recipients, self._texts = recipients, size
        self._sender = sender or self._sender
        return self

    async def login(self, user: str) -> "Sender":
        token = base64.b64encode(f"\0{user}\0{PASSWORD}".encode())
        self._writer.write(b"AUTH PLAIN " + token + b"\r\n")
        assert (await self._reply()).startswith(b"235")
        return self

    def close(self) -> None:
        self._writer.close()

    async def pipelined(self) -> None:
        """As another server does it: two round trips for a message."""
        envelope, text = self._next()
        self._writer.write(b"".join(envelope))
        for code in (b"250", b"250", b"354"):
            assert (reply := await self._reply()).startswith(code), reply
        self._writer.write(text)
        assert (reply := await self._reply()).startswith(b"250"), reply

    async def step_by_step(self) -> None:
        """Without pipelining: four round trips."""
        envelope, text = self._next()
        for line in envelope:
            self._writer.write(line)
            assert (await self._reply())[:3] in (b"250", b"354")
        self._writer.write(text)
        assert (await self._reply()).startswith(b"250")

    def _next(self) -> tuple[list[bytes], bytes]:
        self._number += 1
        recipient = self._recipients(self._number)
        lines = [f"MAIL FROM:<{self._sender}>\r\n", f"RCPT TO:<{recipient}>\r\n", "DATA\r\n"]
        return [line.encode() for line in lines], message(self._number, self._texts) + b".\r\n"

    async def _reply(self) -> bytes:
        while True:
            line = await self._reader.readline()
            if line[3:4] != b"-":
                return line


async def make_list(store: Store, directory: Directory) -> None:
    """A list of all people."""
    members = [await directory.by_address(address(number)) for number in range(PEOPLE)]
    await directory.create_group(LIST, "Everybody", [member.id for member in members if member])


async def measure() -> list[Row]:
    """All figures of SMTP, from one server."""
    rows: list[Row] = []
    async with server(PEOPLE, prepare=make_list) as bench:
        senders = [await Sender.connect(bench, worker) for worker in range(CONNECTIONS)]

        async def run(name: str, count: int, operations: list[Callable[[], Awaitable[None]]]) -> None:
            rows.append(await timed(bench, name, "message", count, operations))

        await asyncio.gather(*(sender.pipelined() for sender in senders))  # caches are warm
        await run("smtp: 5 KB, 20 connections, pipelined", MESSAGES, [each.pipelined for each in senders])
        await run(
            "smtp: 5 KB, 20 connections, step by step", MESSAGES, [each.step_by_step for each in senders]
        )
        await run("smtp: 5 KB, 1 connection", MESSAGES // 20, [senders[0].pipelined])
        for sender in senders:
            sender.to(lambda number: LIST)
        await run("smtp: 5 KB to a list of 100", MESSAGES // 60, [each.pipelined for each in senders])
        for sender in senders:
            sender.to(lambda number: address(number % PEOPLE), size=5_000_000)
        await run("smtp: 5 MB, 4 connections", 20, [each.pipelined for each in senders[:4]])
        submitters = [await Sender.connect(bench, 50 + worker, 587) for worker in range(CONNECTIONS)]
        for submitter in submitters:
            await submitter.login(address(1))
            submitter.to(lambda number: address(number % PEOPLE), sender=address(1))
        await run("submission: 5 KB, 20 connections", MESSAGES, [each.pipelined for each in submitters])
    return rows


if __name__ == "__main__":
    main(measure)
