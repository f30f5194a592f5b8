# SPDX-License-Identifier: Apache-2.0
"""The tests' own IMAP client: lines in, lines out, and a small office to connect to."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from armgs_server.config import Config, ImapSettings, LimitSettings, SecuritySettings, ServerSettings
from armgs_server.directory import Directory
from armgs_server.imap import service
from armgs_server.net.server import Server
from armgs_server.service import Core
from armgs_server.storage import Store

DOMAIN = "digital.example"
IVANOV = f"ivanov@{DOMAIN}"
PETROVA = f"petrova@{DOMAIN}"
PASSWORD = "test-password"
TIMEOUT = 20.0
_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


class Client:
    """One connection. A response is one bytes object with its literals, without the last CRLF."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._tags = itertools.count(1)

    async def line(self) -> bytes:
        """The next response."""
        async with asyncio.timeout(TIMEOUT):
            response = await self.reader.readline()
            while found := _LITERAL.search(response):
                response += await self.reader.readexactly(int(found[1]))
                response += await self.reader.readline()
        return response.removesuffix(b"\r\n")

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def command(self, text: str | bytes) -> list[bytes]:
        """Sends a command; the untagged responses, then the tagged one without its tag."""
        tag = b"t%d" % next(self._tags)
        self.send(tag + b" " + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        return await self.responses(tag)

    async def responses(self, tag: bytes) -> list[bytes]:
        """All responses up to the tagged one."""
        lines = []
        while True:
            response = await self.line()
            if not response:
                raise EOFError(f"connection closed after {lines}")
            if response.startswith(tag + b" "):
                return [*lines, response.removeprefix(tag + b" ")]
            lines.append(response)

    async def ok(self, text: str | bytes) -> list[bytes]:
        """Sends a command that must succeed; the untagged responses."""
        *untagged, tagged = await self.command(text)
        assert tagged.startswith(b"OK"), tagged
        return untagged

    async def no(self, text: str | bytes) -> bytes:
        """Sends a command that must fail; the tagged response."""
        tagged = (await self.command(text))[-1]
        assert tagged.startswith((b"NO", b"BAD")), tagged
        return tagged

    async def append(self, message: bytes, mailbox: str = "INBOX", options: str = "") -> bytes:
        """Appends a message; the tagged response."""
        options = options and options + " "
        *_, tagged = await self.command(
            b"APPEND %b %b{%d+}\r\n%b" % (mailbox.encode(), options.encode(), len(message), message)
        )
        return tagged

    async def idle(self) -> bytes:
        """Begins to idle; the tag to wait for after `done`."""
        tag = b"t%d" % next(self._tags)
        self.send(tag + b" IDLE\r\n")
        assert (await self.line()).startswith(b"+ ")
        return tag

    async def done(self, tag: bytes) -> list[bytes]:
        self.send(b"DONE\r\n")
        return await self.responses(tag)

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass  # the server was faster


class Office:
    """The IMAP service alone, on a real socket, over a real store and directory, with two people."""

    def __init__(self, store: Store, store_path: Path, settings: Mapping[str, Any]) -> None:
        self.store = store
        self.store_path = store_path
        self.config = Config(
            directory=store_path.parent,
            server=ServerSettings(domains=(DOMAIN,)),
            security=SecuritySettings(
                allow_plaintext=True, argon2_memory=65536, argon2_passes=1, **settings.get("security", {})
            ),
            imap=ImapSettings(**{"recent": False, "undelete_days": 0, **settings.get("imap", {})}),
            limits=LimitSettings(**settings.get("limits", {})),
        )
        self.clients: list[Client] = []

    async def start(self) -> None:
        self.directory = await Directory.open(self.store, self.config)
        await self.directory.create_department("Digital", [DOMAIN])
        for address in (IVANOV, PETROVA):
            await self.directory.create_person(address, address.title(), password=PASSWORD)
        self.service = service(Core(self.config, self.store, self.directory, None))
        await self.service.start()
        self.server = Server(self.config, None)
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        self.server.listen(self.service.listeners[0], sock)

    async def stop(self) -> None:
        for client in self.clients:
            await client.close()
        await self.service.stop()
        await self.server.stop(5.0)
        await self.directory.close()

    async def connect(self) -> Client:
        """A connection, its greeting read."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24))
        self.clients.append(client)
        assert (await client.line()).startswith(b"* OK ")
        return client

    async def login(self, address: str = IVANOV, mailbox: str = "") -> Client:
        """A connection that is logged in, and has a mailbox selected where one is named."""
        client = await self.connect()
        await client.ok(f"LOGIN {address} {PASSWORD}")
        if mailbox:
            await client.ok(f"SELECT {mailbox}")
        return client
