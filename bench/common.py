# SPDX-License-Identifier: Apache-2.0
"""What all load drivers share: a daemon on a temporary store, its CPU and memory, and the table.

A driver is a module `bench/NAME.py` with `async def measure() -> list[Row]`, and `main(measure)` at its
foot. CPU is the server process's own accounting (user and system, all its threads, its workers), so the
driver's own work does not count, nor does PostgreSQL's, which has a column of its own (bench/engines.py).
Nothing but the figures goes to standard output: what a driver prints goes to standard error.
"""

import argparse
import asyncio
import ctypes
import os
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from armgs_server import config as configuration
from armgs_server.directory import Directory
from armgs_server.net.certificates import make_certificates
from armgs_server.settings import toml_value
from armgs_server.storage import Store
from bench import engines
from bench.report import Row, print_rows

__all__ = ["Row"]

HOST = "127.0.0.1"
DOMAIN = "digital.example"
PASSWORD = "bench-password"
START_TIMEOUT = 60.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
# Benchmarks log in often and hash once: a cheap hash keeps the preparation short, and is not measured.
_SETTINGS: dict[str, dict[str, Any]] = {
    "server": {"domains": (DOMAIN,), "hostname": "localhost", "listen": (HOST,), "workers": 1},
    "security": {"allow_plaintext": True, "argon2_memory": 65536, "argon2_passes": 1},
    "limits": {"connections_per_host": 20000},
    "log": {"level": "warning"},
}


@dataclass(slots=True)
class BenchServer:
    """A daemon of its own process, to be measured."""

    directory: Path
    offset: int
    process: asyncio.subprocess.Process
    store: Callable[[], float] = lambda: 0.0  # seconds of CPU of PostgreSQL

    def port(self, standard: int) -> int:
        return standard + self.offset

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu(self) -> float:
        """Seconds of CPU used so far, all threads and workers, to the nanosecond."""
        return sum(map(cpu_of, family(self.process.pid)))

    def memory(self) -> float:
        """Memory in KB, all workers: what is theirs alone, without code and files."""
        return sum(map(memory_of, family(self.process.pid)))

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.directory / "tls" / "ca.crt"))


def family(pid: int) -> list[int]:
    """A process and its children: a supervisor and its workers, PostgreSQL and its back ends."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_of(pid: int) -> float:
    """Seconds of CPU of a process: exact where its threads live, in ticks for those that have ended."""
    exact = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            exact += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return max(exact / 1e9, ticks - 0.02)


def memory_of(pid: int) -> float:
    """Anonymous memory in KB, or the resident size where the kernel does not tell.

    The proportional size of libraries changes when any other process that uses them begins or ends.
    """
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss_Anon:"):
                return float(line.split()[1])
    except OSError as error:
        print(f"no smaps_rollup ({error}), resident size instead", file=sys.stderr)
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


Prepare = Callable[[Store, Directory], Awaitable[None]]


@asynccontextmanager
async def server(
    people: int = 2,
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    prepare: Prepare | None = None,
) -> AsyncIterator[BenchServer]:
    """A daemon with people user0@…, user1@… (password PASSWORD); `prepare` fills the store first."""
    with tempfile.TemporaryDirectory(prefix="armgs-bench-") as name:
        directory = Path(name)
        config_file, offset = configure(
            directory, {"store": {"url": engines.new_store()}, **(settings or {})}
        )
        await populate(config_file, people, prepare)
        process = await start(directory, config_file)
        try:
            yield BenchServer(directory, offset, process, engines.cpu)
        finally:
            await end(process)


def address(number: int) -> str:
    """The address of one of the people."""
    return f"user{number}@{DOMAIN}"


def percentile(times: Sequence[float], percent: float) -> float:
    """A percentile of times in seconds, in ms."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


async def share(count: int, workers: Iterable[Callable[[], Awaitable[object]]]) -> list[float]:
    """Runs `count` operations shared by the workers; the seconds of each."""
    times: list[float] = []
    remaining = count

    async def run(operation: Callable[[], Awaitable[object]]) -> None:
        nonlocal remaining
        while remaining > 0:
            remaining -= 1
            begun = time.perf_counter()
            await operation()
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*map(run, workers))
    return times


class Measured(Protocol):
    """A server whose use of the machine can be told."""

    def cpu(self) -> float: ...
    def memory(self) -> float: ...
    @property
    def store(self) -> Callable[[], float]: ...


