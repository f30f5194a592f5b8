# SPDX-License-Identifier: Apache-2.0
"""Mailbox names: RFC 3501 §5.1, §5.1.3, patterns."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.mailbox_names import (
    MAX_LEVELS,
    MAX_PATTERN,
    MAX_WILDCARDS,
    check_pattern,
    decode_mailbox,
    encode_mailbox,
    is_match,
    normalise,
    segments,
)
from armgs_server.imap.responses import ImapError


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (b"INBOX", "INBOX"),
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # the example of §5.1.3
        (b"Q&-A", "Q&A"),
        (b"&BB8EQAQ4BDIENQRC-", "Привет"),
        (b"&2D3eAA-", "😀"),
        (b"plain name", "plain name"),
    ],
)
def test_modified_utf7(wire: bytes, name: str) -> None:
    assert decode_mailbox(wire) == name
    assert encode_mailbox(name) == wire


@pytest.mark.parametrize("wire", [b"&!-", b"&AA-", b"&2D0-", b"\xff"])
def test_what_is_not_modified_utf7(wire: bytes) -> None:
    with pytest.raises(ImapError):
        decode_mailbox(wire)


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("inbox", "INBOX"),
        ("Inbox/Sub", "INBOX/Sub"),
        ("Inboxes", "Inboxes"),
        ("a/inbox", "a/inbox"),
        ("й", "й"),
    ],
)
def test_one_spelling(given_name: str, name: str) -> None:
    assert normalise(given_name) == name


@pytest.mark.parametrize(
    "name", ["", "a//b", "/a", "a/", "a%", "*", "..", "a\x07", "x" * 256, "a/" * MAX_LEVELS + "b"]
)
def test_names_that_no_mailbox_may_have(name: str) -> None:
    with pytest.raises(ImapError) as refused:
        segments(name)
    assert refused.value.code == "CANNOT"


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "a/b", True),
        ("%", "a", True),
        ("%", "a/b", False),
        ("a/%", "a/b", True),
        ("a/%", "a/b/c", False),
        ("a*c", "a/b/c", True),
        ("%/c", "a/b/c", False),
        ("*/c", "a/b/c", True),
        ("*%", "a/b", True),
        ("a", "ab", False),
        ("", "", True),
        ("", "a", False),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert is_match(pattern, name) is expected


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
def test_patterns_mean_what_the_regular_expression_means(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(char, re.escape(char)) for char in pattern)
    assert is_match(pattern, name) is bool(re.fullmatch(expression, name))


def test_no_pattern_takes_a_long_time() -> None:
    begun = time.process_time()
    worst = "*a%" * (MAX_WILDCARDS // 2)
    check_pattern(worst)
    assert not is_match(worst + "b", "a" * 7000)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("pattern", ["a" * (MAX_PATTERN + 1), "*a" * (MAX_WILDCARDS + 1)])
def test_patterns_that_are_too_much(pattern: str) -> None:
    with pytest.raises(ImapError):
        check_pattern(pattern)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_names_come_back(name: str) -> None:
    assert decode_mailbox(encode_mailbox(name)) == normalise(unicodedata.normalize("NFC", name))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(wire: bytes) -> None:
    try:
        name = decode_mailbox(wire)
    except ImapError:
        return
    assert decode_mailbox(encode_mailbox(name)) == name
