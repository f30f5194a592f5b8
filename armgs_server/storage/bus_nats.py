# SPDX-License-Identifier: Apache-2.0
"""The bus between hosts: core NATS, one subject for each topic. NATS keeps nothing; neither need it.

What is published while the link is down is dropped: the hint it carried is found again by `on_gap`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from armgs_server.errors import Unusable
from armgs_server.storage.bus import RemoteBus

PREFIX = "armgs."
CONNECT_TIMEOUT = 5
RECONNECT_WAIT = 1
# Commands waiting for the link, a burst of a busy second; above it messages are dropped, topics never.
QUEUE_LIMIT = 100_000

_log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=20_000)
def subject(topic: str) -> str:
    """The NATS subject of a topic: no dots, blanks or wildcards of its own."""
    return PREFIX + quote(topic, safe="").replace(".", "%2E")


async def check_server(url: str) -> None:
    """Unusable unless one of the servers of a URL answers and lets us in."""
    client, said = Client(), ""

    async def note(error: Exception) -> None:
        nonlocal said
        said = str(error)

    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await client.connect(
                url.split(","),
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_TIMEOUT,
                error_cb=note,
            )
    except (NatsError, OSError, TimeoutError, ValueError) as error:
        said = said or str(error)
        if "authorization" in said.lower():
            reason = "NATS does not let us in. Correct user and password in [store] bus."
        else:
            reason = f"NATS cannot be reached ({said or 'no answer'}). Start it, or correct [store] bus."
        raise Unusable(f"bus at {','.join(_address(each) for each in url.split(','))}: {reason}") from error
    await client.close()


def _address(url: str) -> str:
    """Host and port of a URL, without what may be secret."""
    return url.rpartition("//")[2].rpartition("@")[2]


class NatsBus(RemoteBus):
    """A worker's link to NATS. Commands go through one queue, so their order is kept."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._client = Client()
        self._subscriptions: dict[str, Subscription] = {}
        self._commands: asyncio.Queue[Callable[[], Awaitable[Any]]] = asyncio.Queue()
        self._pump: asyncio.Task[None] | None = None
        self._first_link = asyncio.Event()

    async def start(self) -> None:
        """See RemoteBus.start. Where no server answers in time it goes on trying, without a link."""
        self._pump = asyncio.get_running_loop().create_task(self._run(), name="bus")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._first_link.wait()

    async def stop(self) -> None:
        """See RemoteBus.stop."""
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
        with contextlib.suppress(NatsError):
            await self._client.close()

    def is_linked(self) -> bool:
        """See RemoteBus.is_linked."""
        return self._client.is_connected

    async def settled(self) -> None:
        """Waits until everything asked for so far has reached the server."""
        done = asyncio.get_running_loop().create_future()

        async def flush() -> None:
            await self._client.flush()
            done.set_result(None)

        self._commands.put_nowait(flush)
        await done

    def _join(self, topic: str) -> None:
        async def command() -> None:
            async def heard(message: Msg) -> None:
                self.deliver(topic, message.data)

            self._subscriptions[topic] = await self._client.subscribe(subject(topic), cb=heard)

        self._commands.put_nowait(command)

    def _leave(self, topic: str) -> None:
        async def command() -> None:
            subscription = self._subscriptions.pop(topic, None)
            if subscription is not None:
                await subscription.unsubscribe()

        self._commands.put_nowait(command)

    def _send(self, topic: str, data: bytes) -> None:
        if not self.is_linked() or self._commands.qsize() > QUEUE_LIMIT:
            return
        self._commands.put_nowait(lambda: self._client.publish(subject(topic), data))

    async def _run(self) -> None:
        await self._client.connect(
            self._url.split(","),
            no_echo=True,
            connect_timeout=CONNECT_TIMEOUT,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._reconnected,
            error_cb=self._failed,
        )
        self._first_link.set()
        self._gap()
        while True:
            command = await self._commands.get()
            try:
                await command()
            except (NatsError, OSError, TimeoutError) as error:
                _log.warning("bus command lost error=%r", error)

    async def _disconnected(self) -> None:
        _log.warning("bus lost")

    async def _reconnected(self) -> None:
        _log.info("bus is back")
        self._gap()

    async def _failed(self, error: Exception) -> None:
        _log.warning("bus error=%r", error)
