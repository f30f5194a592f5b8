# SPDX-License-Identifier: Apache-2.0
"""The bounded mapping."""

from __future__ import annotations

from armgs_server.directory.cache import Cache


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    cache: Cache[str, int] = Cache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)


def test_putting_again_replaces_without_growing() -> None:
    cache: Cache[str, int] = Cache(2)
    cache.put("a", 1)
    cache.put("b", 1)
    cache.put("a", 2)
    assert (cache.get("a"), cache.get("b"), len(cache)) == (2, 1, 2)


def test_dropping_and_clearing() -> None:
    cache: Cache[str, int] = Cache(2)
    cache.put("a", 1)
    assert (cache.drop("a"), cache.drop("a")) == (1, None)
    cache.put("b", 1)
    cache.clear()
    assert len(cache) == 0
