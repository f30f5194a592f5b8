# SPDX-License-Identifier: Apache-2.0
"""POST to a web resource that somebody has named (RFC 9110 §9.3.3), when only the outcome matters.

As with `fetch`, the address is looked up once and checked before the connection. Redirects are not followed,
and of the answer no more than its header is read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import httptools

from armgs_server.config import LimitSettings
from armgs_server.errors import Denied, Temporary
from armgs_server.net.deadlines import Deadlines
from armgs_server.net.dial import dial
from armgs_server.net.fetch import check_url, is_allowed
from armgs_server.net.stream import Stream

_PORTS = {"http": 80, "https": 443}
_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Posted:
    """The answer: its status, and the seconds before another try (Retry-After), 0 if not said."""

    status: int
    retry_after: int


class _Answer:
    """Gathers the header of one answer; httptools calls its methods."""

    def __init__(self) -> None:
        self.retry_after = 0
        self.is_there = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # RFC 9110 §10.2.3: a date is possible as well; who says one is asked again when we think fit
        if name.lower() == b"retry-after" and value.isdigit() and len(value) < 9:
            self.retry_after = int(value)

    def on_headers_complete(self) -> None:
        self.is_there = True


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    limits: LimitSettings,
    timeout: float,
    networks: tuple[str, ...],
) -> Posted:
    """Invalid (no such URL), Denied (an address that is not allowed), Temporary."""
    parts = urlsplit(check_url(url))
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc, "Content-Length": str(len(body)), "Connection": "close", **headers}
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    tls = _context() if parts.scheme == "https" else None
    deadlines = Deadlines(asyncio.get_running_loop())
    try:
        async with asyncio.timeout(timeout):
            address = await _address(host, port, networks)
            stream = await dial(address, port, limits, deadlines, tls=tls, name=host)
            try:
                stream.writelines(["\r\n".join([*lines, "", ""]).encode("latin-1"), body])
                return await _read(stream, timeout)
            finally:
                stream.abort()
    except (OSError, TimeoutError) as error:  # a certificate that is not good is an OSError
        raise Temporary(f"not reached: {str(error) or 'too slow'}") from error
    finally:
        deadlines.close()


async def _read(stream: Stream, timeout: float) -> Posted:
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    received = 0
    try:
        while not answer.is_there:
            data = await stream.read(timeout)
            received += len(data)
            if not data or received > _HEAD:
                raise Temporary("the answer cannot be read")
            parser.feed_data(data)
    except httptools.HttpParserError as error:
        raise Temporary("the answer cannot be read") from error
    return Posted(parser.get_status_code(), answer.retry_after)


async def _address(host: str, port: int, networks: tuple[str, ...]) -> str:
    loop = asyncio.get_running_loop()
    for found in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        address = str(found[4][0])
        if is_allowed(address, networks):
            return address
    raise Denied("the address is not a public one, and not in a network that is allowed")


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
