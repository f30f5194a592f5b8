# SPDX-License-Identifier: Apache-2.0
"""Authentication-Results: what is written, and whose name a field bears (RFC 8601)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.trust.authentication_results import (
    MethodResult,
    is_of,
    parse_authserv_id,
    result_of,
    serialise,
)
from armgs_server.trust.fields import Field, split_fields


def test_the_field() -> None:
    results = [
        MethodResult(
            "spf", "pass", (("smtp.mailfrom", "bob@other.example"), ("smtp.remote-ip", "2001:db8::1"))
        ),
        MethodResult("dkim", "fail", (("header.d", ""),), reason='a "quoted" \\ reason'),
        MethodResult("dmarc", "none", comment="p=none) (x"),
    ]
    assert serialise("mx.example", results) == (
        b"Authentication-Results: mx.example;\r\n"
        b'\tspf=pass smtp.mailfrom=bob@other.example smtp.remote-ip="2001:db8::1";\r\n'
        b'\tdkim=fail reason="a \\"quoted\\" \\\\ reason";\r\n'
        b"\tdmarc=none (p=none? ?x)\r\n"
    )
    assert serialise("mx.example", []) == b"Authentication-Results: mx.example;\r\n\tnone\r\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mx.example; spf=pass", "mx.example"),
        ("  MX.Example 1; spf=pass", "mx.example"),
        ("(comment (nested \\) ) x) mx.example;none", "mx.example"),
        ('"mx.example"; none', "mx.example"),
        ('"m\\x.example"; none', "mx.example"),
        ("", ""),
        ("(never ends", ""),
        (";", ""),
    ],
)
def test_names(text: str, name: str) -> None:
    assert parse_authserv_id(text) == name


def test_whose_field_it_is() -> None:
    assert is_of(
        Field(b"authentication-results", b"Authentication-Results:\r\n MX.example; none\r\n"), "mx.EXAMPLE"
    )
    assert not is_of(
        Field(b"x-authentication-results", b"X-Authentication-Results: mx.example; none\r\n"), "mx.example"
    )
    assert not is_of(
        Field(b"authentication-results", b"Authentication-Results: mx.example.org; none\r\n"), "mx.example"
    )


def test_name_behind_a_long_comment_is_hidden() -> None:
    for size, expected in ((10, False), (3000, True), (300_000, True)):
        raw = b"Authentication-Results: (" + b"x" * size + b") other.example; none\r\n"
        assert is_of(Field(b"authentication-results", raw), "mx.example") is expected


def test_results_of_a_method() -> None:
    text = "mx.example; spf=pass smtp.mailfrom=x; arc=fail reason=y"
    assert (result_of(text, "arc"), result_of(text, "spf"), result_of(text, "dkim")) == ("fail", "pass", "")


@given(st.text(max_size=200))
def test_any_text_has_a_name_or_none(text: str) -> None:
    assert isinstance(parse_authserv_id(text), str)


@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=100))
def test_whatever_strangers_say_stays_one_field(value: str, reason: str, comment: str) -> None:
    result = MethodResult("spf", "pass", (("smtp.mailfrom", value),), reason=reason, comment=comment)
    made = serialise("mx.example", [result])
    assert len(split_fields(made)) == 1
    assert made.count(b"\r\n") == made.count(b"\r\n\t") + 1
    assert made.count(b";") >= 1 and b"\0" not in made
