# SPDX-License-Identifier: Apache-2.0
"""Lean clients of SMTP, IMAP and HTTP for a load: one connection, one command at a time, raw answers.

Gone is what any of them raises when the connection does not answer any more: what was asked may have been
done or not.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# A command that has no answer by then is given up; above the longest fault that a host sits through.
ANSWER_TIMEOUT = 45.0
GONE = (OSError, EOFError, TimeoutError, AssertionError)


class GoneError(OSError):
    """The connection has ended without an answer."""


class Wire:
    """One connection to a host."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def open(self, address: str, port: int) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            self.reader, self.writer = await asyncio.open_connection(address, port)

    def close(self) -> None:
        if hasattr(self, "writer"):
            self.writer.transport.abort()

    async def line(self) -> bytes:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            line = await self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise GoneError("the connection has ended")
        return line[:-2]


class Smtp(Wire):
    """A neighbour that delivers."""

    async def greet(self) -> None:
        await self._expect(220)
        self.writer.write(b"EHLO neighbour.example\r\n")
        await self._expect(250)

    async def deliver(self, recipient: str, message: bytes) -> int:
        """The code of the last answer: 250, or the first that is another."""
        for command in (b"MAIL FROM:<load@neighbour.example>", b"RCPT TO:<%s>" % recipient.encode(), b"DATA"):
            self.writer.write(command + b"\r\n")
            code = await self._reply()
            if code not in (250, 354):
                self.writer.write(b"RSET\r\n")
                await self._reply()
                return code
        self.writer.write(message + b".\r\n")
        return await self._reply()

    async def _expect(self, code: int) -> None:
        found = await self._reply()
        if found != code:
            raise GoneError(f"{found} instead of {code}")

    async def _reply(self) -> int:
        while True:
            line = await self.line()
            if line[3:4] != b"-":
                if line.startswith(b"421"):
                    raise GoneError("the server is closing")
                return int(line[:3])


class Imap(Wire):
    """One person's mail program."""

    async def log_in(self, person: str, password: str) -> None:
        await self.line()
        if not (await self.command(b"LOGIN %s %s" % (person.encode(), password.encode())))[-1].startswith(
            b"OK"
        ):
            raise GoneError("log-in is refused now")

    async def command(self, text: bytes) -> list[bytes]:
        """Untagged lines with their literals, then what follows the tag."""
        self.writer.write(b"t " + text + b"\r\n")
        found: list[bytes] = []
        while True:
            line = await self.line()
            while literal := re.search(rb"\{(\d+)\}\Z", line):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    line += await self.reader.readexactly(int(literal[1]))
                line += await self.line()
            if line.startswith(b"* BYE"):
                raise GoneError("the server is closing")
            if line.startswith(b"t "):
                return [*found, line[2:]]
            found.append(line)

    async def subjects(self, mailbox: bytes) -> list[str]:
        """The subject of every message of a mailbox."""
        await self.command(b"EXAMINE " + mailbox)
        lines = await self.command(b"FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return [found[1].decode() for line in lines if (found := re.search(rb"Subject: (\S+)", line))]


@dataclass(frozen=True, slots=True)
class Answer:
    """What HTTP says."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Http(Wire):
    """One person's requests on one connection."""

    def __init__(self, person: str, password: str) -> None:
        self._authorization = base64.b64encode(f"{person}:{password}".encode()).decode()

    async def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """`If_None_Match="*"` is the field If-None-Match."""
        fields = {
            "Host": "localhost",
            "Authorization": f"Basic {self._authorization}",
            "Content-Length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        status = int((await self.line()).split()[1])
        answered: dict[str, str] = {}
        while line := await self.line():
            name, _, value = line.decode().partition(":")
            answered[name.lower()] = value.strip()
        return Answer(status, answered, await self._body(status, answered))

    async def _body(self, status: int, headers: Mapping[str, str]) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding") != "chunked":
            return await self._exactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int(await self.line(), 16):
            body += await self._exactly(size)
            await self.line()
        await self.line()
        return body

    async def _exactly(self, size: int) -> bytes:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await self.reader.readexactly(size)
