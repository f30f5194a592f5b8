# SPDX-License-Identifier: Apache-2.0
"""What goes out: dots are doubled and the end is the end, however a message is cut into pieces."""

from __future__ import annotations

import poplib
from collections.abc import Sequence
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.pop3.responses import DotStuffing, Head, Pop3Error, err, listing, ok

# Of what something can go wrong.
PARTS = (b".", b"\r\n", b"\n", b"a", b"..", b".\r\n")
CUTS = st.lists(st.integers(0, 60), max_size=6)


def texts(*parts: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(parts), max_size=30).map(b"".join)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def stuffed(data: bytes, cuts: Sequence[int] = ()) -> bytes:
    stuffing = DotStuffing()
    return b"".join(map(stuffing.stuff, pieces(data, cuts))) + stuffing.end()


class _Reader(poplib.POP3):
    """Python's own client, from the response on."""

    def __init__(self, data: bytes) -> None:
        self.file = BytesIO(b"+OK\r\n" + data)
        self._debugging = 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
        (b"a\n.\nb", b"a\n..\nb\r\n.\r\n"),
    ],
)
def test_stuffing(data: bytes, expected: bytes) -> None:
    assert stuffed(data) == expected


@given(texts(*PARTS, b"\r"), CUTS)
def test_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    assert stuffed(data, cuts) == stuffed(data)


@given(texts(*PARTS))  # poplib takes a CR at the beginning of a line for a part of its end
def test_a_client_reads_what_was_there(data: bytes) -> None:
    reader = _Reader(stuffed(data) + b"+OK next\r\n")
    _, lines, _ = reader._getlongresp()  # type: ignore[attr-defined]
    ended = data if data.endswith(b"\n") or not data else data + b"\r\n"
    assert lines == [line.removesuffix(b"\r") for line in ended.split(b"\n")[:-1]]
    assert reader.file.read() == b"+OK next\r\n"


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, b"A: b\r\n\r\n"), (1, b"A: b\r\n\r\n1\r\n"), (9, b"A: b\r\n\r\n1\r\n2\r\n3")]
)
@given(cuts=CUTS)
def test_the_head_of_a_message(lines: int, expected: bytes, cuts: list[int]) -> None:
    head = Head(8, lines)
    assert b"".join(map(head.cut, pieces(b"A: b\r\n\r\n1\r\n2\r\n3", cuts))) == expected
    assert head.is_complete is (lines < 9)


def test_nothing_but_printable_ascii_is_said() -> None:
    assert ok("да\r\nyes") == b"+OK ????yes\r\n"
    assert err("no", "AUTH") == b"-ERR [AUTH] no\r\n"
    assert listing("two", ["1 2", "2 3"]) == b"+OK two\r\n1 2\r\n2 3\r\n.\r\n"
    assert str(Pop3Error("text")) == "text"
