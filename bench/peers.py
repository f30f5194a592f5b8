# SPDX-License-Identifier: Apache-2.0
"""Servers of others, run by a bench as long as it needs them: installing, starting, their CPU, the end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.common import HOST, cpu_of, memory_of
from tests.debian import install

START_TIMEOUT = 600.0  # ejabberd hashes two thousand passwords before it is asked anything
STOP_TIMEOUT = 20.0


class Missing(Exception):
    """The peer cannot be had on this machine."""


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        try:
            children = Path(f"/proc/{each}/task/{each}/children").read_text().split()
        except FileNotFoundError:
            continue
        found += map(int, children)
    return found


def tree_cpu(pid: int) -> float:
    """Seconds of CPU of a process and all below it, also of those below it that have ended."""
    return sum(_if_alive(cpu_of, each) + _if_alive(_ended, each) for each in tree(pid))


def tree_memory(pid: int) -> float:
    """KB of a process and all below it."""
    return sum(_if_alive(memory_of, each) for each in tree(pid))


def _ended(pid: int) -> float:
    """What its children that have ended used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _if_alive(measure: Callable[[int], float], pid: int) -> float:
    try:
        return measure(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def folder_of(name: str) -> _Folder:
    """A folder for a peer whose master process must be root. Missing."""
    if os.geteuid() != 0:
        raise Missing(f"{name}: its master process is started by root only")
    return _Folder(name)


class _Folder:
    """A folder that other users may enter, removed at the end."""

    def __init__(self, name: str) -> None:
        self._path = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir="/tmp"))
        self._path.chmod(0o755)

    def __enter__(self) -> Path:
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def need(*packages: str) -> None:
    """Installs Debian's packages. Missing."""
    reason = install(packages)
    if reason:
        raise Missing(f"{' '.join(packages)}: {reason}")


@asynccontextmanager
async def running(
    folder: Path, port: int, command: tuple[str, ...], environment: Mapping[str, str] = {}
) -> AsyncIterator[int]:
    """The process id of the server, which listens on the port; it has a process group of its own."""
    with (folder / "output").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while not await _is_listening(port):
                if process.returncode is not None:
                    raise RuntimeError((folder / "output").read_text(errors="replace")[-2000:])
                await asyncio.sleep(0.1)
        yield process.pid
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True
