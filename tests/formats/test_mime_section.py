# SPDX-License-Identifier: Apache-2.0
"""BODY[…] by offset: RFC 3501 §6.4.5, with its example of section numbers; text for searches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.mime import index, unpack
from armgs_server.formats.mime_section import (
    decoded_text,
    find_part,
    header_fields,
    header_text,
    section_range,
    text_parts,
)
from tests.formats.mail_samples import BROKEN, MIXED, PLAIN, crlf

CARL = (
    b"From: Carl <carl@z.example>\r\nSubject: Inner\r\nContent-Type: multipart/mixed; boundary=deep\r\n\r\n"
)


def section(data: bytes, path: tuple[int, ...], text: str = "") -> bytes | None:
    found = index(data)
    where = section_range(unpack(found.parts, found.header_size, len(data)), path, text)
    return None if where is None else data[where[0] : where[1]]


def test_sections_of_a_plain_message() -> None:
    assert section(PLAIN, ()) == PLAIN
    assert section(PLAIN, (), "TEXT") == b"First line\r\nSecond line\r\n"
    assert section(PLAIN, (1,)) == b"First line\r\nSecond line\r\n"
    assert section(PLAIN, (), "HEADER") == PLAIN[: PLAIN.index(b"First")]
    assert section(PLAIN, (2,)) is None
    assert section(PLAIN, (1, 1)) is None
    assert section(PLAIN, (1,), "HEADER") is None


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ((1, 1), "", b"=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82"),
        ((1, 2), "MIME", b"Content-Type: text/html\r\n\r\n"),
        ((2, 1), "", b"deep one"),
        ((2, 2), "", b"QUJD"),
        ((2, 1), "MIME", b"\r\n"),
        (
            (2,),
            "HEADER",
            CARL,
        ),
        ((2,), "MIME", b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"),
        ((3,), "", b"0JrQvtC90LXRhg=="),
        ((1,), "HEADER", None),
        ((1,), "TEXT", None),
        ((3, 1), "", None),
        ((4,), "", None),
        ((2, 3), "", None),
        ((0,), "", None),
    ],
)
def test_sections_of_a_multipart(path: tuple[int, ...], text: str, expected: bytes | None) -> None:
    assert section(MIXED, path, text) == expected


def test_the_text_of_a_message_within_begins_behind_its_header() -> None:
    text = section(MIXED, (2,), "TEXT")
    assert text is not None and text.startswith(b"--deep\r\n") and text.endswith(b"--deep--")
    header = section(MIXED, (2,), "HEADER")
    assert header is not None and section(MIXED, (2,)) == header + text


def test_a_plain_message_within_has_part_one() -> None:
    data = crlf("Content-Type: message/rfc822\n\nSubject: in\n\nbody\n")
    assert section(data, (1,)) == b"Subject: in\r\n\r\nbody\r\n"
    assert section(data, (1, 1)) == b"body\r\n"
    assert section(data, (1, 1, 1)) is None
    assert section(data, (1,), "HEADER") == b"Subject: in\r\n\r\n"


def test_every_part_is_found_by_its_number() -> None:
    found = index(MIXED)
    root = unpack(found.parts, found.header_size, len(MIXED))
    assert find_part(root, ()) == root
    assert find_part(root, (1,)) == root.children[0]
    assert find_part(root, (2, 2)) == root.children[1].children[0].children[1]


HEADER = b"From: a\r\nTo: b\r\n\tc\r\nX-To: d\r\nfrom: e\r\n\r\n"


@pytest.mark.parametrize(
    ("names", "negate", "expected"),
    [
        ((b"FROM",), False, b"From: a\r\nfrom: e\r\n\r\n"),
        ((b"To", b"From"), False, b"From: a\r\nTo: b\r\n\tc\r\nfrom: e\r\n\r\n"),
        ((b"None",), False, b"\r\n"),
        ((b"From",), True, b"To: b\r\n\tc\r\nX-To: d\r\n\r\n"),
        ((b"X.To", b"[", b"\\"), False, b"\r\n"),
    ],
)
def test_header_fields(names: tuple[bytes, ...], negate: bool, expected: bytes) -> None:
    assert header_fields(names, negate)(HEADER) == expected


def test_header_fields_of_bare_line_feeds() -> None:
    assert header_fields((b"To",), False)(HEADER.replace(b"\r", b"")) == b"To: b\n\tc\n\r\n"


@given(
    st.binary(max_size=100),
    st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=4),
    st.booleans(),
)
def test_any_header_and_names_are_taken(header: bytes, names: list[bytes], negate: bool) -> None:
    assert header_fields(names, negate)(header).endswith(b"\r\n")


def test_text_of_parts_is_decoded() -> None:
    found = index(MIXED)
    root = unpack(found.parts, found.header_size, len(MIXED))
    texts = [decoded_text(MIXED, part) for part in text_parts(root)]
    assert texts == ["Привет", "Hello", "deep one", "", "Конец"]


def test_text_of_a_header_is_decoded() -> None:
    assert header_text(b"Subject: =?utf-8?Q?=D0=AF?=\r\n x\r\nTo: y\r\n\r\n") == "Subject: Я x\nTo: y"


@pytest.mark.parametrize("name", BROKEN)
def test_text_of_broken_mail(name: str) -> None:
    data = BROKEN[name]
    found = index(data)
    parts = list(text_parts(unpack(found.parts, found.header_size, len(data))))
    assert parts
    for part in parts[:50]:
        assert "\0" not in decoded_text(data, part)
