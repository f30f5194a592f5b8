# SPDX-License-Identifier: Apache-2.0
"""XEP-0124 §6: what is read of a `<body/>`, and what none is."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid, TooLarge
from armgs_server.xmpp.framing import ElementReader
from armgs_server.xmpp.stanza import Stanza
from armgs_server.xmpp.xeps.xep_0124_bosh_body import Body, parse_body, serialise_body
from tests.xmpp.bosh_client import HTTPBIND, XBOSH, body

LIMIT = 10_000


def parsed(content: str = "", **attributes: object) -> Body:
    return parse_body(body(content, **{"rid": 7, **attributes}), LIMIT)


def stanzas(found: Body) -> list[Stanza]:
    reader = ElementReader(LIMIT)
    read = [reader.read(payload) for payload in found.payloads]
    return [event for event in read if isinstance(event, Stanza)]


def test_the_first_request_of_the_standard() -> None:
    """§7.1, XEP-0206 §3."""
    found = parsed(
        **{"to": "b", "from": "a@b", "ver": "1.6", "wait": 60, "hold": 1, "ack": 1, "xml:lang": "ru"},
        xmpp_version="1.0",
    )
    assert (found.rid, found.sid, found.to, found.from_, found.lang) == (7, "", "b", "a@b", "ru")
    assert (found.wait, found.hold, found.ack, found.pause, found.version) == (60, 1, 1, None, "1.0")
    assert not found.is_restart and not found.payloads


def test_payloads_stand_alone() -> None:
    one = "<message xmlns='jabber:client' to='a@b'><body>1 &lt; 2</body></message>"
    two = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGE=</auth>"
    first, second = stanzas(parsed(f"\n {one}\n {two}\n"))
    assert first.is_stanza and first.text("body") == "1 < 2"
    assert (second.xmlns, second.name) == ("urn:ietf:params:xml:ns:xmpp-sasl", "auth")


def test_stanzas_without_a_namespace_are_taken() -> None:
    """XEP-0206 §2: many clients leave it out."""
    (found,) = stanzas(parsed("<message to='a@b'><body>x</body></message>"))
    assert found.is_stanza and found.text("body") == "x"
    (other,) = stanzas(parsed("<thing/>"))
    assert other.xmlns == HTTPBIND


def test_a_restart_and_its_prefix() -> None:
    """The prefix is the client's choice; the namespace counts."""
    data = f"<b:body xmlns:b='{HTTPBIND}' xmlns:y='{XBOSH}' rid='7' sid='x' y:restart='1' to='b'/>"
    assert parse_body(data.encode(), LIMIT).is_restart
    assert not parsed(xmpp_restart="false").is_restart


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"<body rid='1'/>",
        f"<stream xmlns='{HTTPBIND}' rid='1'/>".encode(),
        body(""),
        body("", rid=0),
        body("", rid=-1),
        body("", rid="x"),
        body("", rid=1 << 53),
        body("", rid="9" * 400),
        body("", rid=1, wait="soon"),
        body("text", rid=1),
        body("<a/>text", rid=1),
        body("<a>", rid=1),
        body("<!-- x -->", rid=1),
        body("<?x y?>", rid=1),
        body("<a xmlns='x'><!-- x --></a>", rid=1),
        b"<!DOCTYPE body [<!ENTITY x 'y'>]>" + body("", rid=1),
        body("&x;", rid=1),
        body("<a>" * 300 + "</a>" * 300, rid=1),
    ],
)
def test_what_is_no_request(data: bytes) -> None:
    with pytest.raises(Invalid):
        parse_body(data, LIMIT)


def test_what_only_looks_restricted_is_taken() -> None:
    text = "<message xmlns='jabber:client'><body><![CDATA[<!-- <?x ?> -->]]></body></message>"
    data = b"<?xml version='1.0' encoding='UTF-8'?>" + body(text, rid=1)
    (found,) = stanzas(parse_body(data, LIMIT))
    assert found.text("body") == "<!-- <?x ?> -->"


def test_too_large() -> None:
    with pytest.raises(TooLarge):
        parse_body(body("x" * LIMIT, rid=1), LIMIT)


def test_an_answer_declares_its_prefixes() -> None:
    """XEP-0206 §2, §4."""
    attributes = {"sid": "x'y", "xmpp:version": "1.0", "ack": ""}
    answer = ElementTree.fromstring(serialise_body(attributes, [b"<stream:features/>", b"<iq id='1'/>"]))
    assert answer.attrib == {"sid": "x'y", f"{{{XBOSH}}}version": "1.0"}
    names = [child.tag for child in answer]
    assert names == ["{http://etherx.jabber.org/streams}features", "{jabber:client}iq"]
    assert serialise_body({}) == f"<body xmlns='{HTTPBIND}'/>".encode()


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_request_or_refused(data: bytes) -> None:
    for attempt in (data, body("", rid=1)[:-7] + data + b"</body>"):
        try:
            assert parse_body(attempt, LIMIT).rid > 0
        except (Invalid, TooLarge) as error:
            assert error.text
