# SPDX-License-Identifier: Apache-2.0
"""The cables of a host: TCP relays between its daemon and PostgreSQL, NATS and S3 that can be damaged.

They run on a thread of their own, so that a test that waits for a process keeps no cable waiting. A link
that is stalled loses nothing and answers nothing, as a network that has parted does: what was on its way
arrives when it is whole again. One that is cut resets what it carries and refuses the rest.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import uvloop

CHUNK = 65536
WAIT = 15.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
UNAVAILABLE = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Link:
    """One cable; `port` is its end on 127.0.0.1. Made by Links, damaged by the test's thread."""

    def __init__(self, links: Links, dial: Callable[[], Awaitable[Streams]]) -> None:
        self.port = 0
        self._links = links
        self._dial = dial
        self._whole = asyncio.Event()
        self._whole.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()

    def stall(self) -> None:
        """Nothing comes through until `mend`."""
        self._links.call(self._whole.clear)

    def cut(self) -> None:
        """Every connection is reset, and every new one."""

        def now() -> None:
            self._is_cut = True
            for writer in self._writers:
                writer.transport.abort()

        self._links.call(now)

    def mend(self) -> None:
        """As if nothing had been."""

        def now() -> None:
            self._is_cut = False
            self._whole.set()

        self._links.call(now)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the daemon."""
        if self._is_cut:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            await self._whole.wait()
            with suppress(OSError):
                await self._relay((reader, writer))
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _relay(self, near: Streams) -> None:
        far = await self._dial()
        pumps = [
            asyncio.ensure_future(self._pump(near[0], far[1])),
            asyncio.ensure_future(self._pump(far[0], near[1])),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            far[1].transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK):
            await self._whole.wait()
            target.write(data)
            await target.drain()
        await self._whole.wait()  # the end of one direction is the end of the connection


class HttpLink(Link):
    """A cable for HTTP, a request for each connection, which can be slow and fail every so many requests."""

    def __init__(self, links: Links, dial: Callable[[], Awaitable[Streams]]) -> None:
        super().__init__(links, dial)
        self.failed = 0
        self._numbers = itertools.count(1)
        self._failing = 0
        self._delay = 0.0

    def damage(self, *, failing: int, delay: float) -> None:
        """Every `failing`th request is answered 503, each is `delay` seconds late; 0 ends it."""
        self._failing, self._delay = failing, delay

    async def _relay(self, near: Streams) -> None:
        reader, writer = near
        with suppress(asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(self._delay)
            if self._failing and next(self._numbers) % self._failing == 0:
                self.failed += 1
                writer.write(UNAVAILABLE)
                await writer.drain()
                writer.write_eof()
                while await reader.read(CHUNK):  # the body: a close before its end would lose the answer
                    pass
                return
            far = await self._dial()
            line, _, rest = head.partition(b"\r\n")
            far[1].write(line + b"\r\nConnection: close\r\n" + rest)
            upwards = asyncio.ensure_future(self._pump(reader, far[1]))
            try:
                while data := await far[0].read(CHUNK):
                    await self._whole.wait()
                    writer.write(data)
                    await writer.drain()
                writer.write_eof()
                await asyncio.sleep(0)
                writer.close()
                await writer.wait_closed()
            finally:
                upwards.cancel()
                await asyncio.gather(upwards, return_exceptions=True)
                far[1].transport.abort()


class Links:
    """The thread on which all cables run."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()

    def to_tcp(self, port: int) -> Link:
        return self._listen(Link(self, lambda: asyncio.open_connection("127.0.0.1", port)))

    def to_unix(self, path: str) -> Link:
        return self._listen(Link(self, lambda: asyncio.open_unix_connection(path)))

    def to_http(self, port: int) -> HttpLink:
        link = HttpLink(self, lambda: asyncio.open_connection("127.0.0.1", port))
        self._listen(link)
        return link

    def call(self, function: Callable[[], None]) -> None:
        """Runs it on the thread; returns when it is done."""

        async def run() -> None:
            function()

        self._run(run())

    def close(self) -> None:
        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT)
        self._loop.close()

    def _listen(self, link: Link) -> Link:
        async def listen() -> None:
            server = await asyncio.start_server(link.serve, "127.0.0.1", 0, family=socket.AF_INET)
            link.port = server.sockets[0].getsockname()[1]

        self._run(listen())
        return link

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)
