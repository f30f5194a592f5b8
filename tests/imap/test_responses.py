# SPDX-License-Identifier: Apache-2.0
"""Responses: RFC 3501 §7, codes of RFC 5530."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server import errors
from armgs_server.imap import responses


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (errors.NotFound("gone"), b"1 NO [NONEXISTENT] gone\r\n"),
        (errors.AlreadyExists("there"), b"1 NO [ALREADYEXISTS] there\r\n"),
        (errors.Denied("no"), b"1 NO [NOPERM] no\r\n"),
        (errors.OverQuota("full"), b"1 NO [OVERQUOTA] full\r\n"),
        (errors.TooLarge("big"), b"1 NO [TOOBIG] big\r\n"),
        (errors.Temporary("later"), b"1 NO [UNAVAILABLE] later\r\n"),
        (errors.Throttled("wait"), b"1 NO [UNAVAILABLE] wait\r\n"),
        (errors.Conflict("odd"), b"1 NO [CANNOT] odd\r\n"),
        (errors.Invalid("wrong"), b"1 NO [CANNOT] wrong\r\n"),
    ],
)
def test_every_domain_error_has_its_code(error: errors.DomainError, line: bytes) -> None:
    assert responses.from_domain(error).line(b"1") == line


def test_text_that_is_no_text_is_made_one() -> None:
    assert responses.status(b"*", b"BYE", "a\r\nb ж") == b"* BYE a??b ?\r\n"
    assert responses.status(b"1", b"OK", "") == b"1 OK done\r\n"


@pytest.mark.parametrize(
    ("flags", "keywords", "shown"),
    [
        (0, "", b"()"),
        (31, "", rb"(\Seen \Answered \Flagged \Deleted \Draft)"),
        (1, "a B", rb"(\Seen a B)"),
        (0, "a", b"(a)"),
    ],
)
def test_flags(flags: int, keywords: str, shown: bytes) -> None:
    assert responses.flag_list(flags, keywords) == shown


@pytest.mark.parametrize(
    ("microseconds", "shown"),
    [
        (0, b'" 1-Jan-1970 00:00:00 +0000"'),
        (1704092400_999999, b'" 1-Jan-2024 07:00:00 +0000"'),
        (-1, b'"31-Dec-1969 23:59:59 +0000"'),
        (253402300799_000000, b'"31-Dec-9999 23:59:59 +0000"'),
    ],
)
def test_dates(microseconds: int, shown: bytes) -> None:
    assert responses.internal_date(microseconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(b"INBOX", b"INBOX"), (b"a b", b'"a b"'), (b"", b'""'), (b"a%", b'"a%"'), (b"(", b'"("')],
)
def test_names_are_atoms_where_they_can_be(value: bytes, shown: bytes) -> None:
    assert responses.astring(value) == shown


@given(st.sets(st.integers(1, 60)))
def test_number_sets_mean_their_numbers(numbers: set[int]) -> None:
    found: list[int] = []
    for piece in responses.number_set(sorted(numbers)).decode().split(","):
        first, _, last = piece.partition(":")
        if first:
            found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)


def test_runs_are_folded() -> None:
    assert responses.number_set([1, 2, 3, 7, 9, 10]) == b"1:3,7,9:10"
