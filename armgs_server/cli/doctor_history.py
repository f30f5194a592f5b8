# SPDX-License-Identifier: Apache-2.0
"""The runs of `armgs doctor`, and the availability that follows from them.

A line of JSON for each run, in a file for each month (UTC) below the data folder of the host: what measures
the database must be able to write when the database is away. From one run to the next a service counts as the
earlier run has found it, for at most LONGEST; what is beyond was not measured and counts for neither side.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from armgs_server.cli.findings import Finding
from armgs_server.errors import NotFound

FOLDER = "doctor"
KEPT_MONTHS = 24  # files; older ones go
LONGEST = 15 * 60.0  # seconds; the timer runs every five minutes
# What is no service to people: their warnings are for the administrator, not for the figure.
NOT_COUNTED = ("configuration", "disk", "inodes", "fsync", "clock", "queue", "certificate", "services")


@dataclass(frozen=True, slots=True)
class Run:
    moment: float
    failed: frozenset[str]
    tried: frozenset[str]


@dataclass(frozen=True, slots=True)
class Availability:
    """Of one service; "*" is all of them at once."""

    service: str
    runs: int
    up: float  # seconds
    down: float
    last_failure: float  # 0 = none

    @property
    def share(self) -> float:
        """Of the time that was measured."""
        return self.up / (self.up + self.down) if self.up + self.down else 1.0


def keep(data_dir: Path, moment: float, findings: Iterable[Finding]) -> None:
    """Adds a run to the month's file."""
    counted = [one for one in findings if one.check not in NOT_COUNTED and one.status != "skipped"]
    said = {
        "moment": round(moment, 3),
        "tried": sorted({one.check for one in counted}),
        "failed": sorted({one.check for one in counted if one.status == "problem"}),
    }
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    line = json.dumps(said, separators=(",", ":")) + "\n"
    path = _file(data_dir, datetime.fromtimestamp(moment, UTC).strftime("%Y-%m"))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(line)
    for old in sorted(folder.glob("????-??.jsonl"))[:-KEPT_MONTHS]:
        old.unlink()


def runs(data_dir: Path, month: str) -> list[Run]:
    """Those of a month, by time; a line that a crash has cut is passed over. NotFound."""
    path = _file(data_dir, month)
    if not path.is_file():
        raise NotFound(f"no run of armgs doctor in {month} is known here")
    found = []
    for line in path.read_text().splitlines():
        try:
            said = json.loads(line)
            found.append(Run(float(said["moment"]), frozenset(said["failed"]), frozenset(said["tried"])))
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda run: run.moment)


def availability(found: Sequence[Run], until: float) -> list[Availability]:
    """For each service that was tried, and first for all together, up to `until`."""
    services = sorted({service for run in found for service in run.tried})
    return [_of(service, found, until) for service in ("*", *services)]


def measured(found: Sequence[Run], until: float) -> float:
    """Seconds that the runs tell something of."""
    return sum(length for _, length in _spans(found, until))


def _of(service: str, found: Sequence[Run], until: float) -> Availability:
    count, up, down, last = 0, 0.0, 0.0, 0.0
    for run, length in _spans(found, until):
        if service not in run.tried and (service != "*" or not run.tried):
            continue
        count += 1
        if run.failed if service == "*" else service in run.failed:
            down, last = down + length, run.moment
        else:
            up += length
    return Availability(service, count, up, down, last)


def _spans(found: Sequence[Run], until: float) -> list[tuple[Run, float]]:
    ends = [*(run.moment for run in found[1:]), until]
    return [(run, min(max(0.0, end - run.moment), LONGEST)) for run, end in zip(found, ends, strict=True)]


def _file(data_dir: Path, month: str) -> Path:
    return data_dir / FOLDER / f"{month}.jsonl"
