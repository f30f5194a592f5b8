# SPDX-License-Identifier: Apache-2.0
"""smtp/responses.py: what servers say, however the network cuts it (RFC 5321 §4.2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.smtp import responses
from armgs_server.smtp.responses import BadResponse, Response, ResponseReader
from tests.feed import feed


class Reader(ResponseReader):
    """As `feed` asks for it."""

    def events(self) -> Iterator[Response]:
        return self.responses()


def test_replies_of_one_line_and_of_many() -> None:
    data = b"250-mx greets you\r\n250-SIZE 1000\r\n250 HELP\r\n354\r\n550 5.1.1 No\r\n"
    assert feed(Reader, data, b"220 more\r\n") == [
        Response(250, ("mx greets you", "SIZE 1000", "HELP")),
        Response(354, ("",)),
        Response(550, ("5.1.1 No",)),
    ]


def test_lines_may_end_with_a_bare_line_feed() -> None:
    assert feed(Reader, b"250 OK\n") == [Response(250, ("OK",))]


@pytest.mark.parametrize(
    "data",
    [b"hello\r\n", b"250_OK\r\n", b"150 No\r\n", b"250-a\r\n251 b\r\n", b"2500 x\r\n", b"250-a\r\n" * 300],
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(BadResponse):
        feed(Reader, data)


def test_a_line_without_an_end_is_not_gathered_for_ever() -> None:
    reader = Reader()
    reader.receive_data(b"250 " + b"x" * responses.LINE_LIMIT)
    with pytest.raises(BadResponse):
        list(reader.responses())


def test_enhanced_codes() -> None:
    assert Response(550, ("5.1.1 No such person",)).status == "5.1.1"
    assert Response(550, ("2.1.1 confused",)).status == "5.0.0"
    assert Response(450, ("Busy",)).status == "4.0.0"
    assert Response(250, ("2.0.0", "and more")).status == "2.0.0"
    assert Response(250, ("first", "", "last")).text == "first last"


def test_what_a_server_offers() -> None:
    answer = Response(
        250, ("mx", "size 1000", "AUTH=PLAIN", "AUTH PLAIN LOGIN", "STARTTLS", "LIMITS a=1 RCPTMAX=5")
    )
    offered = responses.extensions(answer)
    assert offered == {
        "SIZE": "1000",
        "AUTH": "PLAIN LOGIN",
        "STARTTLS": "",
        "LIMITS": "a=1 RCPTMAX=5",
    }
    assert responses.limits(offered["LIMITS"]) == {"A": 1, "RCPTMAX": 5}
    assert responses.limits("RCPTMAX=x MAILMAX= -1 ROUND=99999999999") == {}


@given(st.binary(max_size=300))
def test_anything_is_replies_or_none(data: bytes) -> None:
    reader = Reader()
    reader.receive_data(data)
    try:
        found = list(reader.responses())
    except BadResponse:
        return
    assert all(200 <= response.code < 600 for response in found)
