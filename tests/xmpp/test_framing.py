# SPDX-License-Identifier: Apache-2.0
"""Elements one by one: what is read of each, and the namespaces ours declare."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.framing import FRAMING, ElementReader, close_frame, declared, open_frame
from armgs_server.xmpp.protocol import Event, StreamEnd, StreamHeader
from armgs_server.xmpp.stanza import CLIENT, Stanza

MESSAGE = b"<message xmlns='jabber:client' to='a@b'><body>x &lt; y</body></message>"


def read(data: bytes, limit: int = 10_000) -> Event:
    return ElementReader(limit).read(data)


def condition(data: bytes, limit: int = 10_000) -> str:
    fault = read(data, limit)
    assert isinstance(fault, Fault), fault
    return fault.condition


def test_one_stanza_after_another() -> None:
    reader = ElementReader(10_000)
    for number in range(3):
        if number == 2:
            reader.rest()
        stanza = reader.read(MESSAGE)
        assert isinstance(stanza, Stanza) and stanza.is_stanza
        assert stanza.text("body") == "x < y"
        assert stanza.forward("c@d/e", "a@b") == (
            b"<message from='c@d/e' to='a@b'><body>x &lt; y</body></message>"
        )


def test_open_and_close_are_the_root() -> None:
    """RFC 7395 §3.3.3."""
    opened = read(f"<open xmlns='{FRAMING}' to='b' from='a@b' version='1.0' xml:lang='ru'/>".encode())
    assert opened == StreamHeader("b", "a@b", "1.0", "ru")
    assert read(f"<close xmlns='{FRAMING}'/>".encode()) == StreamEnd(is_tag=True)


def test_an_element_declares_its_own_namespaces() -> None:
    """RFC 7395 §3.3.2: there is no root to lean on."""
    bare = read(b"<message to='a@b'/>")
    assert isinstance(bare, Stanza) and not bare.is_stanza
    assert condition(b"<x:message xmlns='jabber:client'/>") == "bad-namespace-prefix"
    prefixed = read(b"<c:message xmlns:c='jabber:client'><c:body>x</c:body></c:message>")
    assert isinstance(prefixed, Stanza) and prefixed.is_stanza
    assert prefixed.text("body") == "x"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"text",
        b" " + MESSAGE,
        MESSAGE + MESSAGE,
        MESSAGE[:-3],
        b"<message xmlns='jabber:client'>",
        b"</stream:stream>",
        MESSAGE + b"</stream:stream>",
    ],
)
def test_a_frame_is_one_whole_element(data: bytes) -> None:
    """RFC 7395 §3.3.1."""
    assert condition(data) == "bad-format"


def test_what_no_stream_may_hold() -> None:
    """RFC 6120 §11.1."""
    assert condition(b"<!-- x -->") == "restricted-xml"
    assert condition(b"<?x y?>") == "restricted-xml"
    assert condition(b"<?xml version='1.0'?>" + MESSAGE) == "not-well-formed"
    assert condition(b"<message xmlns='jabber:client'>&x;</message>") == "restricted-xml"
    assert condition(b"<a></b>") == "not-well-formed"
    assert condition(MESSAGE, 20) == "policy-violation"


def test_ours_declare_what_they_lean_on() -> None:
    for data, namespace in (
        (b"<message from='a@b'><body>x</body></message>", CLIENT),
        (b"<presence/>", CLIENT),
        (b"<iq type='result' id='1'/>", CLIENT),
        (b"<message xmlns='jabber:client' from='a@b'/>", CLIENT),
        (b"<stream:features/>", "http://etherx.jabber.org/streams"),
        (b"<stream:error><conflict xmlns='urn:x'/></stream:error>", "http://etherx.jabber.org/streams"),
        (b"<r xmlns='urn:xmpp:sm:3'/>", "urn:xmpp:sm:3"),
        (open_frame(from_="b", stream_id="1", to="", lang="ru"), FRAMING),
        (close_frame("wss://other.example/x?a&b"), FRAMING),
    ):
        assert ElementTree.fromstring(declared(data)).tag.startswith(f"{{{namespace}}}"), data


@given(st.binary(max_size=120))
def test_whatever_comes_is_an_event(data: bytes) -> None:
    assert isinstance(read(data), Stanza | StreamHeader | StreamEnd | Fault)
