# SPDX-License-Identifier: Apache-2.0
"""formats/addresses.py: RFC 5321 §4.1.2 and §4.5.3.1, RFC 6531 §3.3, RFC 5891, RFC 5233."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.formats.addresses import Address


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("ivanov@digital.example", "ivanov", "digital.example"),
        ("o'neil+list=a@x.example", "o'neil+list=a", "x.example"),
        ('"a b"@x.example', "a b", "x.example"),
        (r'"a\"b\\c@d"@x.example', r'a"b\c@d', "x.example"),
        ('""@x.example', "", "x.example"),
        ("root@localhost", "root", "localhost"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]"),
        ("иванов@пример.рф", "иванов", "пример.рф"),
        ("a@xn--e1afmkfd.xn--p1ai", "a", "xn--e1afmkfd.xn--p1ai"),
    ],
)
def test_parses(text: str, local: str, domain: str) -> None:
    assert addresses.parse(text) == Address(local, domain)
    assert addresses.is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ivanov",
        "ivanov@",
        "@digital.example",
        "a b@x.example",
        ".a@x.example",
        "a.@x.example",
        "a..b@x.example",
        '"a"b@x.example',
        '"a@x.example',
        "a@x..example",
        "a@.example",
        "a@x.example.",
        "a@-x.example",
        "a@x_y.example",
        "a@[300.0.0.1]",
        "a@[IPv6:::::]",
        "a@[IPv4",
        "a@b@c",
        "a\r\n@x.example",
        '"a\nb"@x.example',
        "a\x00@x.example",
        "a\u202eb@x.example",
        "a\u2028b@x.example",
        "a\ud800b@x.example",
        "a@❤.example",
        "a@xn--a",
    ],
)
def test_refuses(text: str) -> None:
    assert not addresses.is_valid(text)


def test_limits_of_rfc_5321() -> None:
    assert addresses.is_valid("a" * 64 + "@x.example")
    with pytest.raises(Invalid, match="local part is longer than 64"):
        addresses.parse("a" * 65 + "@x.example")
    with pytest.raises(Invalid, match="local part is longer than 64"):
        addresses.parse("я" * 33 + "@x.example")  # octets, not characters
    label = "d" * 63
    assert addresses.is_valid(f"{'a' * 62}@{label}.{label}.{label[:62]}")
    with pytest.raises(Invalid, match="address is longer than 254"):
        addresses.parse(f"{'a' * 64}@{label}.{label}.{label}")
    with pytest.raises(Invalid, match="not a domain"):
        addresses.parse(f"a@{label}d.example")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ivanov@Digital.EXAMPLE", "ivanov@digital.example"),
        ("ИВАНОВ@ПРИМЕР.рф", "иванов@пример.рф"),
        ("Ivanov@XN--E1AFMKFD.xn--p1ai", "ivanov@пример.рф"),
        ('"Ivanov"@x.example', "ivanov@x.example"),
        ('"Ivan Ivanov"@x.example', '"ivan ivanov"@x.example'),
        ("ｉｖａｎｏｖ@x.example", "ivanov@x.example"),
        ("e\u0301@x.example", "\u00e9@x.example"),
        ("Straße@faß.example", "strasse@faß.example"),
        ("a@[ipv6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]"),
        ("Digital.Example", "digital.example"),
    ],
)
def test_normalises(text: str, expected: str) -> None:
    assert addresses.normalise(text) == expected
    assert addresses.normalise(expected) == expected


def test_to_ascii_is_for_the_dns() -> None:
    assert addresses.to_ascii("Пример.РФ") == "xn--e1afmkfd.xn--p1ai"
    assert addresses.to_ascii("Digital.example") == "digital.example"
    with pytest.raises(Invalid):
        addresses.to_ascii("a..b")
    with pytest.raises(Invalid):
        addresses.to_ascii("[192.0.2.1]")


@pytest.mark.parametrize(
    ("local", "user", "detail"),
    [
        ("ivanov", "ivanov", ""),
        ("ivanov+news", "ivanov", "news"),
        ("ivanov+a+b", "ivanov", "a+b"),
        ("ivanov+", "ivanov", ""),
        ("+news", "+news", ""),
    ],
)
def test_splits_the_detail(local: str, user: str, detail: str) -> None:
    assert addresses.split_detail(local) == (user, detail)


def test_ascii_is_asked_of_the_local_part_alone() -> None:
    assert addresses.parse("ivanov@пример.рф").is_ascii
    assert not addresses.parse("иванов@example.com").is_ascii


@given(st.text(max_size=80))
def test_only_invalid_leaves_the_parser(text: str) -> None:
    try:
        address = addresses.parse(text)
    except Invalid:
        return
    assert addresses.parse(str(address)) == address


@given(st.text(min_size=1, max_size=20), st.sampled_from(["x.example", "Пример.РФ", "[192.0.2.1]"]))
def test_normalising_twice_is_normalising_once(local: str, domain: str) -> None:
    try:
        once = addresses.normalise(str(Address(local, domain)))
    except Invalid:
        return
    assert addresses.normalise(once) == once
    assert addresses.parse(once).normalised == once
