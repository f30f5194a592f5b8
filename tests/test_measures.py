# SPDX-License-Identifier: Apache-2.0
"""What is counted: into which bucket, and that no client can make the table grow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from armgs_server import measures
from armgs_server.measures import BOUNDS, KINDS_LIMIT, OTHER, Operations, Timing


@given(st.floats(min_value=0, max_value=100))
def test_a_time_is_counted_in_the_bucket_of_its_upper_bound(seconds: float) -> None:
    timing = Timing()
    timing.add(seconds)
    [bucket] = [number for number, count in enumerate(timing.counts) if count]
    assert bucket == len(BOUNDS) or seconds <= BOUNDS[bucket]
    assert bucket == 0 or seconds > BOUNDS[bucket - 1]
    assert timing.total == seconds


def test_kinds_are_limited() -> None:
    operations = Operations()
    for number in range(KINDS_LIMIT + 50):
        operations.done(f"X{number}", measures.clock())
    assert len(operations.kinds) == KINDS_LIMIT + 1
    assert sum(operations.kinds[OTHER].counts) == 50


def test_one_name_is_one_count() -> None:
    before = measures.all_counts().get(("test", "a"), 0)
    measures.count("test", "a").value += 2
    measures.count("test", "a").value += 1
    assert measures.all_counts()["test", "a"] == before + 3
    assert measures.operations("test") is measures.operations("test")
