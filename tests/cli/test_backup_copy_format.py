# SPDX-License-Identifier: Apache-2.0
"""Tables in PostgreSQL's binary COPY format; real ones are read in test_backup_add."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.cli.backup_copy_format import integer, parse
from armgs_server.errors import Invalid

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
ROW = b"\0\x02" + b"\0\0\0\x08" + (7).to_bytes(8, "big") + b"\xff\xff\xff\xff"

Rows = list[tuple[bytes | None, ...]]


def written(rows: Rows) -> bytes:
    out = bytearray(HEAD)
    for row in rows:
        out += struct.pack("!h", len(row))
        for field in row:
            out += struct.pack("!i", -1) if field is None else struct.pack("!i", len(field)) + field
    return bytes(out + END)


def read(data: bytes) -> Rows:
    return list(parse(io.BytesIO(data)))


def test_a_row_of_a_number_and_null() -> None:
    assert read(HEAD + ROW + END) == [((7).to_bytes(8, "big"), None)]
    assert integer((-7).to_bytes(8, "big", signed=True)) == -7
    with pytest.raises(Invalid):
        integer(b"\0\0\0\x07")


def test_an_extension_of_the_header_is_passed_over() -> None:
    assert len(read(HEAD[:-1] + b"\x03abc" + ROW + END)) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut off"),
        (b"PGCOPY\n\xff\n\0\0" + bytes(8) + END, "no table"),
        (HEAD[:11] + b"\0\x01\0\0" + bytes(4) + END, "has OIDs"),
        (HEAD[:11] + b"\x01\0\0\0" + bytes(4) + END, "later format"),
        (HEAD + ROW, "cut off"),
        (HEAD + ROW[:-6] + END, "cut off"),
        (HEAD + b"\0\x01\x7f\xff\xff\xffabc", "cut off"),
        (HEAD + b"\0\x01\xff\xff\xff\xfe", "negative length"),
        (HEAD + b"\xff\xfe", "negative number"),
        (HEAD + END + b"x", "behind its end"),
    ],
)
def test_what_is_not_whole_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        read(data)


@given(st.lists(st.lists(st.none() | st.binary(max_size=30), max_size=4).map(tuple), max_size=5))
def test_what_is_written_is_read_and_each_cut_is_seen(rows: Rows) -> None:
    data = written(rows)
    assert read(data) == rows
    for end in range(len(data)):
        with pytest.raises(Invalid):
            read(data[:end])


@given(st.binary(max_size=100))
def test_any_bytes_are_rows_or_refused(data: bytes) -> None:
    try:
        rows = read(HEAD + data)
    except Invalid:
        return
    assert written(rows) == HEAD + data
