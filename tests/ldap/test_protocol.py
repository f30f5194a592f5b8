# SPDX-License-Identifier: Apache-2.0
"""Framing and messages: however the bytes are cut, the requests are the same; nothing else gets through."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.ldap.filters import And, Assertion, Extensible, FilterLimits, Not, Present, Substrings
from armgs_server.ldap.messages import (
    Abandon,
    BadRequest,
    Bind,
    Compare,
    Control,
    Extended,
    Message,
    Search,
    Unbind,
    Update,
)
from armgs_server.ldap.protocol import Broken, LdapProtocol
from tests.feed import events_of, feed
from tests.ldap.client import control, number, octets, search, tlv

LIMITS = FilterLimits(depth=5, parts=20)
SIZE = 2000


def make() -> LdapProtocol:
    return LdapProtocol(SIZE, LIMITS)


def message(operation: bytes, controls: bytes = b"", number_: int = 7) -> bytes:
    return tlv(0x30, number(number_) + operation + (tlv(0xA0, controls) if controls else b""))


def test_bind() -> None:
    operation = tlv(0x60, number(3) + octets("uid=a") + octets(b"\xff", 0x80))
    assert feed(make, message(operation), b"\x30") == [Message(7, Bind(3, "uid=a", None, b"\xff"), 0x61, ())]
    operation = tlv(0x60, number(3) + octets("") + tlv(0xA3, octets("PLAIN") + octets(b"x")))
    assert feed(make, message(operation)) == [Message(7, Bind(3, "", "PLAIN", b"x"), 0x61, ())]
    operation = tlv(0x60, number(3) + octets("") + tlv(0xA3, octets("PLAIN")))
    assert feed(make, message(operation)) == [Message(7, Bind(3, "", "PLAIN", None), 0x61, ())]
    operation = tlv(0x60, number(3) + octets("") + tlv(0xA4, b""))
    assert feed(make, message(operation)) == [BadRequest(7, 0x61, 2, "no such choice of authentication")]


def test_search() -> None:
    operation = search("dc=a", 1, "(&(cn=a*b*c*d)(!(sn=*))(x:dn:r:=v)(mail=m))", ("cn", "sn"), 9, types=True)
    wanted = And(
        (
            Substrings("cn", "a", ("b", "c"), "d"),
            Not(Present("sn")),
            Extensible("r", "x", "v", True),
            Assertion(0xA3, "mail", "m"),
        )
    )
    assert feed(make, message(operation), b"\x30\x80") == [
        Message(7, Search("dc=a", 1, 9, 0, True, wanted, ("cn", "sn")), 0x65, ())
    ]


def test_the_others() -> None:
    data = b"".join(
        message(operation)
        for operation in (
            tlv(0x6E, octets("dc=a") + tlv(0x30, octets("cn") + octets(b"\xff"))),
            octets(b"\x05", 0x50),
            tlv(0x77, octets("1.2", 0x80) + octets(b"v", 0x81)),
            tlv(0x68, b"whatever"),
            octets("dc=a", 0x4A),
            tlv(0x42, b""),
        )
    )
    assert feed(make, data) == [
        Message(7, Compare("dc=a", "cn", "\ufffd"), 0x6F, ()),
        Message(7, Abandon(5), 0, ()),
        Message(7, Extended("1.2", b"v"), 0x78, ()),
        Message(7, Update(), 0x69, ()),
        Message(7, Update(), 0x6B, ()),
        Message(7, Unbind(), 0, ()),
    ]


def test_controls() -> None:
    data = message(tlv(0x42, b""), control("1.2", b"v", critical=True) + control("1.3"))
    controls = (Control("1.2", True, b"v"), Control("1.3", False, None))
    assert feed(make, data) == [Message(7, Unbind(), 0, controls)]
    data = message(tlv(0x68, b""), control("1") * 51)
    assert feed(make, data) == [BadRequest(7, 0x69, 11, "too many controls")]


def test_what_follows_the_known_parts_is_passed_over() -> None:
    """RFC 4511 §4: sequences may grow."""
    operation = tlv(0x77, octets("1.2", 0x80) + tlv(0x85, b"new"))
    data = tlv(0x30, number(7) + operation + tlv(0x99, b"new"))
    assert feed(make, data) == [Message(7, Extended("1.2", None), 0x78, ())]


def test_substrings_have_an_order() -> None:
    for pieces in (
        b"",
        octets("a", 0x82) + octets("b", 0x81),
        octets("a", 0x81) + octets("b", 0x80),
        octets("", 0x81),
        octets("a", 0x83),
    ):
        inner = tlv(0xA4, octets("cn") + tlv(0x30, pieces))
        operation = search("", 2, "(cn=*)")[:-2].replace(octets("cn", 0x87), b"")
        operation = tlv(0x63, operation[5:] + inner + tlv(0x30, b""))
        (event,) = feed(make, message(operation))
        assert isinstance(event, BadRequest)
        assert event.code == 2


def test_limits() -> None:
    for wanted, is_read in (
        ("(&(&(&(&(a=b)))))", True),
        ("(&(&(&(&(&(a=b))))))", False),
        ("(|" + "(a=b)" * 19 + ")", True),
        ("(|" + "(a=b)" * 20 + ")", False),
        ("(cn=*" + "a*" * 19 + ")", True),
        ("(cn=*" + "a*" * 20 + ")", False),
    ):
        (event,) = feed(make, message(search("", 2, wanted)))
        assert isinstance(event, Message) is is_read, wanted
        if isinstance(event, BadRequest):
            assert event.code == 11
    assert isinstance(feed(make, message(search("", 2, "(a=b)", ["cn"] * 20)))[0], Message)
    assert isinstance(feed(make, message(search("", 2, "(a=b)", ["cn"] * 21)))[0], BadRequest)


def test_a_message_may_be_so_large() -> None:
    fits = message(octets(bytes(SIZE - 17), 0x4A))
    assert len(fits) == SIZE
    assert feed(make, fits) == [Message(7, Update(), 0x6B, ())]
    assert events_of(make, [message(octets(bytes(SIZE - 16), 0x4A))[:6]]) == [
        Broken(f"a message of more than {SIZE} bytes")
    ]


def test_after_nonsense_nothing_is_read() -> None:
    parser = make()
    parser.receive_data(b"GET / HTTP/1.1\r\n")
    assert [*parser.events()] == [Broken("not an LDAP message")]
    parser.receive_data(message(tlv(0x42, b"")))
    assert [*parser.events()] == []
    assert not parser.has_input


def test_what_nobody_could_answer() -> None:
    for data in (
        message(tlv(0x61, b"")),  # a response
        message(tlv(0x42, b""), number_=0),
        tlv(0x30, octets("x") + tlv(0x42, b"")),
        tlv(0x30, number(1)),
    ):
        (event,) = feed(make, data)
        assert isinstance(event, Broken)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    feed(make, data)
    feed(make, b"\x30" + bytes((len(data) % 128,)) + data)


@given(st.data())
def test_any_bytes_in_a_search(data: st.DataObject) -> None:
    """A valid search in which some bytes are others: a message, a refusal or the end, and nothing worse."""
    valid = bytearray(message(search("dc=a", 2, "(&(cn=a*b)(|(sn=c)(!(x:=y))))", ("cn",))))
    for _ in range(data.draw(st.integers(1, 4))):
        valid[data.draw(st.integers(0, len(valid) - 1))] = data.draw(st.integers(0, 255))
    for event in feed(make, bytes(valid)):
        assert isinstance(event, Message | BadRequest | Broken)
