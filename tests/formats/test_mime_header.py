# SPDX-License-Identifier: Apache-2.0
"""Header fields: RFC 5322, 2045, 2047, 2231 and what real mail makes of them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats import mime_header as header


def test_first_field_of_a_name_counts() -> None:
    fields = header.parse_fields(b"Subject: one\r\nX: y\r\nsubject: two\r\n\r\n")
    assert fields == {b"subject": b" one\r", b"x": b" y\r"}


def test_folded_field_keeps_its_lines_until_it_is_unfolded() -> None:
    fields = header.parse_fields(b"Subject: a\r\n b\r\n\tc\r\nTo: x\r\n")
    assert header.unfold(fields[b"subject"]) == b"a b\tc"


def test_lines_that_are_no_fields_are_left_out() -> None:
    assert header.parse_fields(b"From nobody Mon Jan 1\nTo : a\n=junk\n: x\n") == {b"to": b" a"}


def test_iterate_fields_keeps_order_and_spelling() -> None:
    assert list(header.iterate_fields(b"To: a\nto: b\n")) == [(b"To", b" a"), (b"to", b" b")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/plain", (b"text", b"plain", ())),
        (b" TEXT/Html ; charset = utf-8", (b"TEXT", b"Html", ((b"charset", b"utf-8"),))),
        (b'a/b; name="x \\"y\\".txt"', (b"a", b"b", ((b"name", b'x "y".txt'),))),
        (b"a/b; name=annual report.pdf; x=1", (b"a", b"b", ((b"name", b"annual report.pdf"), (b"x", b"1")))),
        (b"a/b; charset=us-ascii (Plain text)", (b"a", b"b", ((b"charset", b"us-ascii"),))),
        (b'a/b;\r\n boundary="=_1"', (b"a", b"b", ((b"boundary", b"=_1"),))),
        (
            b"a/b; name*0*=utf-8''%D0; name*1*=%9F",
            (b"a", b"b", ((b"name*0*", b"utf-8''%D0"), (b"name*1*", b"%9F"))),
        ),
        (b'a/b; name="unclosed', (b"a", b"b", ((b"name", b"unclosed"),))),
        (b"a/b;;;x", (b"a", b"b", ())),
    ],
)
def test_media_types(value: bytes, expected: tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]) -> None:
    assert header.parse_media_type(value) == expected


@pytest.mark.parametrize("value", [b"", b"text", b"text/", b"/plain", b"; charset=utf-8", b"\xff/\xff"])
def test_what_is_no_media_type(value: bytes) -> None:
    assert header.parse_media_type(value) is None


def test_parameter_names_have_no_case() -> None:
    media = header.parse_media_type(b"a/b; CharSet=UTF-8")
    assert media is not None
    assert media.parameter(b"charset") == b"UTF-8"
    assert media.parameter(b"name") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(b" base64\r\n", b"base64"), (b"7bit;", b"7bit"), (b"8-bit x", b"8-bit"), (b"", None), (b" ;", None)],
)
def test_tokens(value: bytes, expected: bytes | None) -> None:
    assert header.parse_token(value) == expected


SECOND = 1_000_000


@pytest.mark.parametrize(
    ("value", "seconds", "day"),
    [
        (b" Mon, 1 Jan 2024 10:00:00 +0300", 1704092400, 19723),
        (b"1 Jan 2024 10:00:00 GMT", 1704103200, 19723),
        (b"Mon,  1 Jan 2024 00:30 -0500", 1704087000, 19723),
        (b"Fri, 21 Nov 97 09:55:06 -0600", 880127706, 10186),
        (b"21 Nov 03 09:55:06 EST", 1069426506, 12377),
        (b"Thu, 13 Feb 1969 23:32:54 -0330", -27723426, -322),
        (b"Mon, 01-Jan-2024 10.00.00 +0000 (UTC)", 1704103200, 19723),
    ],
)
def test_dates(value: bytes, seconds: int, day: int) -> None:
    assert header.parse_date(value) == (seconds * SECOND, day)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"yesterday",
        b"32 Jan 2024 10:00 +0000",
        b"1 Foo 2024 10:00",
        b"1 Jan 2024 25:00",
        b"0 Jan 2024 1:00",
    ],
)
def test_what_is_no_date(value: bytes) -> None:
    assert header.parse_date(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" plain ", "plain"),
        (b"=?utf-8?B?0J/RgNC40LLQtdGC?=", "Привет"),
        (b"=?koi8-r?Q?=F0=D2=C9=D7=C5=D4?=, Ann", "Привет, Ann"),
        (b"=?utf-8?Q?a_b?= =?utf-8?Q?_c?=", "a b c"),
        (b"=?utf-8?B?0J/R?=\r\n =?utf-8?B?gNC40LLQtdGC?=", "Привет"),  # a letter cut in two
        (b"=?utf-8*ru?Q?x?=", "x"),  # RFC 2231 §5
        (b"=?windows-1251?B?z/Do4uXy?= =?utf-8?Q?!?=", "Привет!"),
        (b"=?utf-8?B?broken", "=?utf-8?B?broken"),
        (b"=?no-such-charset?Q?=D0=9F?=", "П"),
        (b"=?utf-8?B?0J/Q===?=", None),
        ("Привет".encode(), "Привет"),
        (b"caf\xe9", "café"),
        (b"a\0b", "ab"),
        (b"=?utf-7?Q?+2D0-?=", None),
    ],
)
def test_text(value: bytes, expected: str | None) -> None:
    text = header.decode_text(value)
    assert "\0" not in text
    assert text.encode("utf-8").decode("utf-8") == text
    if expected is not None:
        assert text == expected


@pytest.mark.parametrize(
    ("charset", "value", "expected"),
    [
        ("ks_c_5601-1987", "안녕".encode("cp949"), "안녕"),
        ("gb2312", "中文€".encode("gb18030"), "中文€"),
        ("iso-2022-jp", "日本".encode("iso-2022-jp"), "日本"),
        ("hex", b"abc", "abc"),
        ("idna", b"abc", "abc"),
        ("unicode_escape", b"\\ud800", "\\ud800"),
        ("us-ascii", "ü".encode(), "ü"),
        ("", b"x", "x"),
        ("\0", b"x", "x"),
    ],
)
def test_charsets(charset: str, value: bytes, expected: str) -> None:
    assert header.decode_bytes(value, charset) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"YWJj", b"abc"),
        (b"YW Jj\r\n", b"abc"),
        (b"YWI", b"ab"),
        (b"!YWJj\xff", b"abc"),
        (b"Y", b""),
        (b"", b""),
    ],
)
def test_base64_takes_what_it_can(text: bytes, expected: bytes) -> None:
    assert header.decode_base64(text) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_taken(value: bytes) -> None:
    header.parse_fields(value)
    header.parse_media_type(value)
    header.parse_disposition(value)
    header.parse_date(value)
    text = header.decode_text(value)
    assert "\0" not in text
    assert text.encode("utf-8").decode("utf-8") == text


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n")),
    st.sampled_from(["utf-8", "utf-16", "utf-7"]),
)
def test_encoded_words_come_back(text: str, charset: str) -> None:
    word = b"=?%b?B?%b?=" % (charset.encode(), base64.b64encode(text.encode(charset)))
    assert header.decode_text(word) == text
