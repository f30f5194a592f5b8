# SPDX-License-Identifier: Apache-2.0
"""Byte ranges (RFC 9110 §14)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.net.ranges import content_range, parse_range


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        (None, None),
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-", [(500, 1000)]),
        ("bytes=-300", [(700, 1000)]),
        ("bytes=-3000", [(0, 1000)]),
        ("bytes=0-0,-1", [(0, 1), (999, 1000)]),
        ("bytes= 0-9 , 20-29", [(0, 10), (20, 30)]),
        ("bytes=900-2000", [(900, 1000)]),
        ("bytes=0-9,5000-", [(0, 10)]),
        ("Bytes=1-2", [(1, 3)]),
        ("items=0-9", None),
        ("bytes=9-1", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes", None),
        ("bytes=" + "0-1," * 100 + "0-1", None),
    ],
)
def test_ranges(header: str | None, ranges: list[tuple[int, int]] | None) -> None:
    assert parse_range(header, 1000) == ranges


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_unsatisfiable(header: str) -> None:
    with pytest.raises(Invalid):
        parse_range(header, 1000)


@given(st.text(max_size=60), st.integers(min_value=0, max_value=10**12))
def test_any_header_gives_ranges_inside(text: str, size: int) -> None:
    try:
        ranges = parse_range("bytes=" + text, size)
    except Invalid:
        return
    assert all(0 <= start < end <= size for start, end in ranges or [])


def test_content_range() -> None:
    assert content_range(0, 500, 1000) == "bytes 0-499/1000"
