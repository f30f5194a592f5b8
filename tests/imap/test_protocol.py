# SPDX-License-Identifier: Apache-2.0
"""Framing: however the network cuts it, the events are the same; nothing grows beyond its limit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.events import Command, Event, Fault, Line, MessageData, MessageEnd, MessageStart
from armgs_server.imap.protocol import ImapProtocol
from tests.feed import feed

LINES, LITERALS = 100, 50


class Accepting(ImapProtocol):
    """Takes messages, or not; joins their pieces, so that cuts of the network do not show."""

    def __init__(self, *, accepts: bool = True) -> None:
        super().__init__(LINES, LITERALS)
        self.accepts = accepts
        self.octets: bytes | None = None

    def events(self) -> Iterator[Event]:
        for event in super().events():
            if isinstance(event, MessageStart):
                self.octets = b""
                (self.accept_message if self.accepts else self.refuse_message)()
            if isinstance(event, MessageData):
                assert self.octets is not None
                self.octets += event.data
                continue
            if isinstance(event, MessageEnd):
                yield MessageData(self.octets or b"")
                if event.size is not None:
                    self.octets = b""
                    (self.accept_message if self.accepts else self.refuse_message)()
            yield event


def noop(tag: bytes) -> Command:
    return Command(tag, "NOOP", (tag + b" NOOP",), len(tag) + 5)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"1 NOOP\r\n", [noop(b"1")]),
        (b"1 NOOP\n2 NOOP\r\n", [noop(b"1"), noop(b"2")]),
        (b"1 uid fetch 1 X\r\n", [Command(b"1", "UID FETCH", (b"1 uid fetch 1 X",), 11)]),
        (b"1 UID\r\n", [Command(b"1", "UID", (b"1 UID",), 5)]),
        (
            b"1 LOGIN {3}\r\nabc {2+}\r\nde\r\n",
            [Command(b"1", "LOGIN", (b"1 LOGIN ", b"abc", b" ", b"de", b""), 7)],
        ),
        (b"1 X {0}\r\n\r\n", [Command(b"1", "X", (b"1 X ", b"", b""), 3)]),
        (b"1 X {2+}\r\n\r\n\r\n", [Command(b"1", "X", (b"1 X ", b"\r\n", b""), 3)]),
        (b"\r\n1 NOOP\r\n", [Fault(b"*", "tag and command expected"), noop(b"1")]),
        (b"+ X\r\n1 NOOP\r\n", [Fault(b"*", "tag and command expected"), noop(b"1")]),
        (b"1 +\r\n", [Fault(b"1", "tag and command expected")]),
        (b"no\r\n", [Fault(b"*", "tag and command expected")]),
        (b"{3+}\r\nabc\r\n1 NOOP\r\n", [Fault(b"*", "tag and command expected"), noop(b"1")]),
        (
            b"1 X {51+}\r\n" + b"y" * 51 + b"\r\n2 NOOP\r\n",
            [Fault(b"1", "literals larger than 50 octets", "TOOBIG"), noop(b"2")],
        ),
        (
            b"1 X {40+}\r\n" + b"y" * 40 + b" {40+}\r\n" + b"y" * 40 + b" {1+}\r\nz\r\n2 NOOP\r\n",
            [Fault(b"1", "literals larger than 50 octets", "TOOBIG"), noop(b"2")],
        ),
        (b"1 X {51}\r\n2 NOOP\r\n", [Fault(b"1", "literals larger than 50 octets", "TOOBIG"), noop(b"2")]),
    ],
)
def test_commands(data: bytes, expected: list[Event]) -> None:
    assert feed(Accepting, data, b"3 NOOP\r\n") == expected


def test_a_message_is_an_event_of_its_own() -> None:
    data = b"1 APPEND INBOX (\\Seen) {5+}\r\na\r\nbc\r\n2 NOOP\r\n"
    command = Command(b"1", "APPEND", (b"1 APPEND INBOX (\\Seen) ",), 8)
    events = feed(Accepting, data)
    assert events == [MessageStart(command, 5), MessageData(b"a\r\nbc"), MessageEnd(b""), noop(b"2")]


def test_the_mailbox_of_append_may_be_a_literal() -> None:
    data = b"1 APPEND {5+}\r\nINBOX {3+}\r\nabc\r\n"
    command = Command(b"1", "APPEND", (b"1 APPEND ", b"INBOX", b" "), 8)
    assert feed(Accepting, data) == [MessageStart(command, 3), MessageData(b"abc"), MessageEnd(b"")]


def test_an_empty_message_and_what_is_behind_a_message() -> None:
    data = b"1 APPEND x {0+}\r\n junk\r\n"
    command = Command(b"1", "APPEND", (b"1 APPEND x ",), 8)
    assert feed(Accepting, data) == [MessageStart(command, 0), MessageData(b""), MessageEnd(b" junk")]


@pytest.mark.parametrize(
    "command", [b"APPEND x", b"APPEND {1+}\r\nx", b"REPLACE 4 x", b"uid replace 4 {1+}\r\nx"]
)
def test_messages_follow_one_another(command: bytes) -> None:
    """RFC 3502, RFC 8508"""
    data = b"1 %b {1+}\r\nm (\\Seen) ~{9+}\r\n2 NOOP\r\n!)\r\n3 NOOP\r\n" % command
    assert feed(Accepting, data)[1:] == [
        MessageData(b"m"),
        MessageEnd(b" (\\Seen) ", 9),
        MessageData(b"2 NOOP\r\n!"),
        MessageEnd(b")"),
        noop(b"3"),
    ]


def test_a_refused_message_that_comes_anyway_is_swallowed() -> None:
    data = b"1 APPEND x {9+}\r\n2 NOOP\r\n\n {3+}\r\n9 N\r\n3 NOOP\r\n"
    events = feed(lambda: Accepting(accepts=False), data)
    assert [type(event) for event in events] == [MessageStart, Command]
    assert events[1] == noop(b"3")


def test_a_refused_message_is_not_sent_by_who_waits() -> None:
    events = feed(lambda: Accepting(accepts=False), b"1 APPEND x {9}\r\n2 NOOP\r\n")
    assert events[1:] == [noop(b"2")]


def test_continuations_are_asked_for_only_where_somebody_waits() -> None:
    protocol = Accepting()
    protocol.receive_data(b"1 LOGIN {1}\r\n")
    assert list(protocol.events()) == []
    assert protocol.data_to_send() == [b"+ Ready for the literal\r\n"]
    protocol.receive_data(b"a {1+}\r\nb\r\n2 APPEND x {1}\r\n")
    list(protocol.events())
    assert protocol.data_to_send() == [b"+ Ready for the message\r\n"]
    assert protocol.data_to_send() == []


def test_a_line_that_was_asked_for_is_no_command() -> None:
    protocol = ImapProtocol(LINES, LITERALS)
    protocol.receive_data(b"1 IDLE\r\nDONE {3}\r\n2 NOOP\r\n")
    events = protocol.events()
    assert isinstance(next(events), Command)
    protocol.expect_line()
    assert list(events) == [Line(b"DONE {3}"), noop(b"2")]


@pytest.mark.parametrize("size", [LINES + 1, 10 * LINES, 500_000])
def test_a_line_that_is_too_long_is_refused_once(size: int) -> None:
    data = b"7 " + b"x" * size + b"\r\n8 NOOP\r\n"
    protocol = ImapProtocol(LINES, LITERALS)
    events: list[Event] = []
    for at in range(0, len(data), 64):
        protocol.receive_data(data[at : at + 64])
        events += protocol.events()
        assert len(protocol._buffer) <= LINES + 1 + 64
    assert [type(event) for event in events] == [Fault, Command]
    assert events[0] == Fault(b"7", "line longer than 100 octets", "TOOBIG") or events[0] == Fault(
        b"7", "command longer than 100 octets", "TOOBIG"
    )


def test_a_literal_at_the_end_of_a_line_that_is_too_long_is_swallowed() -> None:
    data = b"7 " + b"x" * 1000 + b" {13+}\r\n8 NOOP 8 NO\r\n\r\n9 NOOP\r\n"
    for chunk in (len(data), 64, 1):
        protocol = ImapProtocol(LINES, LITERALS)
        events: list[Event] = []
        for at in range(0, len(data), chunk):
            protocol.receive_data(data[at : at + chunk])
            events += protocol.events()
        assert [event.tag for event in events if isinstance(event, Fault | Command)] == [b"7", b"9"]


def test_nothing_comes_after_the_end() -> None:
    protocol = ImapProtocol(LINES, LITERALS)
    protocol.receive_data(b"1 NO")
    protocol.receive_eof()
    assert list(protocol.events()) == []


_PIECES = [
    b"1 ",
    b"X",
    b"APPEND ",
    b"x ",
    b"{3}",
    b"{2+}",
    b"{60+}",
    b"\r\n",
    b"\n",
    b"abc",
    b"UID ",
    b"\xff",
    b"y" * 60,
]


@given(st.lists(st.sampled_from(_PIECES), max_size=30), st.booleans())
def test_any_pieces_give_the_same_events_however_they_are_cut(pieces: list[bytes], accepts: bool) -> None:
    data = b"".join(pieces)
    limits = [event for event in _whole(data, accepts) if isinstance(event, Fault) and event.code == "TOOBIG"]
    if limits:  # how much of a long line is seen before it is refused depends on the cuts
        return
    feed(lambda: Accepting(accepts=accepts), data)


def _whole(data: bytes, accepts: bool) -> list[Event]:
    protocol = Accepting(accepts=accepts)
    protocol.receive_data(data)
    return list(protocol.events())


@given(st.binary(max_size=300))
def test_any_bytes_are_taken(data: bytes) -> None:
    for event in _whole(data, True):
        assert isinstance(event, Command | MessageStart | MessageData | MessageEnd | Line | Fault)


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"])
def test_a_line_may_be_as_long_as_the_limit(ending: bytes) -> None:
    line = b"1 X " + b"y" * (LINES - 4)
    assert feed(Accepting, line + ending) == [Command(b"1", "X", (line,), 3)]
