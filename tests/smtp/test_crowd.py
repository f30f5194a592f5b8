# SPDX-License-Identifier: Apache-2.0
"""smtp/crowd.py: order, bounds, and rows that have waited too long."""

from __future__ import annotations

from armgs_server.smtp.crowd import LIMIT, Crowd
from armgs_server.storage.queue import Entry


def row(number: int) -> Entry:
    return Entry(0, number, "a@b.example", "x@y.example", "y.example", b"", 0, 0, 0, 0, "")


def test_the_first_comes_first_in_each_domain() -> None:
    crowd = Crowd(longest=10)
    for number, domain in ((1, "a"), (2, "b"), (3, "a")):
        assert crowd.add(domain, [row(number)], now=0)
    assert crowd.pop("a", 5) == ([row(1)], [])
    assert crowd.pop("b", 5) == ([row(2)], [])
    assert crowd.pop("a", 5) == ([row(3)], [])
    assert crowd.pop("a", 5) == ((), [])


def test_what_has_waited_too_long_is_not_handed_out() -> None:
    crowd = Crowd(longest=10)
    crowd.add("a", [row(1), row(2)], now=0)
    crowd.add("a", [row(3)], now=5)
    assert crowd.pop("a", 11) == ([row(3)], [row(1), row(2)])
    crowd.add("a", [row(4)], now=0)
    assert crowd.pop("a", 11) == ((), [row(4)])


def test_there_is_an_end_to_it() -> None:
    crowd = Crowd(longest=10)
    rows = [row(number) for number in range(LIMIT)]
    assert crowd.add("a", rows, now=0)
    assert crowd.is_full
    assert not crowd.add("b", [row(LIMIT)], now=0)
    assert crowd.clear() == rows
    assert not crowd.is_full
    assert crowd.pop("a", 0) == ((), [])
