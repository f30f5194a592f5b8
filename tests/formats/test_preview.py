# SPDX-License-Identifier: Apache-2.0
"""The first words of a message: RFC 8970."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.formats.mime import index, unpack
from armgs_server.formats.preview import LENGTH, preview
from tests.formats.mail_samples import MIXED, PLAIN

HTML = (
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<html><head><title>no</title><style>p { color: red }</style></head>"
    b"<body><p>Caf=C3=A9 &amp; bar=\r\n</p><script>no()</script></body></html>"
)


def of(message: bytes) -> str:
    made = index(message)
    return preview(message, unpack(made.parts, made.header_size, len(message)))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (PLAIN, "First line Second line"),
        (HTML, "Café & bar"),
        (b"Subject: x\r\n\r\n", ""),
        (b"Content-Type: image/png\r\n\r\nxyz", ""),
        (b"\r\n" + b"word " * 100, ("word " * 100)[:LENGTH]),
    ],
)
def test_first_words(message: bytes, expected: str) -> None:
    assert of(message) == expected


def test_the_first_part_that_has_words() -> None:
    assert of(MIXED).startswith("Привет")


@given(st.binary(max_size=400))
def test_anything_has_one(body: bytes) -> None:
    for head in (b"", b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"):
        assert len(of(head + body)) <= LENGTH
