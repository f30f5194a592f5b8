# SPDX-License-Identifier: Apache-2.0
"""The stream as bytes: RFC 6120 §4 and §11, without I/O. Bytes in, stream header and stanzas out.

Expat checks well-formedness and tells where each child of the root begins and ends; the bytes between
are the stanza (`stanza.Stanza`). What must always hold:
- a DTD, comment, processing instruction or entity other than the five predefined ends the stream
  (RFC 6120 §11.1), as does anything that is not well-formed or not UTF-8;
- the bytes held for an unfinished stanza never exceed `max_stanza_size` by more than one `_SLICE`;
- a stanza that leans on a prefix declared on the root (or on its own tag) is written anew, so that
  `Stanza.raw` means the same on any other stream;
- after `Fault` or `StreamEnd` nothing more is parsed.
Everything that is sent is ready bytes (`stanza.py`), so there is no `data_to_send`.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

from armgs_server.errors import Invalid
from armgs_server.formats.xmltree import quote
from armgs_server.xmpp.content import adopted
from armgs_server.xmpp.faults import Broken, Fault, fault_of, on_restricted, on_xml_declaration
from armgs_server.xmpp.prefixes import MAX_DEPTH, rewritten
from armgs_server.xmpp.stanza import CLIENT, START_TAG, STREAM, XML_LANG, Mark, Stanza

_SLICE = 1 << 16  # fed to expat at once
_WHITESPACE = b" \t\r\n"
_CANNED = f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}'>"
_NO_ATTRIBUTES: dict[str, str] = {}  # never filled
_STANZA_DEPTH = 1
_CHILD_DEPTH = 2


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """The start tag of the root."""

    to: str
    from_: str
    version: str
    lang: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """`</stream:stream>`, or the mere end of the bytes."""

    is_tag: bool


Event = StreamHeader | Stanza | StreamEnd | Fault


class Protocol:
    """One inbound stream. `restart` begins the next one on the same connection (RFC 6120 §4.3.3)."""

    __slots__ = (
        "_attributes",
        "_base",
        "_buffer",
        "_child_start",
        "_content",
        "_depth",
        "_events",
        "_is_closed",
        "_marks",
        "_name",
        "_needs_rewrite",
        "_parser",
        "_prefixes",
        "_start",
        "max_stanza_size",
    )  # fmt: skip

    def __init__(self, *, max_stanza_size: int, content: str = CLIENT) -> None:
        self.max_stanza_size = max_stanza_size
        self._content = content
        self._events: list[Event] = []
        self.restart()

    def restart(self) -> None:
        self._parser: expat.XMLParserType | None = self._new_parser()
        self._buffer = bytearray()
        self._base = 0  # expat's index of the first byte in the buffer
        self._depth = 0
        self._start = 0  # expat's index where the open stanza begins
        self._name = ""
        self._attributes = _NO_ATTRIBUTES
        self._marks: list[Mark] = []
        self._child_start = 0
        self._prefixes: dict[str, str] = {}  # declared on the root, less the two we always declare
        self._needs_rewrite = False
        self._is_closed = False

    def receive_data(self, data: bytes) -> None:
        for position in range(0, len(data), _SLICE):
            self._feed(data[position : position + _SLICE])

    def receive_eof(self) -> None:
        if not self._is_closed:
            self._close(StreamEnd(is_tag=False))

    def events(self) -> list[Event]:
        """What has happened since the last call."""
        events, self._events = self._events, []
        return events

    @property
    def is_between_stanzas(self) -> bool:
        """Whether the bytes so far end with a whole element."""
        return self._depth == _STANZA_DEPTH and not self._buffer and not self._is_closed

    def rest(self) -> None:
        """Drop the parser (8 KB) of a stream that is quiet, or over; the next byte makes a new one."""
        if self._is_closed or self.is_between_stanzas:
            self._parser = None  # its handlers are ours: else the two would wait for the collector together
            self._attributes, self._marks, self._buffer = _NO_ATTRIBUTES, [], bytearray()

    def _feed(self, data: bytes) -> None:
        if self._is_closed:
            return
        if self._parser is None:
            self._wake()
        assert self._parser is not None
        self._buffer += data
        try:
            self._parser.Parse(data, False)
            self._check_rest()
        except Broken as error:
            self._close(error.fault)
        except expat.ExpatError as error:
            self._close(fault_of(error))

    def _check_rest(self) -> None:
        """Between stanzas only white space may lie (RFC 6120 §4.6.1, §11.7); an open one must stay small."""
        if self._depth > _STANZA_DEPTH:
            drop = self._start - self._base
            if len(self._buffer) - drop > self.max_stanza_size:
                raise Broken("policy-violation", f"stanza larger than {self.max_stanza_size} bytes")
            del self._buffer[:drop]
            self._base += drop
        elif not self._buffer:
            return
        elif self._depth == _STANZA_DEPTH:
            # An unfinished tag stays: expat has not told of it yet.
            rest = self._buffer.lstrip(_WHITESPACE)
            if rest and not rest.startswith(b"<"):
                raise Broken("bad-format", "text between stanzas")
            if len(rest) > self.max_stanza_size:
                raise Broken("policy-violation", f"stanza larger than {self.max_stanza_size} bytes")
            self._base += len(self._buffer) - len(rest)
            self._buffer = rest
        elif len(self._buffer) > self.max_stanza_size:
            raise Broken("policy-violation", "stream header too large")

    def _wake(self) -> None:
        prefixes = "".join(f" xmlns:{prefix}='{quote(uri)}'" for prefix, uri in self._prefixes.items())
        header = f"{_CANNED[:-1]}{prefixes}>".replace(CLIENT, self._content, 1).encode()
        self._parser = parser = self._new_parser()
        self._depth = self._base = 0
        self._buffer += header
        parser.Parse(header, False)
        self._events.pop()  # the StreamHeader of the canned header
        self._base = len(header)
        self._buffer.clear()

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate(encoding="UTF-8", namespace_separator=" ")
        if hasattr(parser, "SetReparseDeferralEnabled"):  # expat >= 2.6 puts off what came in pieces
            parser.SetReparseDeferralEnabled(False)
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.StartNamespaceDeclHandler = self._on_namespace
        parser.XmlDeclHandler = on_xml_declaration
        parser.StartDoctypeDeclHandler = on_restricted
        parser.ProcessingInstructionHandler = on_restricted
        parser.CommentHandler = on_restricted
        return parser

    def _close(self, event: StreamEnd | Fault) -> None:
        self._is_closed, self._parser = True, None
        self._events.append(event)
        self._buffer.clear()

    # Called by expat.

    def _on_namespace(self, prefix: str | None, uri: str) -> None:
        if self._depth == 0:
            if prefix is None:
                if uri not in (self._content, STREAM):
                    raise Broken("invalid-namespace", f"content namespace {uri}")
            elif prefix not in ("stream", "xml"):
                self._prefixes[prefix] = uri
        elif self._depth == _STANZA_DEPTH and prefix is not None:
            self._needs_rewrite = True

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth
        self._depth = depth + 1
        if depth > _CHILD_DEPTH:
            if depth > MAX_DEPTH:
                raise Broken("policy-violation", "nested too deep")
        elif depth == _CHILD_DEPTH:
            assert self._parser is not None
            self._child_start = self._parser.CurrentByteIndex
        elif depth == _STANZA_DEPTH:
            assert self._parser is not None
            self._start = index = self._parser.CurrentByteIndex
            if index != self._base and self._buffer[: index - self._base].strip(_WHITESPACE):
                raise Broken("bad-format", "text between stanzas")
            self._name = name
            self._attributes = attributes
            self._marks = []
        else:
            self._on_header(name, attributes)

    def _on_header(self, name: str, attributes: dict[str, str]) -> None:
        if name != f"{STREAM} stream":
            condition = "bad-format" if name.startswith(STREAM + " ") else "invalid-namespace"
            raise Broken(condition, "the root is not a stream")
        assert self._parser is not None
        # RFC 6120 §4.7: what precedes the stanzas is not needed again.
        end = self._end_of_tag(self._parser.CurrentByteIndex - self._base)
        del self._buffer[:end]
        self._base += end
        self._events.append(
            StreamHeader(
                attributes.get("to", ""),
                attributes.get("from", ""),
                attributes.get("version", ""),
                attributes.get(XML_LANG, ""),
                attributes.get("id", ""),
            )
        )

    def _on_end(self, name: str) -> None:
        depth = self._depth = self._depth - 1
        if depth > _CHILD_DEPTH:
            return
        assert self._parser is not None
        if depth == _CHILD_DEPTH:
            self._marks.append(
                (name, self._child_start - self._start, self._parser.CurrentByteIndex - self._start)
            )
        elif depth == _STANZA_DEPTH:
            self._finish(self._end_of_element(self._start, self._parser.CurrentByteIndex))
        else:
            self._close_later()

    def _finish(self, end: int) -> None:
        raw = bytes(self._buffer[self._start - self._base : end - self._base])
        if len(raw) > self.max_stanza_size:
            raise Broken("policy-violation", f"stanza larger than {self.max_stanza_size} bytes")
        xmlns, _, local = self._name.rpartition(" ")
        stanza = Stanza(raw, local, xmlns, self._attributes, self._marks)
        if self._content != CLIENT:
            stanza = adopted(stanza, self._content)
        prefixes = self._prefixes
        if self._needs_rewrite or b"stream:" in raw or (prefixes and _has_any(raw, prefixes)):
            stanza = rewritten(stanza, prefixes)
            self._needs_rewrite = False
        self._events.append(stanza)
        del self._buffer[: end - self._base]
        self._base = end

    def _close_later(self) -> None:
        if self._buffer.lstrip(_WHITESPACE)[:2] != b"</":
            raise Broken("bad-format", "text between stanzas")
        self._is_closed = True
        self._events.append(StreamEnd(is_tag=True))

    def _end_of_element(self, start: int, index: int) -> int:
        """expat tells the end of an empty tag behind it, that of an end tag at its `<`."""
        end = self._end_of_tag(start - self._base)
        if self._buffer[end - 2] == 0x2F:  # "/>"
            return end + self._base
        return self._buffer.index(b">", index - self._base) + 1 + self._base

    def _end_of_tag(self, start: int) -> int:
        """The offset behind the start tag at `start`; `>` may stand in an attribute's value."""
        match = START_TAG.match(self._buffer, start)
        assert match is not None, "expat has seen a start tag here"
        return match.end()


def _has_any(raw: bytes, prefixes: dict[str, str]) -> bool:
    return any(b"%b:" % prefix.encode() in raw for prefix in prefixes)


def parse_stanza(data: bytes) -> Stanza:
    """One stanza made by this server, read like one that came in. Invalid where it is none."""
    protocol = Protocol(max_stanza_size=max(len(data), 1))
    protocol.receive_data(_CANNED.encode() + data)
    events = protocol.events()
    if len(events) != 2 or not isinstance(events[1], Stanza):
        raise Invalid("not one well-formed stanza")
    return events[1]
