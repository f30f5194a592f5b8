# SPDX-License-Identifier: Apache-2.0
"""IMAP URLs: RFC 5092."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.urls import MessageUrl, parse_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/INBOX/;UID=20", MessageUrl("INBOX", 0, 20, "", 0, 0)),
        (
            "/INBOX;UIDVALIDITY=3/;UID=20/;SECTION=1.2/;PARTIAL=5.1024",
            MessageUrl("INBOX", 3, 20, "1.2", 5, 1024),
        ),
        ("/a/b/;uid=1/;section=header", MessageUrl("a/b", 0, 1, "header", 0, 0)),
        ("imap://ivanov@mail.example/A%20b%26/;UID=1/;PARTIAL=7", MessageUrl("A b&", 0, 1, "", 7, 0)),
        ("/%D0%9F/;UID=1/;SECTION=HEADER.FIELDS%20(x)", MessageUrl("П", 0, 1, "HEADER.FIELDS (x)", 0, 0)),
    ],
)
def test_what_a_url_names(text: str, expected: MessageUrl) -> None:
    assert parse_url(text) == expected


@pytest.mark.parametrize(
    "text", ["", "/INBOX", "/INBOX/;UID=0", "INBOX/;UID=1", "/%FF/;UID=1", "/a/;UID=1/x", "http://x/;UID=1"]
)
def test_what_names_nothing(text: str) -> None:
    assert parse_url(text) is None


@given(st.text(max_size=60))
def test_any_text_is_one_or_none(text: str) -> None:
    assert parse_url(f"/{text}/;UID=1") is None or "/" in text or ";" not in text
