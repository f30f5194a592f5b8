# SPDX-License-Identifier: Apache-2.0
"""The tests' own POP3 client: lines in, lines out, over a World."""

from __future__ import annotations

import asyncio
from types import TracebackType

from armgs_server.formats.mime import index
from armgs_server.storage import collections, items, mail
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx
from tests.world import HOSTNAME, IVANOV, PASSWORD, World

TIMEOUT = 30.0


class Client:
    """One connection."""

    def __init__(self, world: World, service: str = "pop3") -> None:
        self.world = world
        self.service = service
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Client:
        await self.open()
        assert (await self.line()).startswith("+OK ")
        return self

    async def open(self) -> None:
        self.reader, self.writer = await self.world.connect(self.service, secure=self.service == "pop3s")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass  # the server was faster

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def handshake(self) -> None:
        await self.writer.start_tls(self.world.client_context(), server_hostname=HOSTNAME)

    async def line(self) -> str:
        """The next line without its end; "" at the end of the connection."""
        async with asyncio.timeout(TIMEOUT):
            line = await self.reader.readline()
        assert not line or line.endswith(b"\r\n"), line
        return line.removesuffix(b"\r\n").decode()

    async def body(self) -> bytes:
        """The rest of a multi-line response as it came, with its termination."""
        data = b""
        async with asyncio.timeout(TIMEOUT):
            while not (data == b".\r\n" or data.endswith(b"\n.\r\n")):
                line = await self.reader.readline()
                assert line, f"the connection ended after {data!r}"
                data += line
        return data

    async def command(self, text: str) -> str:
        self.write(text.encode() + b"\r\n")
        return await self.line()

    async def lines(self, text: str) -> list[str]:
        """A command with a multi-line response; its lines."""
        first = await self.command(text)
        assert first.startswith("+OK"), first
        return (await self.body()).decode().split("\r\n")[:-2]

    async def login(self, address: str = IVANOV) -> str:
        assert (await self.command(f"USER {address}")).startswith("+OK")
        return await self.command(f"PASS {PASSWORD}")


async def inbox_of(world: World, address: str = IVANOV) -> Collection:
    person = await world.directory.by_address(address)
    assert person is not None
    found = await world.store.read(lambda tx: collections.by_role(tx, person.id, "mail", "inbox"))
    assert found is not None
    return found


async def deliver(world: World, *messages: bytes, address: str = IVANOV) -> None:
    """Puts messages into an INBOX, byte for byte."""
    inbox = await inbox_of(world, address)
    for data in messages:
        ref = await world.store.blobs.put(data)

        async def work(tx: Tx, data: bytes = data, ref: BlobRef = ref) -> None:
            await mail.append(tx, inbox, ref, index(data))

        await world.store.write(work)


async def contents(world: World, address: str = IVANOV) -> list[Item]:
    inbox = await inbox_of(world, address)
    return await world.store.read(lambda tx: items.scan(tx, inbox.owner, inbox.id))
