# SPDX-License-Identifier: Apache-2.0
"""Where figures and connections are read: HTTP/1.0 on sockets of its own, one request a connection.

Apart from the services' listeners: it is there in the supervisor as well, which serves nobody else, and what
goes wrong in it harms no client. A request is read up to its limits and within its time, then answered.
Names of people are told on the Unix socket in the data folder only, which nobody but the daemon's user opens.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from armgs_server import log
from armgs_server.config import Config, MetricsSettings
from armgs_server.errors import Invalid
from armgs_server.metrics.inquiry import Asker
from armgs_server.metrics.snapshot import from_json, total
from armgs_server.unix_socket import bind_unix

SOCKET = "daemon.sock"
REQUEST_LIMIT = 8192  # bytes of a request's head
PATIENCE = 5.0  # seconds for it to come, and for the answer to be taken
AT_ONCE = 8  # connections on their way; more wait in the backlog

_log = log.get("metrics")

Page = Callable[[], Awaitable[tuple[str, bytes]]]  # content type, content


class Site:
    """From `start` to `stop`."""

    def __init__(self, settings: MetricsSettings, data_dir: Path, ask: Asker) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._ask = ask
        self._servers: list[asyncio.Server] = []
        self._room = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """Listens; what is left of a daemon that was killed is replaced. OSError."""
        figures: dict[str, Page] = {"/metrics": self._figures}
        everything = {**figures, "/figures": self._snapshot, "/connections": self._connections}
        await self._listen(bind_unix(self._data_dir / SOCKET), everything)
        for place in self._settings.listen:
            sock = bind_unix(Path(place)) if place.startswith("/") else _bind_tcp(place)
            await self._listen(sock, figures)

    async def stop(self) -> None:
        """No more; the sockets' names go."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        (self._data_dir / SOCKET).unlink(missing_ok=True)

    async def _listen(self, sock: socket.socket, pages: dict[str, Page]) -> None:
        serve = partial(self._serve, pages)
        start = asyncio.start_unix_server if sock.family == socket.AF_UNIX else asyncio.start_server
        self._servers.append(await start(serve, sock=sock, limit=REQUEST_LIMIT))

    async def _serve(
        self, pages: dict[str, Page], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with self._room, asyncio.timeout(PATIENCE + self._settings.timeout):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(pages, head))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            _log.debug("no request for figures", error=error)
        finally:
            writer.close()

    async def _figures(self) -> tuple[str, bytes]:
        from armgs_server.metrics import exposition  # 4 MB that workers beside a supervisor never need

        told = await self._ask("figures")
        # Tens of milliseconds: a daemon of one process has clients waiting.
        page = await asyncio.to_thread(exposition.expose, total(map(from_json, told)))
        return exposition.CONTENT_TYPE, page

    async def _snapshot(self) -> tuple[str, bytes]:
        told = await self._ask("figures")
        return "application/json", json.dumps(total(map(from_json, told)).as_json()).encode()

    async def _connections(self) -> tuple[str, bytes]:
        told = await self._ask("connections")
        found = [connection for each in told for connection in each]
        return "application/json", json.dumps(found).encode()


async def _answer(pages: dict[str, Page], head: bytes) -> bytes:
    """RFC 9112 §3: only the request line matters."""
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    page = pages.get(rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1"))
    if page is None:
        return _response(b"404 Not Found", "text/plain", b"Not found\n")
    if method not in (b"GET", b"HEAD"):
        return _response(b"405 Method Not Allowed", "text/plain", b"GET\n")
    kind, content = await page()
    return _response(b"200 OK", kind, content, with_content=method == b"GET")


def _response(status: bytes, kind: str, content: bytes, *, with_content: bool = True) -> bytes:
    head = (
        f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return b"HTTP/1.1 %s\r\n%s%s" % (status, head.encode(), content if with_content else b"")


def parse_place(place: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPV6]:PORT`. Invalid."""
    host, _, port = place.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise Invalid(f"[metrics] listen: {place!r} is neither HOST:PORT nor the path of a socket")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _bind_tcp(place: str) -> socket.socket:
    host, port = parse_place(place)
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


def check(config: Config) -> None:
    """Invalid where a place to listen is none."""
    for place in config.metrics.listen:
        if not place.startswith("/"):
            parse_place(place)
