# SPDX-License-Identifier: Apache-2.0
"""Sending on: 5 KB from submission through the queue to another server, which acknowledges and forgets."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bench.common import BenchServer, Row, address, main, server, timed
from bench.smtp import CONNECTIONS, MESSAGES, Sender

ELSEWHERE = "other.example"
_IDENTITY = re.compile(rb"^Message-ID: <(\d+)\.bench@", re.MULTILINE)


class Peer:
    """The other server: as much of SMTP as it takes, and who waits for which message."""

    def __init__(self) -> None:
        self.port = 0
        self._arrived: dict[int, asyncio.Event] = {}

    async def arrival(self, number: int) -> None:
        """Returns when the message is here."""
        event = self._arrived.setdefault(number, asyncio.Event())
        async with asyncio.timeout(60):
            await event.wait()
        del self._arrived[number]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        writer.write(b"220 peer\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-peer\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
            elif verb == b"DATA":
                writer.write(b"354 Go\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 Taken\r\n")
                found = _IDENTITY.search(text)
                assert found is not None
                self._arrived.setdefault(int(found[1]), asyncio.Event()).set()
            else:
                writer.write(b"221 Bye\r\n" if verb == b"QUIT" else b"250 OK\r\n")
                if verb == b"QUIT":
                    break
        writer.close()


class Submitter(Sender):
    """Submits a message to somebody elsewhere, and waits until it is there."""

    def through(self, peer: Peer) -> Callable[[], Awaitable[None]]:
        """One operation."""

        async def operation() -> None:
            await self.pipelined()
            await peer.arrival(self._number)

        return operation


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[Peer]:
    """The peer on a free port."""
    listener = await asyncio.start_server(peer.serve, "127.0.0.1", 0, limit=1 << 20)
    peer.port = listener.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        listener.close()


async def measure() -> list[Row]:
    """From the 250 of submission to the other server, durable in between."""
    async with listening(Peer()) as peer:
        settings = {"smtp": {"relay_routes": [f"{ELSEWHERE}=127.0.0.1:{peer.port}"]}}
        async with server(CONNECTIONS, settings=settings) as bench:
            return [await _sent_on(bench, peer)]


async def _sent_on(bench: BenchServer, peer: Peer) -> Row:
    operations = []
    for worker in range(CONNECTIONS):
        submitter = await Submitter.connect(bench, worker, 587)
        assert isinstance(submitter, Submitter)
        await submitter.login(address(1))
        submitter.to(lambda number: f"x@{ELSEWHERE}", sender=address(1))
        operations.append(submitter.through(peer))
    await asyncio.gather(*(operation() for operation in operations))  # caches are warm
    return await timed(bench, "smtp: 5 KB sent on to another server", "message", MESSAGES // 4, operations)


if __name__ == "__main__":
    main(measure)
