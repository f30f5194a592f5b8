# SPDX-License-Identifier: Apache-2.0
"""XEP-0124 (BOSH), XEP-0206: one client's stream over many HTTP requests.

A transport (`transport.Transport`) whose bytes come and go in `<body/>` elements. What must always hold:
- requests are taken, and answered, in the order of their `rid` (§14.2); one that comes again gets the answer
  it had (§14.3);
- never more than one request waits, and none longer than `wait` seconds (§8);
- a client that leaves no request waiting for `inactivity` seconds is gone (§10);
- what a client brings faster than it is handled waits with its requests, as it would on a TCP connection;
- nothing is kept for longer than the session, but its last answer for as long again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable

from armgs_server.config import LimitSettings, XmppSettings
from armgs_server.xmpp.framing import ElementReader
from armgs_server.xmpp.protocol import Event, StreamEnd, StreamHeader
from armgs_server.xmpp.xeps.xep_0124_bosh_body import Body, serialise_body
from armgs_server.xmpp.xeps.xep_0124_bosh_requests import Answer, Requests, Unexpected

VERSION = "1.11"
_WINDOW = 2  # §7.2 `requests`: one that waits, and one that brings something
_ANSWER_SIZE = 1 << 18  # payloads of one answer; the rest goes with the next


def refusal(condition: str) -> bytes:
    """§17.2: a terminal binding condition."""
    return serialise_body({"type": "terminate", "condition": condition})


class BoshSession:
    """See the head of this file."""

    def __init__(
        self,
        sid: str,
        first: Body,
        peer: str,
        is_tls: bool,
        settings: XmppSettings,
        limits: LimitSettings,
        on_gone: Callable[[], None],
    ) -> None:
        self.sid = sid
        self.id = secrets.token_hex(4)  # for logs: the sid is a secret (§19.3)
        self.peer = peer
        self.is_tls = is_tls
        self._settings = settings
        self._limits = limits
        self._on_gone = on_gone
        self._loop = asyncio.get_running_loop()
        self._wait = min(settings.bosh_wait, settings.bosh_wait if first.wait is None else first.wait)
        self._hold = 1 if self._wait and first.hold != 0 else 0  # 0: a polling session (§12)
        self._inactivity = settings.bosh_inactivity
        self._requests = Requests(first.rid, _WINDOW, uses_acks=first.ack == 1)
        self._elements = ElementReader(settings.stanza_size_before_login)
        self._events: list[Event] = [StreamHeader(first.to, first.from_, first.version, first.lang)]
        self._unread = 0  # bytes of the payloads in `_events`
        self._has_room: asyncio.Future[None] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._creation: dict[str, str] | None = {}  # until our half of the stream is open
        self._output: deque[bytes] = deque()
        self._final: dict[str, str] | None = None  # attributes of the last answer
        self._is_closed = False
        self._is_flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self.buffered = 0

    # What the route uses.

    async def room(self) -> None:
        """Waits while there is more to be handled than the largest stanza."""
        while self._unread > self._settings.stanza_size and not self._is_closed:
            if self._has_room is None:
                self._has_room = self._loop.create_future()
            await asyncio.shield(self._has_room)

    def take(self, body: Body) -> Answer:
        """One request of the client; its answer comes when there is one."""
        answer: Answer = self._loop.create_future()
        if self._final == {} and body.rid > self._requests.rid:  # all was said
            answer.set_result(refusal("item-not-found"))
            return answer
        try:
            for due in self._requests.take(body, answer):
                self._accept(due)
        except Unexpected:
            answer.set_result(refusal("item-not-found"))
            self._break("item-not-found")
        else:
            self._flush()
        return answer

    def _accept(self, body: Body) -> None:
        """The next request in order."""
        self._inactivity = self._settings.bosh_inactivity
        if body.is_restart:  # XEP-0206 §5: what it carries is ignored
            self._events.append(StreamHeader(body.to, body.from_, body.version, body.lang))
        else:
            self._events += [self._elements.read(payload) for payload in body.payloads]
            self._unread += sum(map(len, body.payloads))
        if body.type == "terminate":
            self._events.append(StreamEnd(is_tag=True))  # §13
        if self._events:
            self._wake()
        if body.pause is not None and body.pause <= self._settings.bosh_pause:
            self._inactivity = body.pause  # §10
            while self._requests.held:
                self._answer([])

    # What a stream uses.

    def channel_binding(self, kind: str) -> bytes | None:
        """None: there are many channels."""
        return None

    def conceal(self, on: bool) -> None:
        """Nothing is traced here: the bodies are those of HTTP."""

    async def receive(self, timeout: float) -> list[Event]:
        if not self._events:
            self._reader = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._reader
            finally:
                self._reader = None
        events, self._events = self._events, []
        self._unread = 0
        self._make_room()
        return events

    def rest(self) -> None:
        self._elements.rest()

    def restart(self, max_stanza_size: int) -> None:
        self._elements = ElementReader(max_stanza_size)

    def allow(self, max_stanza_size: int) -> None:
        self.restart(max_stanza_size)

    async def start_tls(self) -> None:
        """XEP-0206 §2: never offered, so never asked for."""
        raise ConnectionError("TLS is the HTTP connection's")

    def open(self, *, from_: str, stream_id: str, to: str, lang: str) -> None:
        """§7.2, XEP-0206 §4: said with the first answer; a restarted stream is not announced."""
        if self._creation is None:
            return
        self._creation |= {
            "sid": self.sid,
            "wait": str(self._wait),
            "requests": str(self._requests.window),
            "hold": str(self._hold),
            "inactivity": str(self._settings.bosh_inactivity),
            "maxpause": str(self._settings.bosh_pause),
            "ver": VERSION,
            "from": from_,
            "ack": str(self._requests.rid) if self._requests.uses_acks else "",
            "authid": stream_id,
            "xmpp:version": "1.0",
            "xmpp:restartlogic": "true",
        }

    def write(self, data: bytes, /) -> None:
        if self._is_closed or self._final is not None:
            return
        self._output.append(data)
        self.buffered += len(data)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def name_account(self, address: str) -> None:
        """Nobody's: requests come and go, none of them is the session's connection."""

    @property
    def is_slow(self) -> bool:
        return self.buffered > self._limits.write_buffer

    async def drain(self) -> None:
        while self.is_slow and not self._is_closed:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    def end(self, error: bytes = b"") -> None:
        """§13; with an error as XEP-0206 §6 says."""
        if self._final is None:
            if error:
                self._output.append(error)
            self._final = {"type": "terminate", "condition": "remote-stream-error" if error else ""}

    def close(self) -> None:
        """The last answer goes to the oldest request, or to the next one that comes."""
        if self._is_closed:
            return
        if self._final is None:
            self.end()
        self._is_closed = True
        self._flush()
        self._wake()

    def abort(self) -> None:
        self._break("remote-connection-failed")

    # Answering

    def _flush(self) -> None:
        """Answers as many requests as there is something for, and those that may not be held."""
        self._is_flushing = False
        requests = self._requests
        while requests.held and (self._output or self._is_closed) and self._is_open():
            self._answer(self._take_output())
        while len(requests.held) > self._hold and self._is_open():
            self._answer([])
        self._set_timer()

    def _is_open(self) -> bool:
        """The first answer waits for the stream: all that follows needs its `sid`."""
        return self._creation != {} or self._is_closed

    def _take_output(self) -> list[bytes]:
        payloads: list[bytes] = []
        size = 0
        while self._output and (not payloads or size + len(self._output[0]) <= _ANSWER_SIZE):
            payloads.append(self._output.popleft())
            size += len(payloads[-1])
        self.buffered = max(self.buffered - size, 0)
        if self._drained is not None and self.buffered <= self._limits.write_buffer:
            drained, self._drained = self._drained, None
            drained.set_result(None)
        return payloads

    def _answer(self, payloads: list[bytes]) -> None:
        """Answers the oldest request."""
        requests = self._requests
        attributes, self._creation = self._creation or {}, None
        if requests.uses_acks and requests.oldest != requests.rid:
            attributes["ack"] = str(requests.rid)  # §9.1
        if self._is_closed and not self._output and self._final is not None:
            attributes |= self._final
            self._final = {}  # §13: all others get an empty body
        requests.answer(serialise_body(attributes, payloads))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = max(self._wait, 1) if self._requests.held else self._inactivity
        self._timer = self._loop.call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        if self._requests.held and not self._is_closed:
            if self._is_open():
                self._answer([])
            self._set_timer()
        else:
            self._leave()

    # Ending

    def _leave(self) -> None:
        """Nobody is there any more, or everything is said."""
        if self._timer is not None:
            self._timer.cancel()
        self._is_closed = True
        self._requests.release(refusal("item-not-found"))
        self._wake()
        self._on_gone()

    def _break(self, condition: str) -> None:
        """§17.2: the session ends at once, and every request that waits is told."""
        self._requests.release(refusal(condition))
        self._leave()

    def _make_room(self) -> None:
        if self._has_room is not None:
            has_room, self._has_room = self._has_room, None
            has_room.set_result(None)

    def _wake(self) -> None:
        if self._is_closed:
            self._make_room()
            self._events.append(StreamEnd(is_tag=False))
            if self._drained is not None and not self._drained.done():
                self._drained.set_exception(ConnectionResetError("the client has gone"))
                self._drained.exception()  # seen: nobody has to be waiting
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
