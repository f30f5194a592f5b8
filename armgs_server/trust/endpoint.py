# SPDX-License-Identifier: Apache-2.0
"""Where a filter listens: "host:port", or "unix:PATH"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from mmap import mmap

from armgs_server.errors import Invalid
from armgs_server.net.resolver import parse_host

UNIX = "unix:"
# A piece of a message on its way to a filter.
PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` of a Unix socket, or host and port."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Invalid where it is neither."""
        if text.startswith(UNIX):
            return cls(path=text[len(UNIX) :])
        host, port = parse_host(text, 0)
        if not port:
            raise Invalid(f"{text!r} is neither host:port nor unix:PATH")
        return cls(host, port)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection, closed in the end; the caller bounds the time. OSError."""
        if self.path:
            reader, writer = await asyncio.open_unix_connection(self.path)
        else:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def send_text(writer: asyncio.StreamWriter, text: bytes | mmap, start: int = 0) -> None:
    """A message in pieces, no faster than it is taken."""
    for position in range(start, len(text), PIECE):
        writer.write(text[position : position + PIECE])
        await writer.drain()
