# SPDX-License-Identifier: Apache-2.0
"""CSV as it comes: separators, quotes, signs at the beginning, and what is no table."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.administration.table_file import Refusal, parse_table
from armgs_server.errors import Invalid


def test_excel_and_others() -> None:
    text = '\ufeffAddress;Name\r\n"a@b";"x; ""y""\r\nz"\r\n\r\nc@d; e \r\n'
    read = parse_table(text.encode(), "f", ["address"])
    assert [(row.line, dict(row.fields)) for row in read.rows] == [
        (2, {"address": "a@b", "name": 'x; "y"\r\nz'}),
        (5, {"address": "c@d", "name": "e"}),
    ]
    assert str(read.refuse(read.rows[1], "name", "why")) == "f:5, column 2: why"
    assert str(read.refuse(read.rows[1], "unit", "why")) == "f:5: why"


def test_a_row_of_another_length_is_refused_alone() -> None:
    read = parse_table(b"address,name\na\nb,c\nd,e,f\n", "f", [])
    assert [row.line for row in read.rows] == [3]
    assert read.refusals == [Refusal("f", 2, 2, "1 fields, not 2"), Refusal("f", 4, 3, "3 fields, not 2")]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", 1),
        (b"name\nx\n", 1),
        (b"address,address\n", 1),
        (b"address\nx\n\xff\n", 3),
        (b"address\nx\0\n", 2),
        (b'address\nx\n"y\n', 3),
        (b'address\n"x"y\n', 2),
        (b"address\n" + b"x" * 200_000, 2),
    ],
)
def test_what_is_no_table(data: bytes, line: int) -> None:
    with pytest.raises(Invalid) as refused:
        parse_table(data, "f", ["address"])
    assert refused.value.line == line


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    try:
        read = parse_table(b"a,b\n" + data, "f", ["a"])
    except Invalid:
        return
    assert all(row.fields.keys() == {"a", "b"} for row in read.rows)


@given(st.lists(st.tuples(st.text("ab ,;\"'\n"), st.text('xyё;,"\n')), max_size=8))
def test_what_was_written_is_read(rows: list[tuple[str, str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([("a", "b"), *rows])
    read = parse_table(buffer.getvalue().encode(), "f", ["a"])
    assert [(row.fields["a"], row.fields["b"]) for row in read.rows] == [
        (one.strip(), other.strip()) for one, other in rows
    ]
