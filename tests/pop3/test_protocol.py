# SPDX-License-Identifier: Apache-2.0
"""POP3 framing: lines however the network cuts them, and what is too long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.pop3.protocol import RESPONSE_LIMIT, BadLine, Command, Pop3Protocol, Response
from tests.feed import events_of, feed


def make() -> Pop3Protocol:
    return Pop3Protocol(255)


def make_in_auth() -> Pop3Protocol:
    protocol = make()
    protocol.expect_response()
    return protocol


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"QUIT\r\n", [Command("QUIT", "")]),
        (b"retr 1\r\n", [Command("RETR", "1")]),
        (b"PASS two  words \r\n", [Command("PASS", "two  words ")]),
        (b"USER x\nPASS y\n", [Command("USER", "x"), Command("PASS", "y")]),
        ("USER иванов\r\n".encode(), [Command("USER", "иванов")]),
        (b"\r\n", [Command("", "")]),
        (b"USER \xff\r\nNOOP\r\n", [BadLine("not UTF-8"), Command("NOOP", "")]),
        (b"x" * 255 + b"\r\nNOOP\r\n", [BadLine("line longer than 255 octets"), Command("NOOP", "")]),
        (b"x" * 253 + b"\r\n", [Command("X" * 253, "")]),
        (b"x" * 5000 + b"\r\nNOOP\r\n", [BadLine("line longer than 255 octets"), Command("NOOP", "")]),
    ],
)
def test_commands(data: bytes, events: list[object]) -> None:
    assert feed(make, data, b"STAT\r\n") == events


def test_a_line_of_auth_may_be_long_and_ends_the_mode() -> None:
    line = b"A" * 4000
    assert feed(make_in_auth, line + b"\r\nNOOP\r\n") == [Response(line), Command("NOOP", "")]
    too_long = feed(make_in_auth, b"A" * RESPONSE_LIMIT + b"\r\nNOOP\r\n")
    assert too_long == [BadLine(f"line longer than {RESPONSE_LIMIT} octets"), Command("NOOP", "")]


def test_what_is_not_handled_yet_is_known() -> None:
    protocol = make()
    protocol.receive_data(b"STLS\r\nUSER x\r\n")
    assert next(protocol.events()) == Command("STLS", "")
    assert protocol.has_input


@given(st.binary(max_size=600), st.lists(st.integers(1, 600), max_size=8))
def test_any_bytes_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert events_of(make, pieces) == events_of(make, [data])
