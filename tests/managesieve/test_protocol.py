# SPDX-License-Identifier: Apache-2.0
"""managesieve/protocol.py: commands and strings of RFC 5804 §4, however the network cuts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.managesieve.protocol import SWALLOWED, Bad, Command, ManageSieveProtocol, Response
from armgs_server.managesieve.responses import QUOTED_LIMIT, line, no, ok, string
from tests.feed import feed

LINE, LITERAL = 200, 1000


class Receiver:
    """Does what a session does with framing: what follows AUTHENTICATE is a response."""

    def __init__(self) -> None:
        self.protocol = ManageSieveProtocol(LINE, LITERAL)

    def receive_data(self, data: bytes) -> None:
        self.protocol.receive_data(data)

    def events(self) -> Iterator[Any]:
        for event in self.protocol.events():
            yield event
            if isinstance(event, Command) and event.name == "AUTHENTICATE":
                self.protocol.expect_response()


def received(data: bytes, trailing: bytes = b"NOOP\r\n") -> list[Any]:
    return feed(Receiver, data, trailing)


@pytest.mark.parametrize(
    ("data", "command"),
    [
        (b"noop\r\n", Command("NOOP", ())),
        (b"NOOP\n", Command("NOOP", ())),
        (b'HAVESPACE "my \\"own\\" \\\\" 100\r\n', Command("HAVESPACE", (b'my "own" \\', 100))),
        (b'PUTSCRIPT "a" {7+}\r\nkeep;\r\n\r\n', Command("PUTSCRIPT", (b"a", b"keep;\r\n"))),
        (b"PUTSCRIPT {1+}\r\na {0+}\r\n\r\n", Command("PUTSCRIPT", (b"a", b""))),
        (b"RENAMESCRIPT {1+}\r\na {2+}\r\nbc\r\n", Command("RENAMESCRIPT", (b"a", b"bc"))),
        ('SETACTIVE "правила"\r\n'.encode(), Command("SETACTIVE", ("правила".encode(),))),
        (b'SETACTIVE ""\r\n', Command("SETACTIVE", (b"",))),
    ],
)
def test_commands(data: bytes, command: Command) -> None:
    assert received(data) == [command]


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b'"NOOP"\r\n',
        b"1 2\r\n",
        b'NOOP "open\r\n',
        b'NOOP "a\\b"\r\n',
        b"NOOP word\r\n",
        b'X "a" "b" "c" "d" "e"\r\n',
        b"PUTSCRIPT {3}\r\n",  # only a server's literals are so (RFC 5804 §4)
        b"X (a)\r\n",
        b"\xff\r\n",
    ],
)
def test_what_is_no_command_is_refused_and_swallowed(data: bytes) -> None:
    first, *rest = received(data + b"LOGOUT\r\n")
    assert isinstance(first, Bad) and not first.is_fatal
    assert rest == [Command("LOGOUT", ())]


def test_long_lines_and_literals_are_swallowed() -> None:
    long = received(b"NOOP " + b"x" * LINE + b"\r\nNOOP\r\n")
    assert [type(event) for event in long] == [Bad, Command]
    large, after = received(b'PUTSCRIPT "a" {1001+}\r\n' + b"x" * 1001 + b"\r\nNOOP\r\n")
    assert (large.code, large.is_fatal) == ("QUOTA/MAXSIZE", False)
    assert after == Command("NOOP", ())


def test_an_absurd_literal_ends_the_connection() -> None:
    protocol = ManageSieveProtocol(LINE, LITERAL)
    protocol.receive_data(b'PUTSCRIPT "a" {%d+}\r\nxxx\r\nNOOP\r\n' % (SWALLOWED + 1))
    [event] = protocol.events()
    assert isinstance(event, Bad) and event.is_fatal
    protocol.receive_data(b"NOOP\r\n")
    assert list(protocol.events()) == []


def test_responses_of_a_client() -> None:
    assert received(b'AUTHENTICATE "X"\r\n"YWJj"\r\n') == [
        Command("AUTHENTICATE", (b"X",)),
        Response(b"YWJj"),
    ]
    assert received(b'AUTHENTICATE "X"\r\n{4+}\r\nYWJj\r\n')[1] == Response(b"YWJj")
    assert isinstance(received(b'AUTHENTICATE "X"\r\nNOOP\r\n')[1], Bad)


@given(st.binary(max_size=300))
def test_any_bytes_at_all(data: bytes) -> None:
    """The events do not depend on the cuts, and memory is bounded."""
    assert all(isinstance(event, Command | Response | Bad) for event in received(data))


@given(st.lists(st.one_of(st.binary(max_size=60), st.integers(0, 2**32 - 1)), max_size=4))
def test_what_is_written_is_read(arguments: list[bytes | int]) -> None:
    words = [b"%d" % each if isinstance(each, int) else b"{%d+}\r\n" % len(each) + each for each in arguments]
    assert received(b" ".join([b"X", *words]) + b"\r\n") == [Command("X", tuple(arguments))]


def test_what_the_server_says() -> None:
    assert ok("fine") == b'OK "fine"\r\n'
    assert no('a "b"', "QUOTA") == b'NO (QUOTA) "a \\"b\\""\r\n'
    assert ok("two\r\nlines", "WARNINGS") == b"OK (WARNINGS) {10}\r\ntwo\r\nlines\r\n"
    assert string(b"x" * QUOTED_LIMIT).startswith(b'"')
    assert string(b"x" * (QUOTED_LIMIT + 1)).startswith(b"{1025}\r\n")
    assert line("STARTTLS") == b'"STARTTLS"\r\n'
