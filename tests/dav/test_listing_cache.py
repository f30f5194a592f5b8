# SPDX-License-Identifier: Apache-2.0
"""The cache of listings stays within its bound."""

from __future__ import annotations

from armgs_server.dav.listing_cache import FolderKey, ListingCache


def key(number: int) -> FolderKey:
    return (1, number, "/x/", ("{DAV:}getetag",), False)


def test_the_oldest_goes_first() -> None:
    cache = ListingCache(1000)
    for number in range(3):
        cache.keep(key(number), {1: (1, "x" * 200)})  # 400 with what an entry costs
    assert cache.size == 800
    assert cache.texts(key(0)) == {} and cache.texts(key(2)) == {1: (1, "x" * 200)}
    cache.keep(key(1), {1: (2, "y")})
    cache.keep(key(3), {1: (1, "x" * 200)})
    assert cache.texts(key(1)) == {1: (2, "y")} and cache.size <= 1000


def test_what_is_too_large_or_empty_is_not_kept() -> None:
    cache = ListingCache(1000)
    cache.keep(key(1), {1: (1, "x")})
    cache.keep(key(1), {1: (1, "x" * 1000)})
    assert cache.texts(key(1)) == {} and cache.size == 0
    nothing = ListingCache(0)
    nothing.keep(key(1), {1: (1, "x")})
    assert nothing.texts(key(1)) == {}
