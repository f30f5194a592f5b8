# SPDX-License-Identifier: Apache-2.0
"""The supervisor: starts the workers, gives each its sockets and its end of the bus, replaces who dies.

Invariants:
- The supervisor binds every listening socket and keeps it open, one set for each slot (SO_REUSEPORT), so
  what waits in the backlog of a worker that dies is served by its replacement: nobody is refused.
- A worker is a fresh interpreter that knows nothing of the others but its slot. It reports READY and
  feeds its watchdog as the daemon does towards systemd, on a notify socket of its own.
- systemd is told READY when all workers are; a worker that does not turn is the supervisor's to replace.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from armgs_server import log
from armgs_server.capacity import worker_count
from armgs_server.config import Config
from armgs_server.errors import Temporary
from armgs_server.net.systemd import Notifier
from armgs_server.storage.bus_socket import Hub

# What a worker is told by its environment: descriptors of its end of the bus and of its listening sockets.
BUS_VARIABLE, SOCKETS_VARIABLE = "ARMGS_BUS", "ARMGS_SOCKETS"
START_TIMEOUT = 60.0
# Wait before a worker is started again that died within STABLE seconds of its start; else there is none.
BACK_OFF = 1.0
STABLE = 10.0

_log = log.get("supervisor")

Sockets = Sequence[tuple[str, socket.socket]]


class PidFile:
    """`daemon.json` in the data folder: the running process, and how often its workers were renewed."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "daemon.json"
        self._generation = 0

    def write(self) -> None:
        """Says that this process serves, from one generation of workers to the next."""
        self._generation += 1
        text = json.dumps({"pid": os.getpid(), "generation": self._generation})
        part = self._path.with_suffix(".part")
        part.write_text(text)
        part.replace(self._path)

    def remove(self) -> None:
        """At the end."""
        self._path.unlink(missing_ok=True)

    def pid(self) -> int | None:
        """The daemon that runs, None where the one that wrote the file is gone."""
        pid = self._read().get("pid")
        return pid if pid is not None and Path(f"/proc/{pid}").exists() else None

    def generation(self) -> int:
        """Grows with each finished rolling restart."""
        return self._read().get("generation", 0)

    def _read(self) -> dict[str, int]:
        try:
            found = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


class Worker:
    """One worker process of a slot."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.ready = asyncio.Event()
        self.heard = 0.0  # loop time of its last sign of life
        self.process: asyncio.subprocess.Process | None = None
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._address = f"@armgs-{os.getpid()}-{slot}-{secrets.token_hex(8)}"

    async def start(self, config: Config, config_path: Path, sockets: Sockets, hub: Hub) -> None:
        """Starts the process; `ready` is set when it serves."""
        loop = asyncio.get_running_loop()
        self._notify.setblocking(False)
        self._notify.bind("\0" + self._address[1:])
        loop.add_reader(self._notify.fileno(), self._on_notify)
        self.heard = loop.time()
        bus = await hub.add()
        with bus:
            descriptors = [sock.fileno() for _, sock in sockets]
            environment = {
                **os.environ,
                BUS_VARIABLE: str(bus.fileno()),
                "NOTIFY_SOCKET": self._address,
                "WATCHDOG_USEC": str(int(config.server.worker_timeout * 1e6 / 2)),
                SOCKETS_VARIABLE: ",".join(map(str, descriptors)),
            }
            environment.pop("WATCHDOG_PID", None)
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "armgs_server.worker",
                str(config_path),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[*descriptors, bus.fileno()],
            )

    def signal(self, number: int) -> None:
        """Sends a signal, if the process still lives."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    def close(self) -> None:
        """Listens no more; after the process has ended."""
        asyncio.get_running_loop().remove_reader(self._notify.fileno())
        self._notify.close()

    def _on_notify(self) -> None:
        try:
            message = self._notify.recv(4096)
        except BlockingIOError:
            return
        self.heard = asyncio.get_running_loop().time()
        if b"READY=1" in message.split(b"\n"):
            self.ready.set()


