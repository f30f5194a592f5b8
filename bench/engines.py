# SPDX-License-Identifier: Apache-2.0
"""The engines a driver can run on: SQLite, and PostgreSQL from the wheel of the tests, durable as in life.

The tests' PostgreSQL forgoes fsync; figures that were taken without it would be none. Each daemon of a
driver gets an empty database of one server, whose CPU is counted apart from the daemon's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
ENGINES = (SQLITE, POSTGRESQL)
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    # A database that was empty a moment ago: its statistics are as old as in life only if taken often.
    "autovacuum_naptime": "5s",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
}
TICKS = os.sysconf("SC_CLK_TCK")

_server: postgres.Server | None = None


@contextmanager
def running(engine: str) -> Iterator[None]:
    """While it lasts, `new_store` makes stores of this engine."""
    global _server
    if engine == SQLITE:
        yield
        return
    with postgres.running(DURABLE) as _server:
        try:
            yield
        finally:
            _server = None


def new_store() -> str:
    """The URL of an empty store."""
    return SQLITE if _server is None else _server.create_database()


def beside_peers() -> bool:
    """Whether other servers are measured too: once, beside ours on SQLite."""
    return _server is None


def cpu() -> float:
    """Seconds of CPU that PostgreSQL has used, all its processes, those that have ended too."""
    if _server is None or _server.process is None:
        return 0.0
    pid = _server.process.pid
    alive = 0
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            alive += int(Path(f"/proc/{child}/schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return alive / 1e9 + sum(map(int, fields[11:15])) / TICKS
