# SPDX-License-Identifier: Apache-2.0
"""Address lists as ENVELOPE wants them: RFC 5322 §3.4, §4.4, RFC 3501 §7.4.2."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.mime_address import MAX_ADDRESSES, Mailbox, parse_address_list

ANN = Mailbox(None, None, b"ann", b"x.example")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b"ann@x.example", [ANN]),
        (b"<ann@x.example>", [ANN]),
        (b"Ann B <ann@x.example>", [ANN._replace(name=b"Ann B")]),
        (b'"B, Ann" <ann@x.example>', [ANN._replace(name=b"B, Ann")]),
        (b'"say \\"hi\\"" <ann@x.example>', [ANN._replace(name=b'say "hi"')]),
        (b"ann@x.example (Ann)", [ANN._replace(name=b"Ann")]),
        (b"(a (nested) one) ann@x.example", [ANN._replace(name=b"a (nested) one")]),
        (b"=?utf-8?Q?A=2E?= <ann@x.example>", [ANN._replace(name=b"=?utf-8?Q?A=2E?=")]),
        (b"ann@x.example, bob@y.example", [ANN, Mailbox(None, None, b"bob", b"y.example")]),
        (b"ann@x.example,,\t bob@y.example,", [ANN, Mailbox(None, None, b"bob", b"y.example")]),
        (b"<@r.example,@s.example:ann@x.example>", [ANN._replace(route=b"@r.example,@s.example")]),
        (b'"ann b"@x.example', [ANN._replace(mailbox=b"ann b")]),
        (b'<"ann b"@x.example>', [ANN._replace(mailbox=b"ann b")]),
        (b"Ann <ann(her account)@x(a (nested) host). example>", [ANN._replace(name=b"Ann")]),
        (b"ann (her account) @ x. example", [ANN._replace(name=b"her account")]),
        (b"ann@[192.0.2.1]", [ANN._replace(host=b"[192.0.2.1]")]),
        (
            "Анна <анна@пример.рф>".encode(),
            [Mailbox("Анна".encode(), None, "анна".encode(), "пример.рф".encode())],
        ),
    ],
)
def test_addresses(value: bytes, expected: list[Mailbox]) -> None:
    assert parse_address_list(value) == expected


def test_groups_open_and_close() -> None:
    opened, closed = Mailbox(None, None, b"Team", None), Mailbox(None, None, None, None)
    assert parse_address_list(b"Team: ann@x.example;") == [opened, ANN, closed]
    assert parse_address_list(b"Team:;, ann@x.example") == [opened, closed, ANN]
    assert parse_address_list(b"Team: ann@x.example") == [opened, ANN, closed]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"undisclosed recipients", [Mailbox(None, None, b"undisclosed recipients", b"")]),
        (b"Ann <ann>", [Mailbox(b"Ann", None, b"ann", b"")]),
        (b"ann@home <ann@x.example>", [ANN._replace(name=b"ann@home")]),
        (b"Ann <ann@x.example", [ANN._replace(name=b"Ann")]),
        (b"<>", [Mailbox(None, None, b"", b"")]),
        (b'"unclosed <ann@x.example>', [Mailbox(None, None, b"unclosed <ann@x.example>", b"")]),
    ],
)
def test_broken_addresses_still_say_something(value: bytes, expected: list[Mailbox]) -> None:
    assert parse_address_list(value) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(value: bytes) -> None:
    assert len(parse_address_list(value)) <= len(value) + 1


@given(st.text('a<>@,;:"()\\ [].', max_size=60))
def test_any_punctuation_is_taken(value: str) -> None:
    for mailbox in parse_address_list(value.encode()):
        assert mailbox.mailbox is not None or mailbox.host is None


@pytest.mark.parametrize("piece", [b"<", b"(", b'"', b"a,", b"a@", b" ", b"\\", b"a <", b"[", b";:"])
def test_a_long_field_takes_no_long_time(piece: bytes) -> None:
    begun = time.process_time()
    assert len(parse_address_list(piece * (200_000 // len(piece)))) <= MAX_ADDRESSES + 1
    assert time.process_time() - begun < 5
