# SPDX-License-Identifier: Apache-2.0
"""IMAP URLs: RFC 5092."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.urls import AuthorisedUrl, MessageUrl, parse_authorised, parse_url


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


INBOX = "imap://ivanov%40digital.example@mail.example/INBOX/;UID=20"


def test_what_an_authorised_url_says() -> None:
    rump = f"{INBOX}/;SECTION=1.2;EXPIRE=2026-12-01T02:00:00+02:00;URLAUTH=user+petrova%40digital.example"
    url = parse_authorised(f"{rump}:internal:{'0A' * 32}")
    assert url == AuthorisedUrl(
        rump=rump,
        user="ivanov@digital.example",
        host="mail.example",
        message=MessageUrl("INBOX", 0, 20, "1.2", 0, 0),
        expires=1796083200 * 1_000_000,
        access="user",
        accessor="petrova@digital.example",
        mechanism="INTERNAL",
        token="0a" * 32,
    )
    without = parse_authorised(f"{INBOX};URLAUTH=anonymous")
    assert without is not None
    assert (without.access, without.mechanism, without.token, without.expires) == ("anonymous", "", "", None)


@pytest.mark.parametrize(
    "text",
    [
        INBOX,
        f"{INBOX};URLAUTH=everybody",
        f"{INBOX};URLAUTH=user+",
        f"{INBOX};URLAUTH=anonymous:internal",
        f"{INBOX};URLAUTH=anonymous:internal:xyz",
        f"{INBOX};EXPIRE=2026-12-01T02:00:00;URLAUTH=anonymous",
        f"{INBOX};EXPIRE=2026-99-01T02:00:00Z;URLAUTH=anonymous",
        "imap://mail.example/INBOX/;UID=20;URLAUTH=anonymous",
        "/INBOX/;UID=20;URLAUTH=anonymous",
        "imap://a%FF@mail.example/INBOX/;UID=20;URLAUTH=anonymous",
    ],
)
def test_what_authorises_nothing(text: str) -> None:
    assert parse_authorised(text) is None


@given(st.text(max_size=80))
def test_any_text_authorises_or_not(text: str) -> None:
    found = parse_authorised(f"imap://a@b/{text};URLAUTH=anonymous")
    assert found is None or found.access == "anonymous"
