# SPDX-License-Identifier: Apache-2.0
"""Three-valued AND, OR and NOT: None is "only the message itself can tell"."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.imap.commands.search_content import Content
from armgs_server.imap.commands.search_query import Match, Query, either, every, intersect, negated
from armgs_server.storage.tx import Row

VALUES = (True, False, None)


def says(value: bool | None) -> Match:
    def match(row: Row, content: Content | None) -> bool | None:
        return value

    return match


def test_and() -> None:
    for values in itertools.product(VALUES, repeat=3):
        expected = False if False in values else None if None in values else True
        assert every([says(value) for value in values])((), None) is expected
    assert every([])((), None) is True


def test_or_and_not() -> None:
    for first, second in itertools.product(VALUES, repeat=2):
        expected = True if True in (first, second) else None if None in (first, second) else False
        assert either(says(first), says(second))((), None) is expected
    assert [negated(says(value))((), None) for value in VALUES] == [False, True, None]


def test_columns_are_named_once() -> None:
    query = Query()
    assert [query.column(name) for name in ("i.flags", "m.subject", "i.flags")] == [1, 2, 1]
    assert query.columns == "i.flags, m.subject"


_RUNS = st.lists(st.integers(0, 30), max_size=8, unique=True).map(
    lambda numbers: [
        (low, high) for low, high in zip(sorted(numbers)[::2], sorted(numbers)[1::2], strict=False)
    ]
)


@given(_RUNS, _RUNS)
def test_intersection(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    def places(runs: list[tuple[int, int]]) -> set[int]:
        return {place for low, high in runs for place in range(low, high)}

    assert places(list(intersect(first, second))) == places(first) & places(second)