async def timed(
    bench: Measured, name: str, unit: str, count: int, workers: Sequence[Callable[[], Awaitable[None]]]
) -> Row:
    """Runs `count` operations shared by the workers; each call of a worker is one operation."""
    cpu, store, started = bench.cpu(), bench.store(), time.perf_counter()
    times = await share(count, workers)
    elapsed, used = time.perf_counter() - started, bench.cpu() - cpu
    return Row(
        name,
        unit,
        cpu_ms=used * 1000 / count,
        rate=count / elapsed,
        p50=percentile(times, 50),
        p99=percentile(times, 99),
        memory=bench.memory(),
        store_ms=(bench.store() - store) * 1000 / count or None,
    )


async def idle_memory(
    bench: BenchServer, name: str, count: int, connect: Callable[[int], Awaitable[object]]
) -> Row:
    """Memory of each of `count` connections that `connect` opened and left idle; it keeps what it returns."""
    await connect(0)  # what the first one brings into memory is not its own
    before, cpu, started = bench.memory(), bench.cpu(), time.perf_counter()
    kept: list[object] = []
    for first in range(1, count + 1, 20):
        kept += await asyncio.gather(*(connect(n) for n in range(first, min(first + 20, count + 1))))
    elapsed, used = time.perf_counter() - started, bench.cpu() - cpu
    return Row(
        name,
        "connection",
        cpu_ms=used * 1000 / count,
        rate=count / elapsed,
        memory=(bench.memory() - before) / len(kept),
    )


def parse_arguments() -> argparse.Namespace:
    """The command line of one driver: `json`, `store`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--store", choices=engines.ENGINES, default=engines.SQLITE, help="the store's engine")
    return parser.parse_args()


def main(measure: Callable[[], Coroutine[Any, Any, list[Row]]]) -> None:
    """Runs one driver and prints its rows."""
    arguments = parse_arguments()
    with driving(arguments.store):
        rows = asyncio.run(measure())
    print_rows(rows, as_json=arguments.json)


@contextmanager
def driving(engine: str) -> Iterator[None]:
    """While a driver measures: stores are of that engine; SIGTERM ends what it has started, like Ctrl-C."""
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with only_figures(), engines.running(engine):
            yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextmanager
def only_figures() -> Iterator[None]:
    """What this process and its children write to standard output goes to standard error meanwhile."""
    sys.stdout.flush()
    figures = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(figures, 1)
        os.close(figures)


async def end(process: asyncio.subprocess.Process) -> None:
    """The graceful stop."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await process.wait()


def configure(directory: Path, settings: Mapping[str, Mapping[str, Any]]) -> tuple[Path, int]:
    """Writes a daemon's configuration and certificates; its file, and the offset of its ports."""
    offset = _free_offset()
    sections = {name: dict(values) for name, values in _SETTINGS.items()}
    sections["server"]["port_offset"] = offset
    for name, values in settings.items():
        sections.setdefault(name, {}).update(values)
    lines: list[str] = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items())]
    config_file = directory / "armgs.toml"
    config_file.write_text("\n".join(lines) + "\n")
    make_certificates(directory / "tls", "localhost", [DOMAIN])
    return config_file, offset


async def populate(config_file: Path, people: int, prepare: Prepare | None) -> None:
    """A department with so many people, and what `prepare` adds."""
    config = configuration.load(config_file)
    store = await Store.open(config.store.url, config.data_dir, inline_limit=config.store.inline_limit)
    try:
        directory = await Directory.open(store, config)
        try:
            await directory.create_department("Digital", [DOMAIN])
            for number in range(people):
                await directory.create_person(address(number), f"User {number}", password=PASSWORD)
            if prepare is not None:
                await prepare(store, directory)
        finally:
            await directory.close()
    finally:
        await store.close()


async def start(directory: Path, config_file: Path) -> asyncio.subprocess.Process:
    """Starts the daemon and waits until it says READY=1, as it says it to systemd."""
    path = directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)
        notify.bind(str(path))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "armgs_server",
            "serve",
            str(directory),
            env={**os.environ, "NOTIFY_SOCKET": str(path)},
            preexec_fn=_end_with_driver,
        )
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(START_TIMEOUT):
            while b"READY=1" not in await loop.sock_recv(notify, 4096):
                if process.returncode is not None:
                    raise RuntimeError("the daemon did not start")
    return process


def _end_with_driver() -> None:
    """In the child: SIGTERM when the driver is gone, though it had no time to say so."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_offset() -> int:
    """An offset whose ports are free, and lie below those the system gives to clients."""
    ports = (25, 80, 143, 443, 465, 587, 993, 5222, 5223)
    for offset in range(8000 + os.getpid() % 1000 * 19, 27400, 7):
        try:
            for port in ports:
                with socket.socket() as sock:
                    sock.bind((HOST, port + offset))
        except OSError:
            continue
        return offset
    raise RuntimeError("no free ports")
