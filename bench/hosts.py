# SPDX-License-Identifier: Apache-2.0
"""Chat between two hosts: two daemons over one PostgreSQL and one NATS, each with half of the people.

Everybody writes to somebody of the other host. First as much as goes, then half of that rate, where the times
of the messages are those of a system that is not saturated. Both daemons, PostgreSQL, NATS and the generator
share the machine.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench import chat, chat_load, engines
from bench.common import (
    BenchServer,
    Row,
    configure,
    driving,
    end,
    parse_arguments,
    percentile,
    populate,
    start,
)
from bench.report import print_rows
from tests import nats

PEOPLE = 40
WARMING = 400  # messages that are not counted
MESSAGES = 6000
SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Hosts:
    """Two hosts that serve the same people."""

    servers: Sequence[BenchServer]

    def cpu(self) -> float:
        return sum(server.cpu() for server in self.servers)


@asynccontextmanager
async def hosts(people: int) -> AsyncIterator[Hosts]:
    """Two daemons, ready."""
    with tempfile.TemporaryDirectory(prefix="armgs-bench-") as name:
        directory = Path(name)
        bus = nats.Server(directory)
        bus.start()
        running: list[BenchServer] = []
        try:
            store = {"url": engines.new_store(), "bus": bus.url}
            for number in range(2):
                folder = directory / f"host-{number}"
                folder.mkdir()
                config_file, offset = configure(folder, {"store": store})
                if number == 0:
                    await populate(config_file, people, None)
                else:
                    shutil.rmtree(folder / "tls")
                    shutil.copytree(directory / "host-0" / "tls", folder / "tls")
                running.append(BenchServer(folder, offset, await start(folder, config_file), engines.cpu))
            yield Hosts(running)
        finally:
            for server in running:
                await end(server.process)
            bus.stop()


async def measure() -> list[Row]:
    """All figures."""
    async with hosts(PEOPLE) as cluster:
        sessions = await interleaved(cluster)
        times: list[float] = []
        ring = chat_load.Ring(sessions, times.append)
        await ring.run(WARMING)
        full = await measured(cluster, ring, times, "between hosts over NATS, as much as goes")
        assert full.rate is not None
        half = await measured(cluster, ring, times, "between hosts over NATS, half of that", full.rate / 2)
    return [full, half]


async def interleaved(cluster: Hosts) -> list[chat.Session]:
    """Sessions of everybody, of the one host and the other in turns."""
    sessions = []
    for number in range(PEOPLE):
        port = cluster.servers[number % 2].port(5222)
        sessions.append(await chat.connect(chat.Session(f"user{number}"), port))
    return sessions


async def measured(
    cluster: Hosts, ring: chat_load.Ring, times: list[float], name: str, rate: float = 0.0
) -> Row:
    """One round: MESSAGES as fast as they go, or `rate` a second."""
    times.clear()
    cpu, store, own, begun = cluster.cpu(), engines.cpu(), time.process_time(), time.perf_counter()
    await (ring.pace(rate, SECONDS) if rate else ring.run(MESSAGES))
    elapsed, count = time.perf_counter() - begun, len(times)
    return Row(
        name,
        "message",
        cpu_ms=(cluster.cpu() - cpu) * 1000 / count,
        rate=count / elapsed,
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        store_ms=(engines.cpu() - store) * 1000 / count,
        load_ms=(time.process_time() - own) * 1000 / count,
    )


if __name__ == "__main__":
    arguments = parse_arguments()
    with driving(engines.POSTGRESQL):
        rows = uvloop.run(measure())
    print_rows(rows, as_json=arguments.json)
