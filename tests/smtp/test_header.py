# SPDX-License-Identifier: Apache-2.0
"""smtp/header.py: trace and list fields written, hop counts and authors read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.addresses import Address
from armgs_server.smtp import header
from armgs_server.smtp.header import Trace

MOMENT = header.moment_of(1_790_000_000_123_456)


def test_received() -> None:
    trace = Trace("client.example", "192.0.2.1", "mx.digital.example", "ESMTPS", "1a2b", "b@digital.example")
    assert trace.field(MOMENT) == (
        b"Received: from client.example ([192.0.2.1])\r\n"
        b"\tby mx.digital.example with ESMTPS id 1a2b\r\n"
        b"\tfor <b@digital.example>;\r\n"
        b"\tMon, 21 Sep 2026 14:13:20 +0000\r\n"
    )


@pytest.mark.parametrize("helo", ["a(b)c", "a;b", "x\r\nBcc: y", "a b", "<x>"])
def test_what_the_client_calls_itself_cannot_leave_the_field(helo: str) -> None:
    field = Trace(helo, "2001:db8::1", "mx", "SMTP", "1", "").field(MOMENT).decode()
    name = field.partition(" ([IPv6:2001:db8::1])")[0].removeprefix("Received: from ")
    assert not set(name) & set("();<>\r\n ")


def test_list_fields() -> None:
    assert header.list_fields("all@digital.example", 'The "staff"') == (
        b'List-Id: "The \\"staff\\"" <all.digital.example>\r\nList-Post: <mailto:all@digital.example>\r\n'
    )
    assert header.list_id("все@пример.рф") == "%D0%B2%D1%81%D0%B5.xn--e1afmkfd.xn--p1ai"
    assert header.list_fields("все@пример.рф", "Все").isascii()


def test_missing_fields() -> None:
    assert header.missing_fields(b"Subject: x\r\n\r\n", "a@x.example", MOMENT, "1f", "mx.example") == (
        b"From: <a@x.example>\r\nDate: Mon, 21 Sep 2026 14:13:20 +0000\r\nMessage-ID: <1f@mx.example>\r\n"
    )
    whole = b"from: a@x.example\r\nDATE : now\r\nMessage-Id: <1@x>\r\n\r\n"
    assert header.missing_fields(whole, "a@x.example", MOMENT, "1f", "mx.example") == b""


def test_hops() -> None:
    head = b"Received: from a\r\n by b\r\nreceived : x\r\nX-Received: y\r\nSubject: Received: z\r\n\r\n"
    assert header.hops(head) == 2


def test_list_ids() -> None:
    head = b"List-Id: All of us\r\n <All.digital.example>\r\nlist-id: <b.example>\r\nX: <c.example>\r\n\r\n"
    assert header.list_ids(head) == {"all.digital.example", "b.example"}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"Subject: x\r\n\r\n", []),
        (b"From: a@x.example\r\n\r\n", [Address("a", "x.example")]),
        (b"FROM:\r\n =?utf-8?q?A?=\r\n\t<a@x.example>\r\n\r\n", [Address("a", "x.example")]),
        (b'From: "b@y.example" <a@x.example>\r\n\r\n', [Address("a", "x.example")]),
        (
            b"From: a@x.example, B <b@y.example>\r\n\r\n",
            [Address("a", "x.example"), Address("b", "y.example")],
        ),
        (b"From: Us: a@x.example;\r\n\r\n", [Address("a", "x.example")]),
        (b"From: a@x.example\r\nFrom: b@y.example\r\n\r\n", None),
        (b"X: y\rFrom: b@y.example\r\n\r\n", None),
        (b"From: a@x.example\r\nX: y\rFrom: b@y.example\r\n\r\n", None),
        (b"From: a@x.example\r\nX: y\0From: b@y.example\r\n\r\n", None),
        (b"From: \r\n\r\n", None),
        (b"From: somebody\r\n\r\n", None),
        (b"From: \xff@x.example\r\n\r\n", None),
        ("From: иван@x.example\r\n\r\n".encode(), [Address("иван", "x.example")]),
    ],
)
def test_authors(head: bytes, expected: list[Address] | None) -> None:
    assert header.authors(head) == expected


@given(st.binary(max_size=200))
def test_any_header_can_be_read(head: bytes) -> None:
    header.authors(b"From: " + head)
    header.list_ids(b"List-Id: " + head)
    assert header.hops(head) >= 0
