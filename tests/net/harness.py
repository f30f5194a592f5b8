# SPDX-License-Identifier: Apache-2.0
"""Starts listeners with given sessions or handlers, and connects to them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from armgs_server.config import Config, HttpSettings, LimitSettings, LogSettings, ServerSettings
from armgs_server.net.http import Handler, Router
from armgs_server.net.server import Server
from armgs_server.net.sockets import bind
from armgs_server.net.stream import Listener, Security, Stream
from armgs_server.net.tls import TlsContexts

HOST = "127.0.0.1"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Harness:
    """One server; `configure` before the first listener."""

    def __init__(self, certificates: Path) -> None:
        self.certificates = certificates
        self._writers: list[asyncio.StreamWriter] = []
        self._server: Server | None = None
        self._config = Config(Path("."))

    def configure(
        self,
        *,
        http: Mapping[str, Any] | None = None,
        limits: Mapping[str, Any] | None = None,
        log: Mapping[str, Any] | None = None,
        server: ServerSettings | None = None,
    ) -> None:
        self._config = Config(
            Path("."),
            server=server or ServerSettings(),
            http=HttpSettings(**(http or {})),
            limits=LimitSettings(**(limits or {})),
            log=LogSettings(**(log or {})),
        )

    @property
    def server(self) -> Server:
        if self._server is None:
            tls = TlsContexts(self.certificates / "server.crt", self.certificates / "server.key")
            self._server = Server(self._config, tls)
        return self._server

    def serve(
        self,
        connect: Callable[[Stream], Awaitable[None]],
        *,
        tls: Security = "none",
        refusal: bytes = b"",
    ) -> int:
        """Listens with this session; the port."""
        sock = bind(HOST, 0)
        port: int = sock.getsockname()[1]
        self.server.listen(Listener("imap", port, tls, connect, refusal), sock)
        return port

    def serve_http(self, handler: Handler, *, secure: bool = False) -> int:
        router = Router()
        router.add("/", handler)
        sock = bind(HOST, 0)
        port: int = sock.getsockname()[1]
        self.server.listen_http("http", router, sock, secure=secure)
        return port

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificates / "ca.crt"))

    async def connect(self, port: int, *, secure: bool = False) -> Connection:
        context = self.client_context() if secure else None
        reader, writer = await asyncio.open_connection(
            HOST, port, ssl=context, server_hostname="localhost" if secure else None
        )
        self._writers.append(writer)
        return reader, writer

    async def exchange(self, port: int, data: bytes, *, secure: bool = False) -> bytes:
        """Sends bytes and returns all that comes until the server closes."""
        reader, writer = await self.connect(port, secure=secure)
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 10)

    async def stop(self) -> None:
        for writer in self._writers:
            writer.close()
        if self._server is not None:
            await self._server.stop(2)


def small_receive_socket(port: int) -> socket.socket:
    """A connected socket whose receive buffer is small, so that a peer that does not read is felt soon."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((HOST, port))
    return sock


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
