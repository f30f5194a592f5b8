# SPDX-License-Identifier: Apache-2.0
"""The body of a request between the parser that fills it and the handler that reads it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

_CHUNK_OVERHEAD = 64  # what one bytes object costs beside its bytes: a flood of tiny chunks must count


class BodyTimeout(TimeoutError):
    """The client did not send the body in time."""


class ClientGone(ConnectionError):
    """The client has left in the middle of a request."""


class BodySource(Protocol):
    """The connection, as the body sees it."""

    def body_wanted(self) -> None:
        """The handler waits for bytes: 100 Continue may be due, and the clock runs."""

    def body_taken(self) -> None:
        """Bytes were taken: there may be room to read on."""

    def inform(self, head: bytes) -> None:
        """An interim answer for the client, ready to send."""


class Body:
    """Bounded by its source, which stops reading while `buffered` is above the limit."""

    __slots__ = (
        "_chunks",
        "_error",
        "_source",
        "_waiter",
        "buffered",
        "discarded",
        "discarding",
        "is_complete",
    )

    def __init__(self, source: BodySource) -> None:
        self.buffered = 0
        self.is_complete = False
        self.discarding = False
        self.discarded = 0
        self._source = source
        self._chunks: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    # The parser's side.

    def feed(self, data: bytes) -> None:
        if self.discarding or self._error is not None:
            self.discarded += len(data)
            return
        self._chunks.append(data)
        self.buffered += len(data) + _CHUNK_OVERHEAD
        self._wake()

    def complete(self) -> None:
        self.is_complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """The rest will never come: the reader gets this error."""
        if not self.is_complete and self._error is None:
            self._error = error
            self._wake()

    @property
    def is_failed(self) -> bool:
        return self._error is not None

    @property
    def is_awaited(self) -> bool:
        return self._waiter is not None

    def discard(self) -> None:
        """The handler has answered; what still comes is nobody's."""
        self.discarding = True
        self._chunks.clear()
        self.buffered = 0

    # The handler's side.

    def inform(self, head: bytes) -> None:
        """RFC 9110 §15.2: an interim answer while the body is still coming."""
        self._source.inform(head)

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            if self._chunks:
                data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
                self._chunks.clear()
                self.buffered = 0
                self._source.body_taken()
                yield data
            elif self.is_complete:
                return
            elif self._error is not None:
                raise self._error
            else:
                await self._wait()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._source.body_wanted()
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
