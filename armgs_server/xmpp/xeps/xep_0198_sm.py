# SPDX-License-Identifier: Apache-2.0
"""XEP-0198: Stream Management: acknowledgement and resumption.

What must always hold: `handled` counts a stanza only after everything it asked for is durable and done,
which the client stream does by counting behind its handler; `queue` holds, in order, the very bytes of
every stanza sent since `acknowledged`; a session that waits to be resumed keeps queueing, up to the limits
`[xmpp] unacknowledged` and `unacknowledged_size`, and what it never acknowledged goes to the offline store
when it ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from armgs_server.net.deadlines import NEVER, Deadlines
from armgs_server.xmpp.stanza import STANZAS, element

if TYPE_CHECKING:
    from armgs_server.xmpp.session import Session

NAMESPACE = "urn:xmpp:sm:3"
STREAM_FEATURES = f"<sm xmlns='{NAMESPACE}'/>".encode()
_MODULUS = 1 << 32  # §4: counters wrap
_REQUEST = f"<r xmlns='{NAMESPACE}'/>".encode()
# A client is asked after this many stanzas, or after this pause: not for each of them.
_STANZAS_A_REQUEST = 20
_PAUSE = 2.0


class TooHighCount(Exception):
    """§4: the client acknowledges more than was sent; a stream error."""

    def __init__(self, h: int, sent: int) -> None:
        super().__init__(f"{h} of {sent}")
        self.h = h
        self.sent = sent


class Management:
    """Both counters of one session and what it has not acknowledged."""

    __slots__ = (
        "_asked",
        "_session",
        "acknowledged",
        "deadline",
        "deadlines",
        "handled",
        "id",
        "is_resumable",
        "limit",
        "on_overflow",
        "queue",
        "size",
        "size_limit",
        "slot",
    )

    def __init__(self, *, is_resumable: bool, limit: int, size_limit: int) -> None:
        self.id = secrets.token_urlsafe(18)
        self.is_resumable = is_resumable
        self.limit = limit
        self.size_limit = size_limit
        self.on_overflow: Callable[[Session], None]
        self.deadlines: Deadlines
        self.deadline = NEVER  # when the client is asked, if not before
        self.slot = 0
        self.handled = 0
        self.acknowledged = 0
        self.queue: list[bytes] = []  # mostly empty, and a deque takes 760 bytes then
        self.size = 0  # bytes in the queue
        self._asked = 0  # stanzas sent since the last request
        self._session: Session | None = None  # whose client is to be asked

    def sent(self, data: bytes, session: Session) -> None:
        """Keeps a stanza that was written, or would have been; asks for an answer from time to time."""
        self.queue.append(data)
        self.size += len(data)
        if len(self.queue) > self.limit or self.size > self.size_limit:
            # A client that acknowledges nothing is given up; what waits goes to the offline store.
            self.is_resumable = False
            self.on_overflow(session)
            return
        if session.stream is None:
            return
        self._asked += 1
        if self._asked >= _STANZAS_A_REQUEST:
            self._ask(session)
        elif self.deadline == NEVER:
            self._session = session
            self.deadlines.watch_for(self, _PAUSE)

    def acknowledge(self, h: int) -> None:
        """§4: the client has handled `h` stanzas in all."""
        count = (h - self.acknowledged) % _MODULUS
        if count > len(self.queue):
            raise TooHighCount(h, (self.acknowledged + len(self.queue)) % _MODULUS)
        self.size -= sum(map(len, self.queue[:count]))
        del self.queue[:count]
        self.acknowledged = h

    def restore(self, acknowledged: int, queue: Iterable[bytes]) -> None:
        """Goes on where another process stopped."""
        self.acknowledged = acknowledged
        self.queue = list(queue)
        self.size = sum(map(len, self.queue))

    def count_handled(self, stanzas: int = 1) -> None:
        """Stanzas of the client that have been handled to the end."""
        self.handled = (self.handled + stanzas) % _MODULUS

    def answer(self) -> bytes:
        """§4: `<a/>`."""
        return f"<a xmlns='{NAMESPACE}' h='{self.handled}'/>".encode()

    def resend(self, session: Session) -> None:
        """§5: after `<resumed/>` everything not acknowledged is sent again."""
        for data in self.queue:
            session.write(data)
        if self.queue:
            self._ask(session)

    def stop(self) -> None:
        """Nobody is asked any more."""
        self.deadline, self._session = NEVER, None

    def _ask(self, session: Session) -> None:
        self.stop()
        self._asked = 0
        session.write(_REQUEST)

    def deadline_passed(self) -> None:
        """The pause is over."""
        session, self._session = self._session, None
        if self.queue and session is not None:
            self._ask(session)


class Departed(Management):
    """In place of the counters of a session that has gone elsewhere: what still comes is sent after it."""

    __slots__ = ("_forward",)

    def __init__(self, forward: Callable[[bytes], None]) -> None:
        super().__init__(is_resumable=False, limit=0, size_limit=0)
        self._forward = forward

    def sent(self, data: bytes, session: Session) -> None:
        self._forward(data)


def enabled(management: Management, resume_time: float) -> bytes:
    """§3: the answer to `<enable/>`."""
    attributes = {"xmlns": NAMESPACE}
    if management.is_resumable:
        attributes |= {"id": management.id, "resume": "true", "max": str(int(resume_time))}
    return element("enabled", attributes)


def resumed(management: Management) -> bytes:
    """§5."""
    return element("resumed", {"xmlns": NAMESPACE, "previd": management.id, "h": str(management.handled)})


def failed(condition: str, handled: int | None = None) -> bytes:
    """§3, §5: neither enabled nor resumed; `handled` where the ended session is still known."""
    attributes = {"xmlns": NAMESPACE, "h": "" if handled is None else str(handled)}
    return element("failed", attributes, element(condition, {"xmlns": STANZAS}))


def too_high(error: TooHighCount) -> bytes:
    """§4: the application-specific condition of the stream error."""
    return element(
        "handled-count-too-high", {"xmlns": NAMESPACE, "h": str(error.h), "send-count": str(error.sent)}
    )
