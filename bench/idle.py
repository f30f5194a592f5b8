# SPDX-License-Identifier: Apache-2.0
"""10,000 idle chat sessions over two workers: the memory of each, and what the daemon does at rest.

The sessions have stream management, carbons, roster and presence; colleagues of a unit see each other. They
come from several addresses, as one has no more than some ten thousand ports.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from functools import partial

from bench import chat, population
from bench.common import BenchServer, Row, main, server

SESSIONS = int(os.environ.get("BENCH_SESSIONS", "10000"))
WORKERS = 2
AT_ONCE = 50
SETTLING = 15.0  # seconds until parsers are dropped and what the log-ins left behind is written
REST = 30.0  # seconds in which nobody says a word
PER_SOURCE = 2000
FILES = 4096  # descriptors beside those of the sessions


async def measure() -> list[Row]:
    """All figures."""
    allow_files(SESSIONS + FILES)
    users = [population.address_of(number) for number in range(SESSIONS)]
    settings = {"server": {"workers": WORKERS}}
    async with server(0, settings=settings, prepare=partial(population.make, SESSIONS)) as bench:
        await sessions(bench, users[:AT_ONCE])  # what the first ones bring into memory is not their own
        await asyncio.sleep(1)
        before, cpu, begun = bench.memory(), bench.cpu(), time.perf_counter()
        kept = await sessions(bench, users)
        elapsed, used = time.perf_counter() - begun, bench.cpu() - cpu
        await asyncio.sleep(SETTLING)
        memory = (bench.memory() - before) / len(kept)
        cpu, begun = bench.cpu(), time.perf_counter()
        await asyncio.sleep(REST)
        share = (bench.cpu() - cpu) / (time.perf_counter() - begun)
        lost = sum(session.is_lost for session in kept)
        assert lost == 0, f"{lost} sessions were lost"
    logins = Row(
        f"{SESSIONS} sessions over {WORKERS} workers: log-in",
        "log-in",
        cpu_ms=used * 1000 / len(kept),
        rate=len(kept) / elapsed,
        memory=memory,
    )
    return [logins, Row(f"{SESSIONS} sessions at rest, all processes", "second", cpu_ms=share * 1000)]


async def sessions(bench: BenchServer, users: list[str]) -> list[chat.Session]:
    """One session of each user, left idle."""
    found: list[chat.Session] = []
    for first in range(0, len(users), AT_ONCE):
        source = f"127.0.1.{1 + first // PER_SOURCE}"
        some = (chat.Session(*user.split("@")) for user in users[first : first + AT_ONCE])
        found += await asyncio.gather(*(chat.connect(each, bench.port(5222), source=source) for each in some))
    return found


def allow_files(count: int) -> None:
    """Lets this process, and the daemon it will start, have that many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard < count:
        print(f"only {hard} files may be open", file=sys.stderr)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


if __name__ == "__main__":
    main(measure)
