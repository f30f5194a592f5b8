# SPDX-License-Identifier: Apache-2.0
"""The figures and how they are printed: one engine's table, or two engines beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. CPU in ms of the server for one operation, times in ms, memory in KB."""

    name: str
    unit: str  # what one operation is
    cpu_ms: float | None = None
    rate: float | None = None  # operations a second
    p50: float | None = None
    p99: float | None = None
    memory: float | None = None
    store_ms: float | None = None  # CPU of PostgreSQL for one operation, beside `cpu_ms`, which is ours
    load_ms: float | None = None  # CPU of the generator of the load for one operation


def print_rows(rows: Sequence[Row], *, as_json: bool = False) -> None:
    """The table, or JSON."""
    if as_json:
        print(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
        return
    stored = any(row.store_ms is not None for row in rows)
    loaded = any(row.load_ms is not None for row in rows)
    heads = ["CPU ms", "per s", "p50 ms", "p99 ms", "KB", *["store ms"] * stored, *["load ms"] * loaded]
    print(_line("what", "one", heads))
    for row in rows:
        figures = [row.cpu_ms, row.rate, row.p50, row.p99, row.memory]
        figures += [*[row.store_ms] * stored, *[row.load_ms] * loaded]
        print(_line(row.name, row.unit, map(_figure, figures)))


def print_pairs(sqlite: Sequence[Row], postgresql: Sequence[Row]) -> None:
    """Both engines: our CPU on each and the ratio, PostgreSQL's own CPU, and how many a second on each."""
    theirs = {row.name: row for row in postgresql}
    heads = ["SQLite", "PG: ours", "ratio", "PG: its", "SQLite/s", "PG/s"]
    print(_line("CPU ms", "one", heads))
    for ours in sqlite:
        other = theirs.get(ours.name)
        if other is None:
            continue
        ratio = other.cpu_ms / ours.cpu_ms if ours.cpu_ms and other.cpu_ms else None
        figures = [ours.cpu_ms, other.cpu_ms, ratio, other.store_ms, ours.rate, other.rate]
        print(_line(ours.name, ours.unit, map(_figure, figures)))


def _line(name: str, unit: str, columns: Iterable[str]) -> str:
    return f"{name:44} {unit:10} " + " ".join(f"{text:>9}" for text in columns)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
