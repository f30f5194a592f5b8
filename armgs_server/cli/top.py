# SPDX-License-Identifier: Apache-2.0
"""`armgs top`: what the daemon of this host is doing, from one look to the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.daemon_socket import ask
from armgs_server.cli.output import print_json, print_table
from armgs_server.cli.workplace import config_option, json_option, load_config
from armgs_server.config import Config
from armgs_server.metrics.snapshot import Snapshot, from_json, quantile

COLUMNS = ("service", "kind", "per second", "p50 ms", "p99 ms", "busy")


@click.command()
@click.option("--interval", default=2.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Seconds.")
@click.option("--count", default=0, type=click.IntRange(0), help="End after so many looks; 0 is never.")
@click.option("--lines", default=20, show_default=True, type=click.IntRange(1), help="At most so many.")
@config_option
@json_option
def top(interval: float, count: int, lines: int, config_path: Path | None, as_json: bool) -> None:
    """Shows processor, memory, connections, and the operations that took most of the time; Ctrl-C ends it."""
    config = load_config(config_path)
    looks = 0
    for before, after, seconds in _looks(config, interval):
        summary, operations = compare(before, after, seconds)
        if as_json:
            print_json({**summary, "operations": operations[:lines]})
        else:
            if count != 1:
                click.clear()
            click.echo("  ".join(f"{name} {value}" for name, value in summary.items()))
            rows = [[operation[column] for column in COLUMNS] for operation in operations[:lines]]
            print_table("", COLUMNS, rows)
        looks += 1
        if looks == count:
            return


def _looks(config: Config, interval: float) -> Iterator[tuple[Snapshot, Snapshot, float]]:
    before, moment = from_json(ask(config, "/figures")), time.monotonic()
    while True:
        time.sleep(interval)
        after, now = from_json(ask(config, "/figures")), time.monotonic()
        yield before, after, now - moment
        before, moment = after, now


def compare(before: Snapshot, after: Snapshot, seconds: float) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The state as a whole, and the operations between the two, the costliest first.

    A worker that was replaced begins to count anew: what then seems to be less than before counts as nothing.
    """
    lag = _between(before, after, "loop\tlag")[0]
    connections = sum(value for key, value in after.counts.items() if key.startswith("connections\t"))
    summary = {
        "workers": after.workers,
        "cpu": f"{max(0.0, after.cpu - before.cpu) / seconds:.0%}",
        "memory": f"{sum(after.resident) / 2**20:.0f} MB",
        "connections": connections,
        "queue": int(after.latest.get("queue_messages", 0)),
        "lag_p99_ms": _milliseconds(quantile(lag, 0.99)),
    }
    operations = []
    for key in after.timings:
        counts, busy = _between(before, after, key)
        if sum(counts) and not key.startswith("loop\t"):
            service, kind = key.split("\t")
            operations.append((busy, (service, kind, counts)))
    operations.sort(key=lambda each: each[0], reverse=True)
    return summary, [_describe(*each, busy, seconds) for busy, each in operations]


def _describe(service: str, kind: str, counts: list[int], busy: float, seconds: float) -> dict[str, Any]:
    return {
        "service": service,
        "kind": kind,
        "per second": round(sum(counts) / seconds, 1),
        "p50 ms": _milliseconds(quantile(counts, 0.5)),
        "p99 ms": _milliseconds(quantile(counts, 0.99)),
        "busy": f"{busy / seconds:.1%}",
    }


def _between(before: Snapshot, after: Snapshot, key: str) -> tuple[list[int], float]:
    now, total = after.timings.get(key, ([], 0.0))
    then, total_then = before.timings.get(key, ([0] * len(now), 0.0))
    counts = [max(0, a - b) for a, b in zip(now, then, strict=True)]
    return counts, max(0.0, total - total_then)


def _milliseconds(seconds: float) -> float | str:
    """A bucket's bound; the last has none."""
    return "> 30000" if seconds == float("inf") else round(seconds * 1000, 2)
