# SPDX-License-Identifier: Apache-2.0
"""One POST to a filter that speaks HTTP/1.1 (RFC 9112), the connection closed behind it."""

from __future__ import annotations

from collections.abc import Sequence
from mmap import mmap

import httptools

from armgs_server.errors import Invalid
from armgs_server.trust.endpoint import PIECE, Endpoint, send_text

# Largest answer of a filter.
LONGEST_ANSWER = 1024 * 1024


class _Answer:
    """Gathers what httptools finds."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.is_complete = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.is_complete = True


async def post(
    endpoint: Endpoint, path: str, headers: Sequence[tuple[str, str]], body: bytes | mmap
) -> tuple[int, bytes]:
    """Status and body of the answer; OSError, EOFError, Invalid. The caller bounds the time."""
    host = f"{endpoint.host}:{endpoint.port}" if endpoint.host else "localhost"
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {_one_line(value)}" for name, value in headers]
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    async with endpoint.connected() as (reader, writer):
        writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        await send_text(writer, body)
        while not answer.is_complete:
            data = await reader.read(PIECE)
            if not data:
                raise EOFError("the answer ended early")
            try:
                parser.feed_data(data)
            except httptools.HttpParserError as error:
                raise Invalid("the answer is not HTTP") from error
            if len(answer.body) > LONGEST_ANSWER:
                raise Invalid("the answer is too large")
    return parser.get_status_code(), bytes(answer.body)


def _one_line(value: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in value)
