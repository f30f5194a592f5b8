# SPDX-License-Identifier: Apache-2.0
"""Packets of the milter protocol: whole, byte by byte, absurd; what a milter may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.trust import milter_protocol as protocol
from armgs_server.trust.milter_protocol import Answer, Answers, Options
from tests.feed import feed

PACKETS = (
    protocol.packet(b"O", bytes([0, 0, 0, 6, 0, 0, 0, 0x21, 0, 0x1F, 0xFF, 0xFF]))
    + protocol.packet(b"c")
    + protocol.packet(b"h", b"X-Name\0value\0")
    + protocol.packet(b"a")
)
ANSWERS = [
    Answer(b"O", bytes([0, 0, 0, 6, 0, 0, 0, 0x21, 0, 0x1F, 0xFF, 0xFF])),
    Answer(b"c"),
    Answer(b"h", b"X-Name\0value\0"),
    Answer(b"a"),
]


def test_packets_in_pieces() -> None:
    assert feed(Answers, PACKETS, b"\0\0\0\x02c") == ANSWERS


@pytest.mark.parametrize("length", [0, protocol.LONGEST_PACKET + 1, 0xFFFFFFFF])
def test_absurd_length(length: int) -> None:
    answers = Answers()
    answers.receive_data(length.to_bytes(4, "big") + b"c")
    with pytest.raises(Invalid):
        list(answers.events())


def options(version: int, actions: int, steps: int) -> bytes:
    return b"".join(each.to_bytes(4, "big") for each in (version, actions, steps))


def test_options() -> None:
    assert protocol.parse_options(options(6, 0x21, 0x7F)) == Options(6, 0x21, 0x7F)
    assert protocol.serialise_options()[:13] == b"\0\0\0\x0dO\0\0\0\x06\0\0\0\x31"
    for wrong in (
        options(1, 0, 0),
        options(7, 0, 0),
        options(6, 0x02, 0),
        options(6, 0, 1 << 30),
        b"\0" * 11,
    ):
        with pytest.raises(Invalid):
            protocol.parse_options(wrong)


def test_commands() -> None:
    assert protocol.serialise_connect("[192.0.2.1]", "192.0.2.1") == (
        b"\0\0\0\x1aC[192.0.2.1]\x004\0\x00192.0.2.1\0"
    )
    assert b"6\0\x002001:db8::1\0" in protocol.serialise_connect("x", "2001:db8::1")
    assert protocol.serialise_macros(b"M", [("i", "1a")]) == b"\0\0\0\x07DMi\x001a\0"
    assert protocol.strings("a\0b") == b"ab\0"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"550 5.7.9 No\0", (550, "5.7.9", "No")),
        (b"451 Later\0", (451, "4.7.1", "Later")),
        (b"550-5.7.9 One\r\n550 5.7.9 Two\0", (550, "5.7.1", "5.7.9 One 550 5.7.9 Two")),
        (b"554\0", (554, "5.7.1", "")),
    ],
)
def test_reply_codes(data: bytes, expected: tuple[int, str, str]) -> None:
    assert protocol.parse_reply_code(data) == expected


def test_what_is_no_reply_code() -> None:
    for data in (b"", b"250 OK\0", b"no\0"):
        with pytest.raises(Invalid):
            protocol.parse_reply_code(data)


def test_headers() -> None:
    assert protocol.parse_header(Answer(b"h", b"X\0y\0")) == ("X", "y")
    assert protocol.parse_header(Answer(b"i", b"\0\0\0\x01X\0y\0")) == ("X", "y")
    with pytest.raises(Invalid):
        protocol.parse_header(Answer(b"h", b"X"))


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes(data: bytes, size: int) -> None:
    """The same answers however the bytes come, or Invalid."""

    def answers_of(pieces: list[bytes]) -> list[Answer] | None:
        answers = Answers()
        found = []
        try:
            for piece in pieces:
                answers.receive_data(piece)
                found += list(answers.events())
        except Invalid:
            return None
        return found

    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert answers_of([data]) == answers_of(pieces)
