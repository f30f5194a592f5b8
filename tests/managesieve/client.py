# SPDX-License-Identifier: Apache-2.0
"""The tests' own ManageSieve client: commands in, responses out, over a World."""

from __future__ import annotations

import asyncio
import base64
import re
from types import TracebackType

from tests.world import HOSTNAME, PASSWORD, PETROVA, World

TIMEOUT = 30.0
_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n\Z")
_END = re.compile(rb"(?:OK|NO|BYE)\b")


class Client:
    """One connection; `say` gives all of a response, its literals in place."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.greeting = ""
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await self.world.connect("sieve")
        self.greeting = await self.response()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.writer.close()

    def write(self, data: bytes | str) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def line(self) -> bytes:
        """One line with its literals; b"" at the end of the connection."""
        async with asyncio.timeout(TIMEOUT):
            line = await self.reader.readline()
            while (found := _LITERAL.search(line)) is not None:
                line += await self.reader.readexactly(int(found[1]))
                line += await self.reader.readline()
        return line

    async def response(self) -> str:
        """All lines up to OK, NO or BYE; "" at the end of the connection."""
        lines = []
        while line := await self.line():
            lines.append(line)
            if _END.match(line):
                break
        return b"".join(lines).decode()

    async def say(self, line: str) -> str:
        """A command line, and the response to it."""
        self.write(line + "\r\n")
        return await self.response()

    async def ok(self, line: str) -> str:
        """The same, which must succeed."""
        answer = await self.say(line)
        assert answer.splitlines()[-1].startswith("OK"), f"{line!r} was answered by {answer!r}"
        return answer

    async def login(self, address: str = PETROVA, password: str = PASSWORD) -> str:
        return await self.say(f'AUTHENTICATE "PLAIN" "{plain(address, password)}"')

    async def start_tls(self) -> str:
        """STARTTLS, the handshake, and the capabilities that come by themselves."""
        assert (await self.say("STARTTLS")).startswith("OK")
        await self.writer.start_tls(self.world.client_context(), server_hostname=HOSTNAME)
        return await self.response()


def plain(address: str, password: str = PASSWORD) -> str:
    """The one message of PLAIN (RFC 4616)."""
    return base64.b64encode(f"\0{address}\0{password}".encode()).decode()


def literal(text: str) -> str:
    """A string as a client may send it (RFC 5804 §4)."""
    return f"{{{len(text.encode())}+}}\r\n{text}"
