# SPDX-License-Identifier: Apache-2.0
"""A WebDAV client that says exactly what it is told, over a real socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

TIMEOUT = 20.0
NAMESPACES = {
    "D": "DAV:",
    "C": "urn:ietf:params:xml:ns:caldav",
    "CR": "urn:ietf:params:xml:ns:carddav",
    "CS": "http://calendarserver.org/ns/",
    "A": "http://apple.com/ns/ical/",
}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def xml(self) -> etree._Element:
        return etree.fromstring(self.body)

    def find(self, path: str) -> list[etree._Element]:
        """XPath with the usual prefixes."""
        found = self.xml.xpath(path, namespaces=NAMESPACES)
        assert isinstance(found, list)
        return found

    def texts(self, path: str) -> list[str]:
        return ["".join(each.itertext()) for each in self.find(path)]

    @property
    def hrefs(self) -> list[str]:
        return self.texts("/D:multistatus/D:response/D:href")

    @property
    def condition(self) -> str:
        """The local name of the violated condition of a DAV:error."""
        return etree.QName(self.find("/D:error/*")[0]).localname

    def prop(self, href: str, name: str) -> str | None:
        """The text of a property that was found with 200, None otherwise."""
        path = f"//D:response[D:href='{href}']/D:propstat[contains(D:status, ' 200 ')]/D:prop/{name}"
        found = self.texts(path)
        return found[0] if found else None


class Client:
    """One person's connection, kept alive between requests."""

    def __init__(self, port: int, user: str = "", password: str = "") -> None:
        self.port = port
        self.user = user
        self._authorization = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: bytes | str = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        fields = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if self._authorization:
            fields.setdefault("Authorization", f"Basic {self._authorization}")
        if data or method in ("PUT", "POST"):
            fields.setdefault("Content-Length", str(len(data)))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return await asyncio.wait_for(self.send(head, data, method), TIMEOUT)

    async def send(self, head: bytes, data: bytes = b"", method: str = "GET") -> Answer:
        """Sends bytes as they are and reads one answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(head + data)
        await writer.drain()
        answer = await read_answer(reader, method)
        if answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(ConnectionError):  # the server may have gone first
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader, method: str) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    if 100 <= status < 200:
        return await read_answer(reader, method)
    body = b""
    if method != "HEAD" and status not in (204, 304):
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(status, headers, body)
