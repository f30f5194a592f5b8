# SPDX-License-Identifier: Apache-2.0
"""Stanzas as bytes: RFC 6120 §8. What comes in is kept as it came; what goes out is new head + old tail.

A `Stanza` is one child of the stream (a stanza, or a nonza such as `<r/>`), with the attributes of its own
tag and the name and place of each child element known, nothing below parsed. Forwarding joins a new
start tag and the raw rest: the bytes of the payload are never decoded. `raw` is well-formed and needs no
namespace prefix declared outside itself; its default namespace is `jabber:client` unless it says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from lxml import etree

from armgs_server.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    DomainError,
    Invalid,
    NotFound,
    OverQuota,
    Temporary,
    TooLarge,
)
from armgs_server.formats import xmltree
from armgs_server.formats.xmltree import escape, quote
from armgs_server.xmpp.jid import Malformed

CLIENT = "jabber:client"
STREAM = "http://etherx.jabber.org/streams"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAMS = "urn:ietf:params:xml:ns:xmpp-streams"
XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
STANZA_NAMES = frozenset({"message", "presence", "iq"})
MESSAGE_TYPES = frozenset({"chat", "error", "groupchat", "headline", "normal"})

# A start or empty tag that is known to be well-formed; `>` may stand in a value.
START_TAG = re.compile(rb"<[^>\"']*(?:\"[^\"]*\"[^>\"']*|'[^']*'[^>\"']*)*>")

_SLASH = 0x2F  # before the `>` of an empty tag


class Child(NamedTuple):
    """A direct child: its bytes are raw[start:end]."""

    name: str
    xmlns: str
    start: int
    end: int


# A child as expat told of it: "xmlns name", where it starts, and where its end tag does (or, for an empty
# tag, where that ends).
Mark = tuple[str, int, int]


class Stanza:
    """One child element of a stream; see the head of this file."""

    __slots__ = ("attributes", "marks", "name", "raw", "xmlns")

    def __init__(
        self, raw: bytes, name: str, xmlns: str, attributes: dict[str, str], marks: Sequence[Mark]
    ) -> None:
        self.raw = raw
        self.name = name
        self.xmlns = xmlns
        self.attributes = attributes
        self.marks = marks

    def __repr__(self) -> str:
        return f"Stanza({self.name!r}, {self.attributes!r}, {len(self.raw)} bytes)"

    @property
    def is_stanza(self) -> bool:
        return self.xmlns == CLIENT and self.name in STANZA_NAMES

    @property
    def id(self) -> str:
        return self.attributes.get("id", "")

    @property
    def to(self) -> str:
        return self.attributes.get("to", "")

    @property
    def from_(self) -> str:
        return self.attributes.get("from", "")

    @property
    def type(self) -> str:
        """The type attribute; a message without one that is known is normal (RFC 6121 §5.2.2)."""
        value = self.attributes.get("type", "")
        return "normal" if self.name == "message" and value not in MESSAGE_TYPES else value

    @property
    def children(self) -> Iterator[Child]:
        for qualified, start, end in self.marks:
            xmlns, _, name = qualified.rpartition(" ")
            match = START_TAG.match(self.raw, start)
            assert match is not None, "a child begins with a start tag"
            is_empty = self.raw[match.end() - 2] == _SLASH
            yield Child(name, xmlns, start, match.end() if is_empty else self.raw.index(b">", end) + 1)

    def child(self, name: str, xmlns: str = CLIENT) -> Child | None:
        for child in self.children:
            if child.name == name and child.xmlns == xmlns:
                return child
        return None

    def has(self, name: str, xmlns: str = CLIENT) -> bool:
        qualified = f"{xmlns} {name}"
        return any(mark[0] == qualified for mark in self.marks)

    def has_namespace(self, xmlns: str) -> bool:
        prefix = xmlns + " "
        return any(mark[0].startswith(prefix) for mark in self.marks)

    def inner(self, without: Collection[Child] = ()) -> bytes:
        """Everything between the start tag and the end tag, less some children."""
        match = START_TAG.match(self.raw)
        assert match is not None, "raw begins with a start tag"
        start = match.end()
        if self.raw[start - 2] == _SLASH:
            return b""
        end = self.raw.rindex(b"</")
        if not without:
            return self.raw[start:end]
        parts = []
        for child in sorted(without, key=lambda child: child.start):
            parts.append(self.raw[start : child.start])
            start = child.end
        parts.append(self.raw[start:end])
        return b"".join(parts)

    def tail(self, extra: bytes = b"", without: Collection[Child] = ()) -> bytes:
        """What follows `from` and `to` in a copy of this stanza: other attributes, payload, end tag."""
        attributes = [
            f" {'xml:lang' if name == XML_LANG else name}='{quote(value)}'"
            for name, value in self.attributes.items()
            if name not in ("from", "to") and (" " not in name or name == XML_LANG)
        ]
        head = "".join(attributes).encode()
        inner = self.inner(without)
        if not inner and not extra:
            return head + b"/>"
        return b"".join((head, b">", inner, extra, b"</", self.name.encode(), b">"))

    def forward(
        self,
        from_: str,
        to: str = "",
        *,
        extra: bytes = b"",
        without: Collection[Child] = (),
        xmlns: str = "",
    ) -> bytes:
        """A copy with another sender and recipient; `xmlns` where it leaves the jabber:client stream."""
        return head(self.name, from_, to, xmlns) + self.tail(extra, without)

    def tree(self) -> etree._Element:
        """The whole element as a tree, `raw` read in the jabber:client namespace."""
        return xmltree.parse_again(b"<stream xmlns='jabber:client'>%b</stream>" % self.raw)[0]

    def payload(self) -> etree._Element:
        """The first child element as a tree: the payload of an IQ (RFC 6120 §8.2.3)."""
        for element in self.tree():
            return element
        raise Invalid("the stanza has no payload")

    def text(self, name: str, xmlns: str = CLIENT) -> str:
        """Character data of the first such child; empty where there is none."""
        child = self.child(name, xmlns)
        if child is None:
            return ""
        wrapped = b"<stream xmlns='jabber:client'>%b</stream>" % self.raw[child.start : child.end]
        return xmltree.parse_again(wrapped)[0].text or ""


def head(name: str, from_: str, to: str = "", xmlns: str = "") -> bytes:
    """The beginning of a start tag, to be followed by `Stanza.tail`."""
    xmlns_part = f" xmlns='{xmlns}'" if xmlns else ""
    from_part = f" from='{quote(from_)}'" if from_ else ""
    to_part = f" to='{quote(to)}'" if to else ""
    return f"<{name}{xmlns_part}{from_part}{to_part}".encode()


def element(name: str, attributes: Mapping[str, str] = {}, inner: bytes = b"") -> bytes:
    """One element; attributes with an empty value are left out."""
    start = "".join([f" {key}='{quote(value)}'" for key, value in attributes.items() if value])
    if not inner:
        return f"<{name}{start}/>".encode()
    return b"%b%b</%b>" % (f"<{name}{start}>".encode(), inner, name.encode())


def text_element(name: str, text: str, attributes: Mapping[str, str] = {}) -> bytes:
    return element(name, attributes, escape(text).encode())


def result(iq: Stanza, inner: bytes = b"") -> bytes:
    """RFC 6120 §8.2.3: the answer to a get or set, from whom it was sent to."""
    return element("iq", {"type": "result", "id": iq.id, "from": iq.to, "to": iq.from_}, inner)


# RFC 6120 §8.3.3: each condition with the type recommended for it.
ERROR_TYPES = {
    "bad-request": "modify",
    "conflict": "cancel",
    "feature-not-implemented": "cancel",
    "forbidden": "auth",
    "gone": "cancel",
    "internal-server-error": "cancel",
    "item-not-found": "cancel",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "not-allowed": "cancel",
    "not-authorized": "auth",
    "policy-violation": "modify",
    "recipient-unavailable": "wait",
    "redirect": "modify",
    "registration-required": "auth",
    "remote-server-not-found": "cancel",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "service-unavailable": "cancel",
    "subscription-required": "auth",
    "undefined-condition": "cancel",
    "unexpected-request": "wait",
}

# The one place where domain errors get their RFC 6120 names.
_CONDITIONS: tuple[tuple[type[DomainError], str, str], ...] = (
    (NotFound, "item-not-found", "cancel"),
    (AlreadyExists, "conflict", "cancel"),
    (Denied, "forbidden", "auth"),
    (Conflict, "conflict", "modify"),
    (OverQuota, "resource-constraint", "wait"),
    (TooLarge, "not-acceptable", "modify"),
    (Malformed, "jid-malformed", "modify"),
    (Invalid, "bad-request", "modify"),
    (Temporary, "internal-server-error", "wait"),
)


class StanzaError(DomainError):
    """A stanza cannot be handled; `condition` is one of RFC 6120 §8.3.3, `extra` an element beside it.

    `uri` is where to turn to instead (§8.3.3.5, §8.3.3.16); `beside` stands in the stanza before the error.
    """

    def __init__(
        self, condition: str, text: str = "", *, type: str = "", extra: bytes = b"", uri: str = ""
    ) -> None:
        super().__init__(text or condition)
        assert condition in ERROR_TYPES, condition
        self.condition = condition
        self.message = text
        self.type = type or ERROR_TYPES[condition]
        self.extra = extra
        self.uri, self.beside = uri, b""


def from_domain_error(error: DomainError) -> StanzaError:
    if isinstance(error, StanzaError):
        return error
    for kind, condition, type_ in _CONDITIONS:
        if isinstance(error, kind):
            return StanzaError(condition, error.text, type=type_)
    return StanzaError("internal-server-error")


def error_reply(stanza: Stanza, error: StanzaError, *, from_: str = "") -> bytes:
    """RFC 6120 §8.3.1: sent to the sender from the intended recipient, with the same id."""
    text = text_element("text", error.message, {"xmlns": STANZAS}) if error.message else b""
    inner = text_element(error.condition, error.uri, {"xmlns": STANZAS}) + text + error.extra
    attributes = {"type": "error", "id": stanza.id, "from": from_ or stanza.to, "to": stanza.from_}
    return element(stanza.name, attributes, error.beside + element("error", {"type": error.type}, inner))


def stream_error(condition: str, text: str = "", extra: bytes = b"") -> bytes:
    """RFC 6120 §4.9: the error, to be followed by the end of the stream."""
    inner = element(condition, {"xmlns": STREAMS})
    if text:
        inner += text_element("text", text, {"xmlns": STREAMS})
    return element("stream:error", {}, inner + extra)


def stream_header(*, from_: str, stream_id: str, to: str = "", lang: str = "en") -> bytes:
    """RFC 6120 §4.7: the response stream header of a client's stream."""
    to_part = f" to='{quote(to)}'" if to else ""
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAM}' "
        f"from='{quote(from_)}'{to_part} id='{quote(stream_id)}' version='1.0' xml:lang='{quote(lang)}'>"
    ).encode()
