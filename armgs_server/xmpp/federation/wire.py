# SPDX-License-Identifier: Apache-2.0
"""A stream between two servers as elements: RFC 6120 §4 with `jabber:server` as content namespace."""

from __future__ import annotations

import re
from collections import deque

from armgs_server.errors import Invalid
from armgs_server.formats.xmltree import quote
from armgs_server.net.stream import Stream
from armgs_server.xmpp.content import SERVER, head_in_content, in_content
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.protocol import Event, Protocol, StreamEnd, parse_stanza
from armgs_server.xmpp.stanza import CLIENT, START_TAG, STREAM, stream_error
from armgs_server.xmpp.xeps import xep_0220_dialback

END = b"</stream:stream>"
_ATTRIBUTE = re.compile(rb"\s([\w:.-]+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\")")


class Wire:
    """Reads and writes one connection; what is read ahead is kept."""

    __slots__ = ("_events", "_limit", "_protocol", "stream")

    def __init__(self, stream: Stream, limit: int) -> None:
        self.stream = stream
        self._limit = limit
        self._events: deque[Event] = deque()
        self.restart()

    def restart(self) -> None:
        """RFC 6120 §4.3.3: what comes next is a new stream."""
        self._protocol = Protocol(max_stanza_size=self._limit, content=SERVER)

    def allow(self, limit: int) -> None:
        """The other side is known now: its stanzas may be larger."""
        self._limit = self._protocol.max_stanza_size = limit

    @property
    def has_more(self) -> bool:
        """Whether something was read that nobody has taken."""
        return bool(self._events)

    async def read(self, timeout: float) -> tuple[list[Event], int]:
        """What has come next, and in how many bytes; TimeoutError."""
        data = await self.stream.read(timeout)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._events.extend(self._protocol.events())
        if not data and not self._events:
            self._events.append(StreamEnd(is_tag=False))
        events = list(self._events)
        self._events.clear()
        return events, len(data)

    async def next(self, timeout: float) -> Event:
        """The next element or the end; TimeoutError."""
        while not self._events:
            events, _ = await self.read(timeout)
            self._events.extend(events)
        return self._events.popleft()

    def open(self, ours: str, theirs: str, stream_id: str = "") -> None:
        """RFC 6120 §4.7: our half of the stream; who answers names the stream."""
        to = f" to='{quote(theirs)}'" if theirs else ""
        id_ = f" id='{quote(stream_id)}'" if stream_id else ""
        header = (
            f"<?xml version='1.0'?><stream:stream xmlns='{SERVER}' xmlns:stream='{STREAM}' "
            f"xmlns:db='{xep_0220_dialback.NAMESPACE}' from='{quote(ours)}'{to}{id_} version='1.0' "
            "xml:lang='en'>"
        )
        self.stream.write(header.encode())

    def write(self, data: bytes) -> None:
        self.stream.write(data)

    def fail(self, condition: str, text: str = "") -> None:
        """RFC 6120 §4.9.1."""
        self.stream.write(stream_error(condition, text) + END)
        self.stream.close()


def to_server(data: bytes) -> bytes:
    """A stanza of ours as it is said on such a stream."""
    data = head_in_content(data)
    if CLIENT.encode() in data:
        return in_content(parse_stanza(data))
    return data


def domains_of(data: bytes) -> tuple[str, str]:
    """The domains of `from` and `to` in the start tag of a stanza of ours."""
    match = START_TAG.match(data)
    if match is None:
        raise Invalid("not a stanza")
    found = {name: single or double for name, single, double in _ATTRIBUTE.findall(match[0])}
    return _domain(found.get(b"from", b"")), _domain(found.get(b"to", b""))


def _domain(value: bytes) -> str:
    """Addresses are normalised and escaped already; neither part of a bare JID can hold a quote."""
    if not value:
        return ""
    bare = value.partition(b"/")[0].decode()
    return bare.partition("@")[2] if "@" in bare else parse(bare).domain
