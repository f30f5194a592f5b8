# SPDX-License-Identifier: Apache-2.0
"""tag=value lists (RFC 6376 §3.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.errors import Invalid
from armgs_server.trust.tags import parse_base64, parse_number, parse_tags, words


def test_lists() -> None:
    assert parse_tags("v=1; a = rsa-sha256 ;\r\n\tb=AA\r\n\t==;") == {
        "v": "1",
        "a": "rsa-sha256",
        "b": "AA\r\n\t==",
    }
    assert parse_tags("p=") == {"p": ""}
    assert parse_tags(" ") == {}


@pytest.mark.parametrize("text", ["v", "=1", "v=1;;a=2", "v=1; v=2", "1v=1", "v=1; b c=2", "a=1;" * 101])
def test_what_is_no_list(text: str) -> None:
    with pytest.raises(Invalid):
        parse_tags(text)


def test_values() -> None:
    assert parse_base64("AA\r\n AA") == b"\0\0\0"
    assert parse_number("0123") == 123
    assert words("From : To:\r\n Cc::") == ["From", "To", "Cc"]
    for wrong in ("A", "ЖЖЖЖ", "AA=A"):
        with pytest.raises(Invalid):
            parse_base64(wrong)
    for wrong in ("", "-1", "1" * 13, "1e3", "٣"):
        with pytest.raises(Invalid):
            parse_number(wrong)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    try:
        tags = parse_tags(text)
    except Invalid:
        return
    assert all(name and value == value.strip(" \t\r\n") for name, value in tags.items())
