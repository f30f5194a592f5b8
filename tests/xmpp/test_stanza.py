# SPDX-License-Identifier: Apache-2.0
"""Stanzas, results and errors as bytes: RFC 6120 §8."""

from __future__ import annotations

import pytest

from armgs_server.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    DomainError,
    Invalid,
    NotFound,
    OverQuota,
    Temporary,
    Throttled,
    TooLarge,
)
from armgs_server.xmpp.jid import Malformed
from armgs_server.xmpp.protocol import parse_stanza
from armgs_server.xmpp.stanza import (
    StanzaError,
    element,
    error_reply,
    from_domain_error,
    head,
    result,
    stream_error,
    stream_header,
    text_element,
)

IQ = parse_stanza(b"<iq type='get' id='1' from='a@b/c' to='d'><query xmlns='urn:x' node='n'>t</query></iq>")


def test_elements_are_escaped() -> None:
    assert element("a", {"b": "it's <&>", "empty": ""}) == b"<a b='it&apos;s &lt;&amp;&gt;'/>"
    assert text_element("a", "1 < 2 & 3", {"c": "д"}) == "<a c='д'>1 &lt; 2 &amp; 3</a>".encode()
    assert head("presence", "a@b/x'y", "c@d") == b"<presence from='a@b/x&apos;y' to='c@d'"
    assert head("message", "", xmlns="urn:x") == b"<message xmlns='urn:x'"


def test_result_goes_back_from_whom_was_asked() -> None:
    assert result(IQ) == b"<iq type='result' id='1' from='d' to='a@b/c'/>"
    assert result(IQ, b"<x/>") == b"<iq type='result' id='1' from='d' to='a@b/c'><x/></iq>"


def test_error_reply() -> None:
    reply = error_reply(IQ, StanzaError("not-allowed", "нет", extra=b"<why xmlns='urn:x'/>"))
    stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
    assert reply.decode() == (
        "<iq type='error' id='1' from='d' to='a@b/c'><error type='cancel'>"
        f"<not-allowed xmlns='{stanzas}'/><text xmlns='{stanzas}'>нет</text><why xmlns='urn:x'/></error></iq>"
    )
    assert b"from='room@x'" in error_reply(IQ, StanzaError("gone"), from_="room@x")


@pytest.mark.parametrize(
    ("error", "condition", "type_"),
    [
        (NotFound(), "item-not-found", "cancel"),
        (AlreadyExists(), "conflict", "cancel"),
        (Denied(), "forbidden", "auth"),
        (Conflict(), "conflict", "modify"),
        (OverQuota(), "resource-constraint", "wait"),
        (TooLarge(), "not-acceptable", "modify"),
        (Invalid("x"), "bad-request", "modify"),
        (Malformed("x"), "jid-malformed", "modify"),
        (Temporary(), "internal-server-error", "wait"),
        (Throttled(), "internal-server-error", "wait"),
        (StanzaError("gone"), "gone", "cancel"),
        (DomainError(), "internal-server-error", "cancel"),
    ],
)
def test_domain_errors_have_a_condition(error: DomainError, condition: str, type_: str) -> None:
    translated = from_domain_error(error)
    assert (translated.condition, translated.type) == (condition, type_)


def test_payload_and_its_absence() -> None:
    assert IQ.payload().get("node") == "n"
    assert IQ.payload().tag == "{urn:x}query"
    with pytest.raises(Invalid):
        parse_stanza(b"<iq type='get' id='1'/>").payload()


def test_copies_without_some_children() -> None:
    message = parse_stanza(
        b"<message type='chat'>a<x xmlns='u'/>b<y xmlns='u'><z/></y>c<x xmlns='u'/>d</message>"
    )
    first, y, second = message.children
    assert message.inner((second, first)) == b"ab<y xmlns='u'><z/></y>cd"
    assert message.tail(b"<e/>", (y,)) == b" type='chat'>a<x xmlns='u'/>bc<x xmlns='u'/>d<e/></message>"
    assert parse_stanza(b"<presence/>").tail() == b"/>"
    assert parse_stanza(b"<presence></presence>").tail(b"<e/>") == b"><e/></presence>"


def test_stream_header_and_error() -> None:
    header = stream_header(from_="b", stream_id="1", to="a@b")
    assert b" from='b' to='a@b' id='1' version='1.0' xml:lang='en'>" in header
    assert stream_error("conflict", "x").startswith(b"<stream:error><conflict xmlns=")


def test_type_of_a_message_is_normal_by_default() -> None:
    assert parse_stanza(b"<message/>").type == "normal"
    assert parse_stanza(b"<presence/>").type == ""


def test_a_message_of_unknown_type_is_normal() -> None:
    assert parse_stanza(b"<message type='x-own' to='a@b'><body>t</body></message>").type == "normal"
    assert parse_stanza(b"<message type='headline' to='a@b'><body>t</body></message>").type == "headline"
    assert parse_stanza(b"<presence type='x-own'/>").type == "x-own"
