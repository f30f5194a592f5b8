# SPDX-License-Identifier: Apache-2.0
"""What chat sessions do together: each writes to the next one (`Ring`), or all hear one (`Audience`)."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import deque
from collections.abc import Callable, Sequence

from bench.chat import Session

BODY = "Совещание переносится на 15:00, подтвердите, пожалуйста, получение."
HEARING_TIMEOUT = 120.0
IN_FLIGHT = 4


class Ring:
    """Each session writes to the next; `record` is called with the seconds of each message on its way."""

    def __init__(self, sessions: Sequence[Session], record: Callable[[float], None]) -> None:
        self._sessions = sessions
        self._record = record
        self._left = 0
        self._under_way = 0
        self._is_closed_loop = True
        self._number = 0
        self._sent: list[deque[float]] = [deque() for _ in sessions]
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._messages = []
        for number in range(len(sessions)):
            to = sessions[(number + 1) % len(sessions)]
            to.on_mark = functools.partial(self._arrived, number)
            self._messages.append(_message(to.address))

    async def run(self, count: int, in_flight: int = IN_FLIGHT) -> None:
        """So many messages, as fast as they arrive with `in_flight` of each sender under way."""
        self._is_closed_loop = True
        self._left = count
        self._done = asyncio.get_running_loop().create_future()
        for _ in range(in_flight):
            for sender in range(len(self._sessions)):
                self._send(sender)
        await self._done

    async def pace(self, rate: float, seconds: float) -> None:
        """So many a second, whether they arrive or not."""
        self._done = asyncio.get_running_loop().create_future()
        self._is_closed_loop = False
        self._left = int(rate * seconds)
        loop = asyncio.get_running_loop()
        begun, sent = loop.time(), 0
        while self._left > 0:
            due = min(int((loop.time() - begun) * rate) + 1 - sent, self._left)
            for number in range(sent, sent + due):
                self._send(number % len(self._sessions))
            sent += due
            await asyncio.sleep(0.001)
        await self._done

    def _send(self, sender: int) -> None:
        if self._left <= 0:
            return
        self._left -= 1
        self._under_way += 1
        self._number += 1
        self._sent[sender].append(time.perf_counter())
        self._sessions[sender].transport.write(self._messages[sender] % (self._number, self._number))

    def _arrived(self, sender: int, count: int) -> None:
        now = time.perf_counter()
        for _ in range(count):
            self._record(now - self._sent[sender].popleft())
            self._under_way -= 1
            if self._is_closed_loop:
                self._send(sender)
        if not self._under_way and self._left <= 0 and not self._done.done():
            self._done.set_result(None)


class Audience:
    """Sessions that all hear the same."""

    def __init__(self, sessions: Sequence[Session], mark: bytes = b"<body>") -> None:
        self._count = len(sessions)
        self._missing = 0
        self._heard = asyncio.Event()
        for session in sessions:
            session.mark = mark
            session.on_mark = self._hear

    async def hear(self, say: Callable[[], None]) -> None:
        """Returns when each has heard what `say` sends."""
        self._missing = self._count
        self._heard.clear()
        say()
        async with asyncio.timeout(HEARING_TIMEOUT):
            await self._heard.wait()

    def _hear(self, count: int) -> None:
        self._missing -= count
        if self._missing == 0:
            self._heard.set()


def _message(to: str) -> bytes:
    """A message of 330 bytes, to be filled with its number twice."""
    return (
        f"<message to='{to}' type='chat' id='%d'><body>{BODY}</body>"
        "<origin-id xmlns='urn:xmpp:sid:0' id='%d'/><request xmlns='urn:xmpp:receipts'/></message>"
    ).encode()
