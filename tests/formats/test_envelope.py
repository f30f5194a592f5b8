# SPDX-License-Identifier: Apache-2.0
"""ENVELOPE and the strings of which it is made: RFC 3501 §7.4.2, §4.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.envelope import envelope, message_part, multipart, nstring, single_part, string
from armgs_server.formats.mime_header import MediaType


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", b'""'),
        (b"plain text", b'"plain text"'),
        (b'say "hi" \\', b'"say \\"hi\\" \\\\"'),
        (b"caf\xe9", b"{4}\r\ncaf\xe9"),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"a\0b", b"{2}\r\nab"),
    ],
)
def test_strings(value: bytes, expected: bytes) -> None:
    assert string(value) == expected


def test_nil_is_not_the_empty_string() -> None:
    assert nstring(None) == b"NIL"
    assert nstring(b"") == b'""'


@given(st.binary(max_size=100))
def test_any_string_can_be_read_back(value: bytes) -> None:
    wire = string(value)
    if wire.startswith(b"{"):
        size, _, octets = wire[1:].partition(b"}\r\n")
        assert octets == value.replace(b"\0", b"")
        assert int(size) == len(octets)
    else:
        assert wire[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\") == value


def test_an_envelope() -> None:
    fields = {
        b"date": b" Mon, 1 Jan 2024 10:00:00 +0300\r",
        b"subject": b" Hello\r\n world\r",
        b"from": b" Ann <ann@x.example>\r",
        b"to": b" bob@y.example, (Carl) carl@z.example\r",
        b"message-id": b" <1@x.example>\r",
        b"in-reply-to": b" <0@x.example>\r",
    }
    assert envelope(fields) == (
        b'("Mon, 1 Jan 2024 10:00:00 +0300" "Hello world"'
        b' (("Ann" NIL "ann" "x.example")) (("Ann" NIL "ann" "x.example")) (("Ann" NIL "ann" "x.example"))'
        b' ((NIL NIL "bob" "y.example")("Carl" NIL "carl" "z.example")) NIL NIL'
        b' "<0@x.example>" "<1@x.example>")'
    )


def test_sender_and_reply_to_are_their_own_where_they_are_there() -> None:
    fields = {b"from": b"a@x.example", b"sender": b"b@x.example", b"reply-to": b""}
    assert envelope(fields) == (
        b'(NIL NIL ((NIL NIL "a" "x.example")) ((NIL NIL "b" "x.example")) ((NIL NIL "a" "x.example"))'
        b" NIL NIL NIL NIL NIL)"
    )


def test_an_empty_header_is_all_nil() -> None:
    assert envelope({}) == b"(" + b" ".join([b"NIL"] * 10) + b")"


def test_a_single_part_with_everything() -> None:
    fields = {
        b"content-id": b"<1@x>",
        b"content-description": b"A file",
        b"content-md5": b"Q2hlY2s=",
        b"content-disposition": b"attachment; filename=a.txt",
        b"content-language": b"ru, en",
        b"content-location": b"http://x.example/",
    }
    short, full = single_part(MediaType(b"text", b"plain", ()), fields, b"7bit", 12, b" 1")
    assert short == b'("text" "plain" NIL "<1@x>" "A file" "7bit" 12 1)'
    assert full == (
        b'("text" "plain" NIL "<1@x>" "A file" "7bit" 12 1 "Q2hlY2s=" ("attachment" ("filename" "a.txt"))'
        b' ("ru" "en") "http://x.example/")'
    )


def test_a_multipart() -> None:
    media = MediaType(b"multipart", b"mixed", ((b"boundary", b"b"),))
    short, full = multipart(media, {}, [(b"(1)", b"(1 x)"), (b"(2)", b"(2 x)")])
    assert short == b'((1)(2) "mixed")'
    assert full == b'((1 x)(2 x) "mixed" ("boundary" "b") NIL NIL NIL)'


def test_a_message_in_a_message() -> None:
    media = MediaType(b"message", b"rfc822", ())
    short, full = message_part(media, {}, b"7bit", 9, (b"(E)", b"(B)", b"(S)"), 3)
    assert short == b'("message" "rfc822" NIL NIL NIL "7bit" 9 (E) (B) 3)'
    assert full == b'("message" "rfc822" NIL NIL NIL "7bit" 9 (E) (S) 3 NIL NIL NIL NIL)'
