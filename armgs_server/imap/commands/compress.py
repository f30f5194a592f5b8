# SPDX-License-Identifier: Apache-2.0
"""COMPRESS=DEFLATE: RFC 4978. From the line behind the tagged OK on, both directions are deflate streams."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from armgs_server.imap.grammar import Cursor
from armgs_server.imap.responses import bad, no, status

if TYPE_CHECKING:
    from armgs_server.imap.session import Session

# Raw deflate (RFC 1951), as RFC 4978 §4 wants; a small window keeps a connection at some 50 KB.
_WINDOW = -13
_MEMORY = 6
_LEVEL = 5
# Octets that come out of one step: what a client sends may grow a thousandfold.
_STEP = 64 * 1024


class Deflate:
    """The two streams of a connection."""

    def __init__(self) -> None:
        self._out = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
        self._in = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = b""

    def compress(self, data: bytes) -> bytes:
        """Everything the client needs to read `data`."""
        return self._out.compress(data) + self._out.flush(zlib.Z_SYNC_FLUSH)

    def feed(self, data: bytes) -> None:
        """Octets from the client."""
        self._waiting += data

    def take(self) -> bytes:
        """The next piece of what the client means, empty when more octets are needed. BAD for what is no
        deflate stream."""
        if not self._waiting:
            return b""
        try:
            found = self._in.decompress(self._waiting, _STEP)
        except zlib.error as error:
            raise bad("not a deflate stream") from error
        self._waiting = self._in.unconsumed_tail
        if self._in.eof:
            raise bad("the deflate stream has ended")
        return found


async def handle_compress(session: Session, cursor: Cursor) -> None:
    """The tagged line goes out as it is, so it cannot wait for the session."""
    cursor.space()
    name = cursor.atom()
    cursor.end()
    if name != "DEFLATE":
        raise bad("no such mechanism")
    if session.deflate is not None:  # RFC 4978 §3
        raise no("compressed already", "COMPRESSIONACTIVE")
    await session.updates.tell(may_expunge=True)
    session.write(status(session.tag, b"OK", "compressing from now on"))
    rest = session.protocol.take_input()
    session.deflate = Deflate()
    session.deflate.feed(rest)