class Supervisor:
    """All slots. `sockets(slot)` are the listening sockets of a slot, bound before."""

    def __init__(
        self,
        config: Config,
        config_path: Path,
        sockets: Callable[[int], Sockets],
        notifier: Notifier,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self._config = config
        self._config_path = config_path
        self._sockets = [sockets(slot) for slot in range(worker_count(config))]
        self._notifier = notifier
        self._on_ready = on_ready
        self._pid_file = PidFile(config.data_dir)
        self._hub = Hub()
        self._workers: dict[int, Worker] = {}
        self._keepers: set[asyncio.Task[None]] = set()
        self._retiring: set[Worker] = set()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT. Temporary when a worker cannot start the first time."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        loop.add_signal_handler(signal.SIGUSR1, self._begin_rolling)
        try:
            await asyncio.gather(*(self._start(slot) for slot in range(len(self._sockets))))
            for slot in range(len(self._sockets)):
                self._keep(self._tend(slot))
            self._pid_file.write()
            self._notifier.ready()
            self._notifier.start_watchdog()
            if self._on_ready is not None:
                self._on_ready()
            _log.info("ready", workers=len(self._sockets))
            await self._stopping.wait()
        finally:
            self._notifier.stopping()
            self._pid_file.remove()
            await self._stop()

    def reload(self) -> None:
        """Configuration and certificates are read again by every worker."""
        self._notifier.reloading()
        for worker in self._workers.values():
            worker.signal(signal.SIGHUP)
        self._notifier.ready()

    async def restart_rolling(self) -> None:
        """Replaces the workers one by one; the new one serves before the old one stops."""
        for slot, old in sorted(self._workers.items()):
            try:
                await self._start(slot)
            except Temporary as error:
                _log.error("rolling restart stopped, the old worker stays", slot=slot, error=error)
                return
            self._retiring.add(old)
            old.signal(signal.SIGTERM)
        self._pid_file.write()
        _log.info("rolling restart done")

    def _begin_rolling(self) -> None:
        self._keep(self.restart_rolling())

    async def _start(self, slot: int) -> None:
        """Starts a worker for the slot and waits until it serves; only then it is the slot's worker."""
        worker = Worker(slot)
        await worker.start(self._config, self._config_path, self._sockets[slot], self._hub)
        assert worker.process is not None
        ended = asyncio.ensure_future(worker.process.wait())
        ready = asyncio.ensure_future(worker.ready.wait())
        await asyncio.wait({ended, ready}, timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        ready.cancel()
        if not worker.ready.is_set():
            await _end(worker, 0.0)
            raise Temporary(f"worker {slot} did not start")
        before = self._workers.get(slot)
        self._workers[slot] = worker
        if before is not None:
            self._keep(self._reap(before))

    async def _tend(self, slot: int) -> None:
        """Keeps the slot's worker alive."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            worker, began = self._workers[slot], loop.time()
            while worker is self._workers[slot] and not await self._has_ended(worker):
                if loop.time() - worker.heard > self._config.server.worker_timeout:
                    _log.error("worker does not turn", slot=slot)
                    worker.signal(signal.SIGABRT)
            if worker is not self._workers[slot] or self._stopping.is_set():
                continue
            _log.error("worker ended", slot=slot, status=worker.process and worker.process.returncode)
            if loop.time() - began < STABLE:
                await asyncio.sleep(BACK_OFF)
            try:
                await self._start(slot)
            except Temporary as error:
                _log.error("worker cannot be replaced yet", slot=slot, error=error)
                await asyncio.sleep(BACK_OFF)

    async def _has_ended(self, worker: Worker) -> bool:
        assert worker.process is not None
        try:
            await asyncio.wait_for(worker.process.wait(), 0.5)
        except TimeoutError:
            return False
        return True

    async def _reap(self, worker: Worker) -> None:
        """Waits for a replaced worker's end, at most as long as its sessions may take to say goodbye."""
        await _end(worker, self._config.limits.shutdown_timeout + 5)
        self._retiring.discard(worker)

    async def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        everyone = {*self._workers.values(), *self._retiring}
        for worker in everyone:
            worker.signal(signal.SIGTERM)
        grace = self._config.limits.shutdown_timeout + 5
        await asyncio.gather(*(_end(worker, grace) for worker in everyone))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._keepers.add(task)
        task.add_done_callback(self._keepers.discard)


async def _end(worker: Worker, grace: float) -> None:
    """Waits for a worker's end, and makes an end of it after `grace` seconds."""
    assert worker.process is not None
    try:
        await asyncio.wait_for(worker.process.wait(), grace or 0.01)
    except TimeoutError:
        worker.signal(signal.SIGKILL)
        await worker.process.wait()
    worker.close()
