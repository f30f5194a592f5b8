# SPDX-License-Identifier: Apache-2.0
"""A small web server that says what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Web:
    """`pages`: the whole answer, byte for byte, for each path."""

    port: int = 0
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def put(self, path: str, body: bytes, *, etag: str = "", status: str = "200 OK", extra: str = "") -> None:
        fields = f"Content-Length: {len(body)}\r\n" + (f"ETag: {etag}\r\n" if etag else "") + extra
        self.pages[path] = f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head)
            writer.write(self.pages.get(head.split(b" ")[1].decode(), b"HTTP/1.1 404 Not Found\r\n\r\n"))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client has left
        finally:
            writer.close()


@asynccontextmanager
async def running_web() -> AsyncIterator[Web]:
    web = Web()
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        await server.wait_closed()
