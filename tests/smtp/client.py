# SPDX-License-Identifier: Apache-2.0
"""A client that says exactly what a test tells it to, and looks into the store for what came of it."""

from __future__ import annotations

import asyncio
import base64
from typing import Self

from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.world import HOSTNAME, PASSWORD, World

TIMEOUT = 10.0


class Client:
    """One connection; `line in, line out`."""

    def __init__(self, world: World, service: str = "smtp", *, secure: bool = False) -> None:
        self._world = world
        self._service = service
        self._secure = secure

    async def __aenter__(self) -> Self:
        await self.open()
        self.greeting = await self.reply()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def open(self) -> None:
        self.reader, self.writer = await self._world.connect(self._service, secure=self._secure)

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> str:
        """One reply, all its lines; "" at the end of the connection."""
        lines: list[str] = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), TIMEOUT)).decode()
            if not line:
                return "".join(lines)
            assert line.endswith("\r\n")
            lines.append(line[:-2])
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, line: str) -> str:
        """A line, and the reply to it."""
        self.write(line.encode() + b"\r\n")
        return await self.reply()

    async def expect(self, line: str, start: str) -> str:
        """A line, and a reply that must begin with `start`."""
        reply = await self.say(line)
        assert reply.startswith(start), f"{line!r} was answered by {reply!r}"
        return reply

    async def ehlo(self) -> set[str]:
        """The extensions offered."""
        lines = (await self.expect("EHLO client.example", "250-")).split("\n")
        return {line[4:] for line in lines[1:]}

    async def login(self, address: str, password: str = PASSWORD) -> str:
        token = base64.b64encode(f"\0{address}\0{password}".encode()).decode()
        return await self.say(f"AUTH PLAIN {token}")

    async def start_tls(self) -> None:
        await self.expect("STARTTLS", "220 2.0.0 ")
        await self.handshake()

    async def handshake(self) -> None:
        await self.writer.start_tls(self._world.client_context(), server_hostname=HOSTNAME)

    async def send_text(self, text: bytes) -> str:
        """DATA with a text that ends in CRLF and has no line that begins with a dot."""
        await self.expect("DATA", "354 ")
        self.write(text + b".\r\n")
        return await self.reply()

    async def mail(self, sender: str, *recipients: str, text: bytes = b"Subject: x\r\n\r\nbody\r\n") -> str:
        """A whole transaction whose recipients are accepted; the reply to its text."""
        await self.expect(f"MAIL FROM:<{sender}>", "250 2.1.0 ")
        for recipient in recipients:
            await self.expect(f"RCPT TO:<{recipient}>", "250 2.1.5 ")
        return await self.send_text(text)


async def inbox(world: World, address: str) -> list[bytes]:
    """The messages in somebody's INBOX, oldest first."""
    return await mailbox(world, address, "inbox")


async def mailbox(world: World, address: str, role: str) -> list[bytes]:
    person = await world.directory.by_address(address)
    assert person is not None
    owner = person.id

    async def work(tx: Tx) -> list[bytes]:
        collection = await collections.by_role(tx, owner, "mail", role)
        assert collection is not None
        found = await items.scan(tx, owner, collection.id)
        return [item.blob for item in found]

    return [await world.store.blobs.read(blob) for blob in await world.store.read(work)]


async def wait_for_mail(world: World, address: str, count: int = 1) -> list[bytes]:
    """INBOX once it has `count` messages."""
    async with asyncio.timeout(TIMEOUT):
        while len(messages := await inbox(world, address)) < count:
            await asyncio.sleep(0.02)
    return messages
