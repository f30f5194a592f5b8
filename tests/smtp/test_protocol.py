# SPDX-License-Identifier: Apache-2.0
"""smtp/protocol.py: framing of RFC 5321 §4.5.2, RFC 3030 §2, RFC 4954 §4, and what smugglers try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.smtp.protocol import (
    BadLine,
    Command,
    EndOfText,
    Fault,
    Mode,
    Response,
    SmtpProtocol,
    Text,
)
from armgs_server.smtp.replies import OK_250, START_MAIL_354
from tests.feed import feed


class Receiver:
    """Does what a session does with framing; yields whole messages, so that cuts do not show."""

    def __init__(self) -> None:
        self.protocol = SmtpProtocol(line_limit=512)
        self.text = b""

    def receive_data(self, data: bytes) -> None:
        self.protocol.receive_data(data)

    def events(self) -> Iterator[Any]:
        for event in self.protocol.events():
            match event:
                case Text(data):
                    assert data, "an empty piece"
                    self.text += data
                case EndOfText():
                    yield self.text
                    self.text = b""
                case Command("DATA"):
                    self.protocol.expect_data()
                case Command("BDAT", size):
                    self.protocol.expect_chunk(int(size.split()[0]))
                case Command("AUTH"):
                    self.protocol.expect_response()
                case _:
                    yield event


def received(data: bytes, trailing: bytes = b"NOOP\r\n") -> list[Any]:
    return feed(Receiver, data, trailing)


def test_commands_have_an_upper_case_verb() -> None:
    assert received(b"ehlo Client.Example\r\nnoop\r\n\r\n") == [
        Command("EHLO", "Client.Example"),
        Command("NOOP", ""),
        Command("", ""),
    ]


def test_utf8_commands_and_lines_that_are_not() -> None:
    assert received("MAIL FROM:<иванов@x>\r\n".encode()) == [Command("MAIL", "FROM:<иванов@x>")]
    assert received(b"MAIL FROM:<\xff@x>\r\nNOOP\r\n") == [BadLine(Fault.NOT_UTF8), Command("NOOP", "")]


def test_a_bare_line_feed_ends_no_command() -> None:
    assert received(b"NOOP\nQUIT\r\n") == [BadLine(Fault.NOT_CRLF), Command("QUIT", "")]


def test_an_overlong_line_is_one_fault_and_needs_no_memory() -> None:
    line = b"NOOP " + b"x" * 5000 + b"\r\n"
    assert received(line + b"NOOP\r\n") == [BadLine(Fault.TOO_LONG), Command("NOOP", "")]
    protocol = SmtpProtocol(line_limit=512)
    for _ in range(1000):
        protocol.receive_data(b"x" * 1000)
        assert list(protocol.events()) == []
        assert not protocol.has_input


def test_the_longest_line_is_taken() -> None:
    assert received(b"NOOP " + b"x" * 505 + b"\r\n") == [Command("NOOP", "x" * 505)]
    assert received(b"NOOP " + b"x" * 506 + b"\r\n") == [BadLine(Fault.TOO_LONG)]


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n...b\r\n.\r\n", b".a\r\n..b\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n\r\n..\r\n\r\n.\r\n", b"a\r\n\r\n.\r\n\r\n"),
        (b"a\r.\r\n.\r\n", b"a\r.\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\r\n"),
        (b"a\0b\xff\r\n.\r\n", b"a\0b\xff\r\n"),
        (b"bare\nline\n\r\n.\r\n", b"bare\r\nline\r\n\r\n"),
    ],
)
def test_data_is_unstuffed(wire: bytes, message: bytes) -> None:
    assert received(b"DATA\r\n" + wire) == [message]


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n"]
)
def test_only_crlf_dot_crlf_ends_a_message(end: bytes) -> None:
    """SMTP smuggling (2023): every other "end" stays inside the one message."""
    events = received(b"DATA\r\nx" + end + b"MAIL FROM:<smuggled@x>\r\n.\r\nNOOP\r\n", trailing=b"")
    assert len(events) == 2
    assert isinstance(events[0], bytes) and b"smuggled@x" in events[0]
    assert events[1] == Command("NOOP", "")


def test_chunks_are_counted_not_scanned() -> None:
    assert received(b"BDAT 7\r\n\r\n.\r\nxyBDAT 0 LAST\r\nNOOP\r\n") == [
        b"\r\n.\r\nxy",
        b"",
        Command("NOOP", ""),
    ]


def test_bare_line_feeds_in_chunks_stay() -> None:
    assert received(b"BDAT 3\r\na\nb") == [b"a\nb"]


def test_an_authentication_line_is_one_response() -> None:
    assert received(b"AUTH X\r\n=\r\nNOOP\r\n") == [Response(b"="), Command("NOOP", "")]
    assert received(b"AUTH X\r\n" + b"x" * 2000 + b"\r\n") == [Response(b"x" * 2000)]
    assert received(b"AUTH X\r\n" + b"x" * 13000 + b"\r\nNOOP\r\n") == [
        BadLine(Fault.TOO_LONG),
        Command("NOOP", ""),
    ]


def test_modes() -> None:
    protocol = SmtpProtocol(line_limit=512)
    assert protocol.mode is Mode.COMMAND
    protocol.expect_data()
    assert protocol.mode is Mode.DATA
    protocol.receive_data(b".\r\nQUIT\r\n")
    events = protocol.events()
    assert next(events) == EndOfText()
    assert protocol.mode is Mode.COMMAND
    assert protocol.has_input
    protocol.discard_input()
    assert list(events) == []


def test_after_eof_nothing_comes() -> None:
    protocol = SmtpProtocol(line_limit=512)
    protocol.receive_data(b"NOOP\r\nNOO")
    protocol.receive_eof()
    assert list(protocol.events()) == []


def test_replies_leave_together_and_once() -> None:
    protocol = SmtpProtocol(line_limit=512)
    protocol.send_reply(OK_250)
    protocol.send_reply(START_MAIL_354)
    assert b"".join(protocol.data_to_send()) == (
        b"250 2.0.0 OK\r\n354 Start mail input; end with <CRLF>.<CRLF>\r\n"
    )
    assert protocol.data_to_send() == []


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.", b"\r\n.\r\n"]), max_size=20))
def test_any_cut_of_any_text_gives_the_same_message(pieces: list[bytes]) -> None:
    wire = b"".join(pieces)
    events = received(b"DATA\r\n" + wire + b"\r\n.\r\n", trailing=b"")
    assert isinstance(events[0], bytes)


@given(st.text("\r\n.ab", max_size=30))
def test_stuffing_is_undone(text: str) -> None:
    """What a correct client sends for a text of CRLF lines comes out as that text."""
    message = b"".join(line.encode() + b"\r\n" for line in text.replace("\r", "").split("\n"))
    stuffed = b"".join(
        b"." + line if line[:1] == b"." else line for line in message.splitlines(keepends=True)
    )
    assert received(b"DATA\r\n" + stuffed + b".\r\nQUIT\r\n") == [message, Command("QUIT", "")]


@given(st.binary(max_size=200))
def test_no_input_breaks_the_framing(data: bytes) -> None:
    protocol = SmtpProtocol(line_limit=512)
    protocol.receive_data(data)
    for event in protocol.events():
        assert isinstance(event, Command | BadLine)
