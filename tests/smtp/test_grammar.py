# SPDX-License-Identifier: Apache-2.0
"""smtp/grammar.py: arguments of RFC 5321 §4.1.1, RFC 3030 §2, RFC 3461 §4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.formats.addresses import Address
from armgs_server.smtp import grammar
from armgs_server.smtp.grammar import Path


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ("FROM:<ivanov@digital.example>", Path(Address("ivanov", "digital.example"), {})),
        ("from:<>", Path(None, {})),
        ("FROM: <a@x.example>", Path(Address("a", "x.example"), {})),
        ("FROM:<@relay.example,@b.example:a@x.example>", Path(Address("a", "x.example"), {})),
        ('FROM:<"a>b"@x.example> SIZE=5', Path(Address("a>b", "x.example"), {"SIZE": "5"})),
        (r'FROM:<"a\"> b"@x.example>', Path(Address('a"> b', "x.example"), {})),
        (
            "FROM:<a@x.example> size=100 BODY=8BITMIME  SMTPUTF8",
            Path(Address("a", "x.example"), {"SIZE": "100", "BODY": "8BITMIME", "SMTPUTF8": None}),
        ),
    ],
)
def test_reverse_path(argument: str, path: Path) -> None:
    assert grammar.parse_reverse_path(argument) == path


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "FROM",
        "FROM:",
        "FROM:a@x.example",
        "FROM:<a@x.example",
        "FROM:<a@x.example>SIZE=1",
        "FROM:<a@x.example> SIZE=",
        "FROM:<a@x.example> =1",
        "FROM:<a@x.example> SIZE=1 size=2",
        "FROM:<a@x.example> A=\x7f",
        "FROM:<a b@x.example>",
        "TO:<a@x.example>",
        "FROM:<@a.example>",
    ],
)
def test_reverse_path_refuses(argument: str) -> None:
    with pytest.raises(Invalid):
        grammar.parse_reverse_path(argument)


def test_forward_path() -> None:
    path = grammar.parse_forward_path("TO:<b@x.example> NOTIFY=NEVER", "digital.example")
    assert path == Path(Address("b", "x.example"), {"NOTIFY": "NEVER"})
    assert path.text == "b@x.example"
    # RFC 5321 §4.1.1.3: Postmaster without a domain
    assert (
        grammar.parse_forward_path("TO:<PostMaster>", "digital.example").text == "PostMaster@digital.example"
    )
    with pytest.raises(Invalid):
        grammar.parse_forward_path("TO:<>", "digital.example")


@pytest.mark.parametrize("name", ["client.example", "[192.0.2.1]", "[IPv6:::1]", "my_pc", "пример.рф"])
def test_domain(name: str) -> None:
    assert grammar.parse_domain(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a\x00b", "x" * 256, "a\u2028b"])
def test_domain_refuses(name: str) -> None:
    with pytest.raises(Invalid):
        grammar.parse_domain(name)


def test_chunk() -> None:
    assert grammar.parse_chunk("0 LAST") == (0, True)
    assert grammar.parse_chunk("86 last") == (86, True)
    assert grammar.parse_chunk("1000") == (1000, False)
    for argument in ("", "LAST", "-1", "1x", "1 FIRST", "٣", "9" * 21):
        with pytest.raises(Invalid):
            grammar.parse_chunk(argument)


def test_xtext() -> None:
    assert grammar.parse_xtext("a+2Bb+3Dc") == "a+b=c"
    assert grammar.serialise_xtext("a+b=c d") == "a+2Bb+3Dc+20d"
    for text in ("a=b", "+2b", "+", "a b", "+FF"):
        with pytest.raises(Invalid):
            grammar.parse_xtext(text)


def test_original_recipient() -> None:
    assert grammar.parse_original_recipient("RFC822;a+2Bb@x.example") == ("rfc822", "a+b@x.example")
    assert grammar.parse_original_recipient(r"utf-8;\x{438}@x.example") == ("utf-8", "и@x.example")
    for text in ("rfc822", ";a", "rfc822;", "rfc822;a=b", r"utf-8;\x{FFFFFF}"):
        with pytest.raises(Invalid):
            grammar.parse_original_recipient(text)


@given(st.text("".join(map(chr, range(128))), max_size=50))
def test_xtext_round_trip(text: str) -> None:
    assert grammar.parse_xtext(grammar.serialise_xtext(text)) == text


@given(st.sampled_from(["FROM:", "FROM:<", "TO:<"]), st.text(max_size=60))
def test_only_invalid_leaves(start: str, rest: str) -> None:
    for parse in (
        grammar.parse_reverse_path,
        lambda text: grammar.parse_forward_path(text, "x.example"),
        grammar.parse_chunk,
        grammar.parse_domain,
        grammar.parse_original_recipient,
    ):
        try:
            parse(start + rest)
        except Invalid:
            continue
