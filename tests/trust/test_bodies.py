# SPDX-License-Identifier: Apache-2.0
"""Canonical bodies (RFC 6376 §3.4.3, §3.4.4): the same whole and in pieces, in memory and mapped."""

from __future__ import annotations

import hashlib
import mmap
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.trust import bodies
from armgs_server.trust.bodies import Bodies


def simple(body: bytes) -> bytes:
    return re.sub(rb"(\r\n)*\Z", b"", body) + b"\r\n"


def relaxed(body: bytes) -> bytes:
    """Line by line, as the standard tells it."""
    lines = [re.sub(rb"[ \t]+", b" ", line).removesuffix(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b" \t\r\n\r\n",
        b"a",
        b"a \r\n",
        b" a\t b \r\n\r\n \r\n",
        b"a\r\n\r\nb\r\n",
        b"a \r\n\n",
        b"a\r",
        b"a \n \r\n",
    ],
)
def test_forms(body: bytes) -> None:
    found = Bodies(b"Header: x\r\n\r\n" + body, 13)
    assert found.sha256("simple") == (hashlib.sha256(simple(body)).digest(), len(simple(body)))
    assert found.sha256("relaxed") == (hashlib.sha256(relaxed(body)).digest(), len(relaxed(body)))


@given(st.text(alphabet="ab \t\r\n", max_size=60).map(str.encode), st.integers(1, 20))
def test_pieces_make_no_difference(body: bytes, size: int) -> None:
    before = bodies.PIECE
    bodies.PIECE = size
    try:
        found = Bodies(body, 0)
        assert found.sha256("relaxed")[0] == hashlib.sha256(relaxed(body)).digest()
        assert found.sha256("simple")[0] == hashlib.sha256(simple(body)).digest()
    finally:
        bodies.PIECE = before


def test_mapped_file(tmp_path: Path) -> None:
    file = tmp_path / "message"
    file.write_bytes(b"text \r\n" * 400_000)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        digest, size = Bodies(mapped, 0).sha256("relaxed")
    assert (digest, size) == (hashlib.sha256(b"text\r\n" * 400_000).digest(), 6 * 400_000)
