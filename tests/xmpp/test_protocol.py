# SPDX-License-Identifier: Apache-2.0
"""The stream's framing, fed whole, byte by byte and with trailing data; and with anything at all."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.protocol import Protocol, StreamEnd, StreamHeader, parse_stanza
from armgs_server.xmpp.stanza import Stanza
from tests.feed import events_of, feed

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='digital.example' version='1.0'"
    b" xmlns:stream='http://etherx.jabber.org/streams' xml:lang='ru'>"
)
MESSAGE = (
    b"<message to=\"petrova@digital.example\" type='chat' id='a&gt;b'>\n"
    b"<body>1 &lt; 2 \xd0\x94\xd0\xb0</body>"
    b"<active xmlns='http://jabber.org/protocol/chatstates'/><x xmlns='urn:x' a='>'><y/></x ></message>"
)


def make(limit: int = 10_000) -> Protocol:
    return Protocol(max_stanza_size=limit)


def described(events: list[object]) -> list[object]:
    """Stanzas compare by identity; this makes them comparable."""
    return [
        (event.raw, event.name, event.xmlns, event.attributes, list(event.marks))
        if isinstance(event, Stanza)
        else event
        for event in events
    ]


class Described:
    """A Protocol whose events can be compared."""

    def __init__(self) -> None:
        self.protocol = make()

    def receive_data(self, data: bytes) -> None:
        self.protocol.receive_data(data)

    def events(self):  # type: ignore[no-untyped-def]
        return iter(described(list(self.protocol.events())))


def stanzas_of(data: bytes) -> list[Stanza]:
    return [event for event in events_of(make, [HEADER + data]) if isinstance(event, Stanza)]


def test_stanza_is_the_very_bytes() -> None:
    header, message, presence = feed(Described, HEADER + MESSAGE + b" <presence/>", b"<iq type='get'>")
    assert header == StreamHeader("digital.example", "", "1.0", "ru")
    assert message[0] == MESSAGE
    assert message[1:4] == (
        "message",
        "jabber:client",
        {"to": "petrova@digital.example", "type": "chat", "id": "a>b"},
    )
    assert presence[0] == b"<presence/>"


def test_children_are_known_by_name_and_place() -> None:
    (message,) = stanzas_of(MESSAGE)
    children = list(message.children)
    assert [(child.name, child.xmlns) for child in children] == [
        ("body", "jabber:client"),
        ("active", "http://jabber.org/protocol/chatstates"),
        ("x", "urn:x"),
    ]
    assert [MESSAGE[child.start : child.end] for child in children] == [
        b"<body>1 &lt; 2 \xd0\x94\xd0\xb0</body>",
        b"<active xmlns='http://jabber.org/protocol/chatstates'/>",
        b"<x xmlns='urn:x' a='>'><y/></x >",
    ]
    assert message.text("body") == "1 < 2 Да"
    assert message.has("active", "http://jabber.org/protocol/chatstates")
    assert not message.has("active")


def test_forwarding_changes_the_start_tag_only() -> None:
    (message,) = stanzas_of(MESSAGE)
    active = [child for child in message.children if child.name == "active"]
    assert message.forward("a@b/it's", "c@d", extra=b"<z/>", without=active) == (
        b"<message from='a@b/it&apos;s' to='c@d' type='chat' id='a&gt;b'>\n"
        b"<body>1 &lt; 2 \xd0\x94\xd0\xb0</body>"
        b"<x xmlns='urn:x' a='>'><y/></x ><z/></message>"
    )


def test_prefix_of_the_root_is_declared_anew() -> None:
    header = HEADER[:-1] + b" xmlns:foo='urn:foo'>"
    events = events_of(make, [header + b"<message to='a@b'><foo:bar x='1'>t</foo:bar> tail</message>"])
    stanza = events[1]
    assert isinstance(stanza, Stanza)
    tree = ElementTree.fromstring(stanza.raw)
    assert tree.find("{urn:foo}bar") is not None
    (child,) = stanza.children
    assert (child.name, child.xmlns) == ("bar", "urn:foo")
    assert ElementTree.fromstring(stanza.raw[child.start : child.end]).tag == "{urn:foo}bar"


def test_prefix_of_the_stanza_itself_is_moved_down() -> None:
    (stanza,) = stanzas_of(b"<message xmlns:f='urn:f' to='a@b'><f:x><f:y/></f:x></message>")
    assert ElementTree.fromstring(stanza.forward("x@y", "z@w")).find("{urn:f}x/{urn:f}y") is not None


def test_a_resting_parser_wakes_with_the_prefixes_of_the_root() -> None:
    protocol = make()
    protocol.receive_data(HEADER[:-1] + b" xmlns:foo='urn:foo'><presence/>")
    assert len(list(protocol.events())) == 2
    protocol.rest()
    protocol.receive_data(b"<message><foo:bar/></message>")
    protocol.rest()
    protocol.receive_data(b" </stream:str")
    protocol.rest()
    protocol.receive_data(b"eam>")
    message, end = protocol.events()
    assert isinstance(message, Stanza)
    assert end == StreamEnd(is_tag=True)


def test_end_of_stream_and_of_bytes() -> None:
    assert events_of(make, [HEADER + b"</stream:stream>"])[-1] == StreamEnd(is_tag=True)
    protocol = make()
    protocol.receive_data(HEADER)
    protocol.receive_eof()
    assert list(protocol.events())[-1] == StreamEnd(is_tag=False)


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"<!DOCTYPE x>" + HEADER, "restricted-xml"),
        (b"<?xml version='1.0' encoding='KOI8-R'?>" + HEADER[21:], "unsupported-encoding"),
        (b"<?evil?>" + HEADER[21:], "restricted-xml"),
        (HEADER + b"<a>&undefined;</a>", "restricted-xml"),
        (HEADER + b"<a><!-- --></a>", "restricted-xml"),
        (HEADER + b"<a><?x?></a>", "restricted-xml"),
        (HEADER + b"<a></b>", "not-well-formed"),
        (HEADER + b"<a>\xff</a>", "not-well-formed"),
        (HEADER + b"<a b='\x01'/>", "not-well-formed"),
        (HEADER + b"<x:a/>", "bad-namespace-prefix"),
        (HEADER + b"hello", "bad-format"),
        (HEADER + b"<a/>hello", "bad-format"),
        (HEADER + b"<a/>&lt;<b/>", "bad-format"),
        (HEADER + b"x</stream:stream>", "bad-format"),
        (b"<stream xmlns='jabber:client'>", "invalid-namespace"),
        (
            b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>",
            "invalid-namespace",
        ),
        (b"<s:flow xmlns:s='http://etherx.jabber.org/streams'>", "bad-format"),
        (HEADER + b"<a>" * 200, "policy-violation"),
        (HEADER + b"<a>" + b"x" * 20_000, "policy-violation"),
        (HEADER + b"<a>" + b"x" * 20_000 + b"</a>", "policy-violation"),
        (HEADER + b"<" + b"a" * 20_000, "policy-violation"),
        (HEADER[:-1] + b" a='" + b"x" * 20_000, "policy-violation"),
    ],
)
def test_faults(data: bytes, condition: str) -> None:
    for chunks in ([data], [data[i : i + 1] for i in range(len(data))]):
        fault = events_of(make, chunks)[-1]
        assert isinstance(fault, Fault)
        assert fault.condition == condition


def test_nothing_is_parsed_behind_a_fault() -> None:
    events = events_of(make, [HEADER + b"<a></b>", b"<presence/>", HEADER])
    assert [type(event) for event in events] == [StreamHeader, Fault]


def test_memory_is_bounded_and_small_pieces_stay_cheap() -> None:
    protocol = make(300_000)
    protocol.receive_data(HEADER + b"<message><body>")
    for _ in range(5000):
        protocol.receive_data(b"<b a='>>>>>>>>>>'/>")
    protocol.receive_data(b"</body></message>")
    _, stanza = protocol.events()
    assert isinstance(stanza, Stanza)
    assert len(stanza.raw) == 15 + 5000 * 19 + 17


def test_stanzas_of_our_own() -> None:
    assert parse_stanza(b"<message to='a@b'><body>x</body></message>").text("body") == "x"
    for bad in (b"<message>", b"<a/><b/>", b"", b"text"):
        with pytest.raises(Invalid):
            parse_stanza(bad)


@given(st.binary(max_size=300))
def test_any_bytes_are_events(data: bytes) -> None:
    for chunks in ([data], [HEADER + data], [HEADER, data, data]):
        for event in events_of(make, chunks):
            assert isinstance(event, StreamHeader | Stanza | StreamEnd | Fault)


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)


@given(_TEXT, _TEXT, st.integers(1, 40))
def test_any_text_survives_any_cut(body: str, value: str, size: int) -> None:
    tree = ElementTree.Element("{jabber:client}message", {"to": "a@b", "id": value})
    ElementTree.SubElement(tree, "{jabber:client}body").text = body
    ElementTree.SubElement(tree, "{urn:x}y", {"z": value})
    data = HEADER + ElementTree.tostring(tree)
    events = events_of(make, [data[i : i + size] for i in range(0, len(data), size)])
    stanza = events[1]
    assert isinstance(stanza, Stanza)
    assert stanza.id == " ".join(value.split("\x00"))
    assert stanza.text("body") == body.replace("\r\n", "\n").replace("\r", "\n")
    copy = ElementTree.fromstring(stanza.forward("x@y/z", "u@v", xmlns="jabber:client"))
    assert copy.get("id") == value
