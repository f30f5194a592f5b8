# SPDX-License-Identifier: Apache-2.0
"""Addresses: RFC 7622 §3.5 examples, and anything at all."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.xmpp.jid import JID, Malformed, parse


@pytest.mark.parametrize(
    ("text", "local", "domain", "resource"),
    [
        ("juliet@example.com", "juliet", "example.com", ""),
        ("juliet@example.com/foo", "juliet", "example.com", "foo"),
        ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
        ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
        ("foo\\20bar@example.com", "foo\\20bar", "example.com", ""),
        ("fussball@example.com", "fussball", "example.com", ""),
        ("fu\u00dfball@example.com", "fu\u00dfball", "example.com", ""),
        ("\u03c0@example.com", "\u03c0", "example.com", ""),
        ("\u03a3@example.com/foo", "\u03c3", "example.com", "foo"),
        ("king@example.com/\u265a", "king", "example.com", "\u265a"),
        ("example.com", "", "example.com", ""),
        ("example.com/foobar", "", "example.com", "foobar"),
        ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
        ("Ivanov@Digital.Example./Desk", "ivanov", "digital.example", "Desk"),
        ("Иванов@Цифра.рф", "иванов", "цифра.рф", ""),
        ("a@xn--e1aybc.xn--p1ai", "a", "тест.рф", ""),
        ("a@цифра.рф\u3002", "a", "цифра.рф", ""),
        ("a@Digital.Example\uff0e/x", "a", "digital.example", "x"),
        ("a@[::1]/x", "a", "[::1]", "x"),
        ("a@b/x\u00a0y", "a", "b", "x y"),
        ("\uff21b@b", "ab", "b", ""),
    ],
)
def test_valid(text: str, local: str, domain: str, resource: str) -> None:
    jid = parse(text)
    assert (jid.local, jid.domain, jid.resource) == (local, domain, resource)
    assert parse(jid.full) == jid


@pytest.mark.parametrize(
    "text",
    [
        '"juliet"@example.com',
        "foo bar@example.com",
        "juliet@example.com/",
        "@example.com",
        "@example.com/foo",
        "henry\u2163@example.com",
        "\u265a@example.com",
        "juliet@",
        "/foobar",
        "",
        "a@b@c",
        "a@exa mple",
        "a@-x.example",
        "a@b..",
        "a@b\uff61.",
        "a@b\u3002\u00ad",
        "a@b/\x07",
        "a@b/" + "x" * 1024,
        "x" * 1024 + "@b",
        "a@[::zz]",
        "a<b@c",
    ],
)
def test_invalid(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


@pytest.mark.parametrize("text", ["a@b/{}", "{}@b", "{}"])
def test_one_of_many_combining_characters_takes_no_time(text: str) -> None:
    """Canonical ordering takes the square of their number: minutes, for one of the size of a stanza."""
    begin = time.process_time()
    with pytest.raises(Malformed):
        parse(text.format("\u0301\u0327" * 50_000))
    assert time.process_time() - begin < 1


def test_a_long_one_is_parsed_each_time() -> None:
    long = "a@b/" + "x" * 1000
    assert parse(long) == parse(long) is not parse(long)


def test_equal_when_normalised() -> None:
    assert parse("IVANOV@digital.example/x") == JID("ivanov", "digital.example", "x")
    assert parse("ivanov@digital.example/x") != parse("ivanov@digital.example/X")
    assert parse("a@b/c").to_bare().full == "a@b"
    assert parse("a@b").with_resource("r").full == "a@b/r"


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    try:
        jid = parse(text)
    except Malformed:
        return
    assert parse(jid.full) == jid
