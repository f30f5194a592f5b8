# SPDX-License-Identifier: Apache-2.0
"""What a process counts of its own work: plain numbers, read when somebody asks (metrics/).

Like loggers they are the process's: whoever counts names what it counts and keeps the object. An operation
costs two looks at the clock, a search among the BOUNDS and an addition; nothing is locked, since all is
counted on the loop.
"""

from __future__ import annotations

from bisect import bisect_left
from time import perf_counter
from typing import Final

# Seconds: upper bounds of the buckets, from what is answered from memory to what people complain about.
BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
KINDS_LIMIT: Final = 200  # of one service; what a client makes up beyond them is "other"
OTHER: Final = "other"

clock = perf_counter


class Timing:
    """How long operations of one kind took: counts by bucket (the last is beyond all bounds), and the sum."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Operations:
    """The operations of one service, by kind."""

    __slots__ = ("kinds",)

    def __init__(self) -> None:
        self.kinds: dict[str, Timing] = {}

    def done(self, kind: str, begin: float) -> None:
        """An operation has ended that began at `clock()`."""
        timing = self.kinds.get(kind)
        if timing is None:
            timing = self._first(kind)
        timing.add(perf_counter() - begin)

    def _first(self, kind: str) -> Timing:
        if len(self.kinds) >= KINDS_LIMIT:
            kind = OTHER
        return self.kinds.setdefault(kind, Timing())


class Count:
    """`value` only grows, or is how many there are now, as its name says."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


_operations: dict[str, Operations] = {}
_counts: dict[tuple[str, ...], Count] = {}


def operations(service: str) -> Operations:
    """Those of a service: imap, smtp, dav, store …"""
    return _operations.setdefault(service, Operations())


def count(name: str, *labels: str) -> Count:
    """The count of that name and those labels. Both come from the code, never from a client."""
    return _counts.setdefault((name, *labels), Count())


def all_operations() -> dict[str, dict[str, Timing]]:
    """By service and kind."""
    return {service: dict(found.kinds) for service, found in _operations.items()}


def all_counts() -> dict[tuple[str, ...], int]:
    """By name and labels."""
    return {key: found.value for key, found in _counts.items()}
