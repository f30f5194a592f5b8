# SPDX-License-Identifier: Apache-2.0
"""Items of structured fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav import structured


@pytest.mark.parametrize(
    ("field", "value"),
    [("?1", True), ("?0", False), (" ?1 ", True), ("?1;a=b", True), ("1", None), ("?2", None), (None, None)],
)
def test_boolean(field: str | None, value: bool | None) -> None:
    assert structured.boolean(field) is value


@pytest.mark.parametrize(
    ("field", "value"),
    [("0", 0), ("100;x", 100), ("-1", None), ("1.5", None), ("9" * 16, None), ("", None), (None, None)],
)
def test_integer(field: str | None, value: int | None) -> None:
    assert structured.integer(field) == value


@given(st.text())
def test_anything(field: str) -> None:
    assert structured.boolean(field) in (True, False, None)
    number = structured.integer(field)
    assert number is None or number >= 0
