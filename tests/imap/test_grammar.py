# SPDX-License-Identifier: Apache-2.0
"""The command grammar: RFC 3501 §9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.grammar import MAX_KEYWORD, STAR, Cursor, SequenceSet
from armgs_server.imap.responses import ImapError

Rule = Callable[[Cursor], Any]


def parse(rule: Rule, *parts: bytes) -> Any:
    """The whole of `parts` by one rule."""
    cursor = Cursor(parts)
    result = rule(cursor)
    cursor.end()
    return result


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        (Cursor.atom, b"inbox", "INBOX"),
        (Cursor.astring, b"a]b", b"a]b"),
        (Cursor.astring, b'"a b"', b"a b"),
        (Cursor.astring, b'"\\"\\\\"', b'"\\'),
        (Cursor.astring, b'""', b""),
        (Cursor.nstring, b"nil", None),
        (Cursor.nstring, b'"nil"', b"nil"),
        (Cursor.number, b"4294967295", 4294967295),
        (Cursor.mod_sequence, b"9223372036854775807", (1 << 63) - 1),
        (Cursor.mailbox, b"inBOX", "INBOX"),
        (Cursor.mailbox, b"&BB8-/x", "П/x"),
        (Cursor.mailbox, '"П"'.encode(), "П"),
        (Cursor.list_mailbox, b"%/a*", "%/a*"),
        (Cursor.list_mailbox, b'"a b%"', "a b%"),
        (Cursor.flag, b"\\sEEN", (1, "")),
        (Cursor.flag, b"$Forwarded", (0, "$Forwarded")),
        (Cursor.flag_list, b"()", (0, [])),
        (Cursor.flag_list, b"(\\Seen \\Deleted a B)", (9, ["a", "B"])),
        (Cursor.flag_list, b"\\Seen a", (1, ["a"])),
        (Cursor.date, b"1-Feb-2024", 19754),
        (Cursor.date, b'"01-feb-2024"', 19754),
        (Cursor.date_time, b'" 1-Feb-2024 00:00:01 +0000"', 1706745601_000000),
        (Cursor.date_time, b'"01-Feb-2024 00:00:01 -0130"', 1706751001_000000),
        (Cursor.use_attribute, b"\\sent", "\\SENT"),
    ],
)
def test_rules(rule: Rule, text: bytes, expected: Any) -> None:
    assert parse(rule, text) == expected


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Cursor.atom, b""),
        (Cursor.atom, b"(x)"),
        (Cursor.astring, b""),
        (Cursor.astring, b'"unclosed'),
        (Cursor.astring, b'"a\\b"'),
        (Cursor.string, b"atom"),
        (Cursor.number, b"x"),
        (Cursor.number, b"4294967296"),
        (Cursor.mod_sequence, b"9223372036854775808"),
        (Cursor.mailbox, b"&AAA"[:3] + b"-"),
        (Cursor.mailbox, b'"\xff"'),
        (Cursor.flag, b"\\Recent"),
        (Cursor.flag, b"x" * (MAX_KEYWORD + 1)),
        (Cursor.flag_list, b"(\\Seen"),
        (Cursor.date, b"30-Feb-2024"),
        (Cursor.date, b"1-Foo-2024"),
        (Cursor.date_time, b'" 1-Feb-2024 24:00:01 +0000"'),
        (Cursor.date_time, b'"1-Feb-2024 00:00:01 +0000"'),
        (Cursor.sequence_set, b""),
        (Cursor.sequence_set, b"0"),
        (Cursor.sequence_set, b"1:"),
        (Cursor.sequence_set, b"1,,2"),
        (Cursor.sequence_set, b"4294967296"),
    ],
)
def test_what_is_bad(rule: Rule, text: bytes) -> None:
    with pytest.raises(ImapError) as refused:
        parse(rule, text)
    # RFC 3501 names no code for a name that is not modified UTF-7: no mailbox can have it
    assert refused.value.condition == (b"NO" if text == b"&AA-" else b"BAD")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1", ((1, 1),)),
        (b"*", ((STAR, STAR),)),
        (b"2:4,9:*,*:3", ((2, 4), (9, STAR), (STAR, 3))),
    ],
)
def test_sequence_sets(text: bytes, expected: tuple[tuple[int, int], ...]) -> None:
    assert parse(Cursor.sequence_set, text) == SequenceSet(expected)


def test_the_saved_set() -> None:
    assert parse(Cursor.sequence_set, b"$") == SequenceSet((), saved=True)


def test_literals_stand_where_strings_do() -> None:
    cursor = Cursor([b"(", b"one", b" ", b"two\r\n", b" three)"])
    assert cursor.parenthesised(cursor.astring) == [b"one", b"two\r\n", b"three"]
    cursor.end()


def test_nothing_may_be_left() -> None:
    cursor = Cursor([b"a b"])
    cursor.atom()
    with pytest.raises(ImapError, match="end of line"):
        cursor.end()
    literal = Cursor([b"a ", b"x", b""])
    literal.atom()
    with pytest.raises(ImapError):
        literal.end()


_RULES: list[Rule] = [
    Cursor.atom,
    Cursor.astring,
    Cursor.nstring,
    Cursor.number,
    Cursor.sequence_set,
    Cursor.mailbox,
    Cursor.list_mailbox,
    Cursor.flag_list,
    Cursor.date,
    Cursor.date_time,
    lambda cursor: cursor.parenthesised(cursor.astring),
]


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5).filter(lambda parts: len(parts) % 2 == 1))
def test_any_bytes_are_read_or_refused(parts: list[bytes]) -> None:
    for rule in _RULES:
        try:
            parse(rule, *parts)
        except ImapError as error:
            assert error.text


@given(st.text('()"\\ {}%*&-+,:0123456789$aB./', max_size=30))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    for rule in _RULES:
        try:
            parse(rule, text.encode())
        except ImapError as error:
            assert error.condition in (b"BAD", b"NO")
