# SPDX-License-Identifier: Apache-2.0
"""HTTP alone: the CPU of a trivial request, of a large body each way, and of TLS; idle connections."""

import asyncio

from bench.common import HOST, BenchServer, Row, idle_memory, main, server, timed

_COUNT = 20000
_REQUEST = (
    b"GET /.well-known/host-meta HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    b"Accept-Encoding: identity\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n"
)


class _Client:
    """One keep-alive connection that sends the same request again and again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pipelined: int) -> None:
        self._reader = reader
        self._writer = writer
        self._pipelined = pipelined
        self._answer = 0

    async def request(self) -> None:
        if not self._answer:
            self._writer.write(_REQUEST)
            head = await self._reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            length = int(fields[b"Content-Length"])
            await self._reader.readexactly(length)
            self._answer = len(head) + length
            return
        self._writer.write(_REQUEST * self._pipelined)
        await self._reader.readexactly(self._answer * self._pipelined)


async def _requests(bench: BenchServer, name: str, *, secure: bool, connections: int, pipelined: int) -> Row:
    context = bench.client_context() if secure else None
    clients = []
    for _ in range(connections):
        reader, writer = await asyncio.open_connection(
            HOST,
            bench.port(443 if secure else 80),
            ssl=context,
            server_hostname="localhost" if secure else None,
        )
        clients.append(_Client(reader, writer, pipelined))
    for client in clients:
        await client.request()
    count = _COUNT // pipelined
    row = await timed(bench, name, "request", count, [client.request for client in clients])
    assert row.cpu_ms is not None and row.rate is not None
    return Row(row.name, row.unit, row.cpu_ms / pipelined, row.rate * pipelined, row.p50, row.p99, row.memory)


async def measure() -> list[Row]:
    rows = []
    async with server() as bench:
        for name, secure, connections, pipelined in (
            ("HTTP trivial GET, 1 connection", False, 1, 1),
            ("HTTP trivial GET, 20 connections", False, 20, 1),
            ("HTTP trivial GET, 20 connections, 8 pipelined", False, 20, 8),
            ("HTTPS trivial GET, 20 connections", True, 20, 1),
        ):
            rows.append(
                await _requests(bench, name, secure=secure, connections=connections, pipelined=pipelined)
            )
        context = bench.client_context()
        rows.append(
            await idle_memory(
                bench, "HTTP idle connection", 1000, lambda _: asyncio.open_connection(HOST, bench.port(80))
            )
        )
        rows.append(
            await idle_memory(
                bench,
                "HTTPS idle connection (handshake included)",
                500,
                lambda _: asyncio.open_connection(
                    HOST, bench.port(443), ssl=context, server_hostname="localhost"
                ),
            )
        )
    return rows


if __name__ == "__main__":
    main(measure)
