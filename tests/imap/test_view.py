# SPDX-License-Identifier: Apache-2.0
"""The client's view: numbers and uids, RFC 3501 §2.3.1, §7.4.1."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.grammar import STAR, SequenceSet
from armgs_server.imap.responses import ImapError
from armgs_server.imap.view import View


def ranges(*pairs: tuple[int, int]) -> SequenceSet:
    return SequenceSet(pairs)


def test_numbers_are_places() -> None:
    view = View([3, 5, 9], 1)
    assert [view.number(uid) for uid in (3, 5, 9, 4, 10, 0)] == [1, 2, 3, 0, 0, 0]
    assert len(view) == 3


@pytest.mark.parametrize(
    ("wanted", "by_uid", "uids"),
    [
        (ranges((1, 2)), False, [3, 5]),
        (ranges((STAR, STAR)), False, [9]),
        (ranges((STAR, 2)), False, [5, 9]),
        (ranges((3, 3), (1, 1), (1, 2)), False, [3, 5, 9]),
        (ranges((4, 9)), True, [5, 9]),
        (ranges((10, 20)), True, []),
        (ranges((10, STAR)), True, [9]),  # RFC 3501 §6.4.8: always the last
        (ranges((9, 4)), True, [5, 9]),
    ],
)
def test_sets(wanted: SequenceSet, by_uid: bool, uids: list[int]) -> None:
    view = View([3, 5, 9], 1)
    assert view.uids_of(view.runs(wanted, by_uid=by_uid)) == uids


def test_numbers_beyond_the_mailbox_are_bad() -> None:
    with pytest.raises(ImapError):
        View([3], 1).runs(ranges((2, 2)), by_uid=False)


def test_an_empty_mailbox_has_no_last_message() -> None:
    view = View([], 1)
    assert view.runs(ranges((1, STAR)), by_uid=False) == []
    assert view.runs(ranges((1, STAR)), by_uid=True) == []
    with pytest.raises(ImapError):
        view.runs(ranges((1, 1)), by_uid=False)


def test_the_saved_set_forgets_what_is_gone() -> None:
    view = View([3, 5, 9], 1)
    view.saved = [3, 4, 9]
    assert view.uids_of(view.runs(SequenceSet((), saved=True), by_uid=True)) == [3, 9]


def test_growth_takes_only_what_is_behind() -> None:
    view = View([3, 5], 1)
    assert view.grow([4, 7, 8]) == 2
    assert list(view.uids) == [3, 5, 7, 8]


@given(st.sets(st.integers(1, 300), min_size=1), st.sets(st.integers(1, 300)))
def test_expunge_numbers_lead_the_client_to_the_same_mailbox(uids: set[int], gone: set[int]) -> None:
    view = View(sorted(uids), 1)
    client = sorted(uids)
    view.gone = set(gone)
    for number in view.expunge():
        del client[number - 1]
    assert client == list(view.uids) == sorted(uids - gone)
    assert view.gone == set()


@given(
    st.sets(st.integers(1, 100)),
    st.lists(st.tuples(st.integers(1, 120), st.integers(1, 120)), min_size=1, max_size=6),
)
def test_runs_are_in_order_and_apart(uids: set[int], pairs: list[tuple[int, int]]) -> None:
    view = View(sorted(uids), 1)
    runs = view.runs(SequenceSet(tuple(pairs)), by_uid=True)
    for (_, end), (first, _) in pairwise(runs):
        assert end < first
    wanted = {uid for uid in uids if any(min(pair) <= uid <= max(pair) for pair in pairs)}
    assert view.uids_of(runs) == sorted(wanted)
