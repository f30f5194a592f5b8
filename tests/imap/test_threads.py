# SPDX-License-Identifier: Apache-2.0
"""Threading: RFC 5256 §3."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.threads import ALGORITHMS, Message, references, serialise


def message(number: int, message_id: str, refs: str = "", subject: str = "", sent: int = 0) -> Message:
    return Message(number, sent or number, subject, message_id, refs.split())


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], b""),
        ([message(1, "a"), message(2, "b", "a"), message(3, "c", "a b")], b"(1 2 3)"),
        ([message(1, "a"), message(2, "b", "a"), message(3, "c", "a")], b"(1 (2)(3))"),
        # a root that is not there
        ([message(1, "b", "a"), message(2, "c", "a")], b"((1)(2))"),
        ([message(1, "b", "gone")], b"(1)"),
        # a ring is not closed; a message's own References say more than those of others
        ([message(1, "a", "b"), message(2, "b", "a")], b"(2 1)"),
        ([message(1, "a"), message(2, "b", "a c"), message(3, "c", "b")], b"(1)(3 2)"),
        # one id twice
        ([message(1, "a"), message(2, "a")], b"(1)(2)"),
        # by subject
        ([message(1, "a", "", "Re: x"), message(2, "b", "", "x")], b"(2 1)"),
        ([message(1, "a", "", "x"), message(2, "b", "", "x")], b"((1)(2))"),
    ],
)
def test_references(messages: list[Message], expected: bytes) -> None:
    assert serialise(references(messages)) == expected


def test_ordered_subject() -> None:
    messages = [
        message(1, "", "", "b", 5),
        message(2, "", "", "Re: B", 9),
        message(3, "", "", "a", 7),
        message(4, "", "", "b (fwd)", 8),
    ]
    assert serialise(ALGORITHMS["ORDEREDSUBJECT"](messages)) == b"(1 (4)(2))(3)"


def test_deep_threads_do_not_recurse() -> None:
    chain = [message(number, f"m{number}", f"m{number - 1}") for number in range(1, 5000)]
    assert serialise(references(chain)) == b"(" + b" ".join(b"%d" % n for n in range(1, 5000)) + b")"


ids = st.sampled_from("abcdefg")


@given(
    st.lists(st.tuples(ids, st.lists(ids, max_size=4), st.sampled_from(["", "x", "Re: x", "y"])), max_size=9)
)
def test_every_message_is_in_one_thread(drawn: list[tuple[str, list[str], str]]) -> None:
    messages = [
        Message(number, number, subject, message_id, refs)
        for number, (message_id, refs, subject) in enumerate(drawn, 1)
    ]
    for algorithm in ALGORITHMS.values():
        shown = serialise(algorithm(messages)).decode()
        assert sorted(int(number) for number in re.findall(r"\d+", shown)) == list(range(1, len(drawn) + 1))
        assert shown.count("(") == shown.count(")")
