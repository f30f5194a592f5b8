# SPDX-License-Identifier: Apache-2.0
"""The figures of one process at one moment, as JSON can carry them, and the sum over several."""

from __future__ import annotations

import resource
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from armgs_server import measures
from armgs_server.memory import resident

Buckets = tuple[list[int], float]  # counts by bucket, sum of seconds


@dataclass(slots=True)
class Snapshot:
    """`counts`: name and labels, tab-separated. `timings`: service and kind. `latest`: the same for all."""

    workers: int = 1
    counts: dict[str, int] = field(default_factory=dict)
    timings: dict[str, Buckets] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    resident: list[int] = field(default_factory=list)  # bytes, of each worker
    cpu: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def take(latest: dict[str, float] | None = None) -> Snapshot:
    """This process's. `latest` are figures that all processes see alike: the queue, the store's size."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Snapshot(
        counts={"\t".join(key): value for key, value in measures.all_counts().items()},
        timings={
            f"{service}\t{kind}": (list(timing.counts), timing.total)
            for service, kinds in measures.all_operations().items()
            for kind, timing in kinds.items()
        },
        latest=latest or {},
        resident=[resident()],
        cpu=usage.ru_utime + usage.ru_stime,
    )


def from_json(said: dict[str, Any]) -> Snapshot:
    """What another process has sent."""
    timings = {key: (list(counts), float(total)) for key, (counts, total) in said["timings"].items()}
    return Snapshot(**{**said, "timings": timings})


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """All together."""
    found = Snapshot(workers=0)
    for each in snapshots:
        found.workers += each.workers
        found.cpu += each.cpu
        found.resident += each.resident
        for key, value in each.counts.items():
            found.counts[key] = found.counts.get(key, 0) + value
        for key, (counts, seconds) in each.timings.items():
            before, sum_before = found.timings.get(key, ([0] * len(counts), 0.0))
            added = [a + b for a, b in zip(before, counts, strict=True)]
            found.timings[key] = (added, sum_before + seconds)
        for name, figure in each.latest.items():
            found.latest[name] = max(figure, found.latest.get(name, figure))
    return found


def quantile(counts: list[int], share: float) -> float:
    """The time within which that share of operations was done: the upper bound of its bucket, 0 for none."""
    remaining = sum(counts) * share
    if not remaining:
        return 0.0
    for bound, count in zip((*measures.BOUNDS, float("inf")), counts, strict=True):
        remaining -= count
        if remaining <= 0:
            return bound
    return float("inf")
