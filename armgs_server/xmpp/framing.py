# SPDX-License-Identifier: Apache-2.0
"""Elements that travel one by one instead of inside one long document: RFC 7395 §3.3, XEP-0206 §2.

What comes is read by the parser of streams, behind a root that declares no default namespace: whatever an
element leans on it must declare itself. What goes out is declared on its own tag, without being parsed.
"""

from __future__ import annotations

from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.protocol import Event, Protocol, StreamEnd, StreamHeader
from armgs_server.xmpp.stanza import CLIENT, STREAM, XML_LANG, Stanza, element

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
_PREAMBLE = f"<stream:stream xmlns:stream='{STREAM}'>".encode()
_NOT_ONE = Fault("bad-format", "one whole element is expected")
_CLIENT_DECLARED = f" xmlns='{CLIENT}'".encode()
_STREAM_DECLARED = f" xmlns:stream='{STREAM}'".encode()
# What we send without a namespace of its own, and the declaration that it leans on.
_LEANING = (
    (b"<message", _CLIENT_DECLARED),
    (b"<presence", _CLIENT_DECLARED),
    (b"<iq", _CLIENT_DECLARED),
    (b"<stream:features", _STREAM_DECLARED),
    (b"<stream:error", _STREAM_DECLARED),
)


class ElementReader:
    """Reads one element at a time; after a `Fault` it must not be used again."""

    __slots__ = ("_max_size", "_protocol")

    def __init__(self, max_stanza_size: int) -> None:
        self._max_size = max_stanza_size
        self._protocol: Protocol | None = None

    def read(self, data: bytes) -> Event:
        """The element that these bytes are, no more and no less."""
        protocol = self._protocol
        if protocol is None:
            protocol = self._protocol = Protocol(max_stanza_size=self._max_size)
            protocol.receive_data(_PREAMBLE)
            protocol.events()  # the header of the preamble
        if not data.startswith(b"<"):
            return _NOT_ONE  # RFC 7395 §3.3.1: also no white space before it
        protocol.receive_data(data)
        events = protocol.events()
        for event in events:
            if isinstance(event, Fault):
                return event
        if len(events) != 1 or not isinstance(events[0], Stanza) or not protocol.is_between_stanzas:
            return _NOT_ONE
        return _framing_event(events[0])

    def rest(self) -> None:
        """Drops the parser; the next element makes a new one."""
        if self._protocol is not None:
            self._protocol.rest()
            self._protocol = None


def _framing_event(stanza: Stanza) -> Event:
    """RFC 7395 §3.3.3: `<open/>` and `<close/>` are what tags of the root are over TCP."""
    if stanza.xmlns != FRAMING:
        return stanza
    attributes = stanza.attributes
    if stanza.name == "open":
        return StreamHeader(
            attributes.get("to", ""),
            attributes.get("from", ""),
            attributes.get("version", ""),
            attributes.get(XML_LANG, ""),
        )
    return StreamEnd(is_tag=True) if stanza.name == "close" else stanza


def declared(data: bytes) -> bytes:
    """One element as we write it, with the namespace it leans on declared on its own tag."""
    for start, declaration in _LEANING:
        if data.startswith(start):
            size = len(start)
            if data.startswith(b" xmlns", size):
                return data
            return b"".join((start, declaration, data[size:]))
    return data


def open_frame(*, from_: str, stream_id: str, to: str, lang: str) -> bytes:
    """RFC 7395 §3.3.3, §3.4."""
    attributes = {"xmlns": FRAMING, "from": from_, "to": to, "id": stream_id, "version": "1.0"}
    return element("open", {**attributes, "xml:lang": lang})


def close_frame(see_other_uri: str = "") -> bytes:
    """RFC 7395 §3.6; §3.6.1 where the client is to go on elsewhere."""
    return element("close", {"xmlns": FRAMING, "see-other-uri": see_other_uri})
