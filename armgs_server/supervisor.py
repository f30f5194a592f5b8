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
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from armgs_server import log
from armgs_server.capacity import worker_count
from armgs_server.config import Config
from armgs_server.errors import Temporary
from armgs_server.metrics import Asking, Site
from armgs_server.net.systemd import Notifier
from armgs_server.reload import take_over
from armgs_server.storage.bus_socket import Hub, SocketBus
from armgs_server.worker_process import Sockets, Worker

START_TIMEOUT = 60.0
RELOAD_TIMEOUT = 30.0
# How often it is looked whether a worker still turns.
TURN = 0.5
# Wait before a worker is started again that died within STABLE seconds of its start; else there is none.
BACK_OFF = 1.0
STABLE = 10.0

_log = log.get("supervisor")


class PidFile:
    """`daemon.json` in the data folder: the running process, its workers, and how often they were renewed."""

    def __init__(self, data_dir: Path, workers: int = 1) -> None:
        self._path = data_dir / "daemon.json"
        self._workers = workers
        self._generation = 0

    def write(self) -> None:
        """Says that this process serves, from one generation of workers to the next."""
        self._generation += 1
        pid = os.getpid()
        said = {
            "pid": pid,
            "started": _started(pid),
            "workers": self._workers,
            "generation": self._generation,
        }
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps(said))
        part.replace(self._path)

    def remove(self) -> None:
        """At the end."""
        self._path.unlink(missing_ok=True)

    def pid(self) -> int | None:
        """The daemon that runs, None where the one that wrote the file is gone."""
        said = self._read()
        pid = said.get("pid")
        return pid if pid is not None and _started(pid) == said.get("started") else None

    def workers(self) -> int:
        """With how many workers it was started; 1: the process serves itself."""
        return self._read().get("workers", 1)

    def generation(self) -> int:
        """Grows with each finished rolling restart."""
        return self._read().get("generation", 0)

    def _read(self) -> dict[str, int]:
        try:
            found = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _started(pid: int) -> int | None:
    """When a process was started, in the kernel's ticks (proc(5)): a number used again has another."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(b")")[2].split()[19])  # the name before it may hold anything


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
        self._pid_file = PidFile(config.data_dir, len(self._sockets))
        self._hub = Hub()
        self._site: Site | None = None
        self._workers: dict[int, Worker] = {}  # who serves, by slot
        self._processes: set[Worker] = set()  # these, those that are being started, and those that retire
        self._keepers: set[asyncio.Task[None]] = set()
        self._reloads = 0
        self._rolling = asyncio.Lock()
        self._is_ready = False
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT. Temporary when a worker cannot start the first time."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._keep(self.reload()))
        loop.add_signal_handler(signal.SIGUSR1, lambda: self._keep(self.restart_rolling()))
        try:
            await asyncio.gather(*(self._start(slot) for slot in range(len(self._sockets))))
            for slot in range(len(self._sockets)):
                self._keep(self._tend(slot))
            self._pid_file.write()
            await self._begin_telling()
            self._is_ready = True
            self._notifier.ready()
            self._notifier.start_watchdog()
            if self._on_ready is not None:
                self._on_ready()
            _log.info("ready", workers=len(self._sockets))
            await self._stopping.wait()
        finally:
            self._notifier.stopping()
            self._pid_file.remove()
            if self._site is not None:
                await self._site.stop()
            await self._stop()

    async def reload(self) -> None:
        """Configuration and certificates are read again, here and then by every worker."""
        if self._is_ready:
            self._notifier.reloading()
        if take_over(self._config, self._config_path, None, _log.info):
            self._reloads += 1
            workers = list(self._workers.values())
            for worker in workers:
                worker.ready.clear()
                worker.signal(signal.SIGHUP)
            for worker in workers:
                if not await worker.wait_ready(RELOAD_TIMEOUT) and worker in self._workers.values():
                    _log.warning("worker does not say that it has reloaded", slot=worker.slot)
        if self._is_ready:
            self._notifier.ready()

    async def restart_rolling(self) -> None:
        """Replaces the workers one by one; the new one serves before the old one stops."""
        async with self._rolling:
            for slot in sorted(self._workers):
                try:
                    await self._start(slot)
                except Temporary as error:
                    _log.error("rolling restart stopped, the old worker stays", slot=slot, error=error)
                    return
            self._pid_file.write()
            _log.info("rolling restart done")

    async def _begin_telling(self) -> None:
        """Answers who asks for figures: as one more end of the hub, by which the workers are asked."""
        bus = SocketBus(await self._hub.add(), lambda: _log.error("supervisor has lost its bus"))
        await bus.start()
        settings = self._config.metrics
        asking = Asking(bus, lambda: len(self._workers), lambda: settings.timeout)
        self._site = Site(settings, self._config.data_dir, asking)
        await self._site.start()

    async def _start(self, slot: int) -> None:
        """Starts a worker for the slot and waits until it serves; only then it is the slot's worker."""
        worker, reloads = Worker(slot), self._reloads
        self._processes.add(worker)
        await worker.start(self._config, self._config_path, self._sockets[slot], self._hub)
        if not await worker.wait_ready(START_TIMEOUT):
            await self._end(worker, 0.0)
            raise Temporary(f"worker {slot} did not start")
        before = self._workers.get(slot)
        self._workers[slot] = worker
        if reloads != self._reloads:
            worker.signal(signal.SIGHUP)  # it began with what was the configuration then
        if before is not None:
            before.signal(signal.SIGTERM)
            self._keep(self._end(before, self._grace))

    async def _tend(self, slot: int) -> None:
        """Keeps the slot's worker alive."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            worker, began = self._workers[slot], loop.time()
            await self._watch(worker)
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

    async def _watch(self, worker: Worker) -> None:
        """Returns when the slot has another worker, or this one has ended, if need be by our hand."""
        while worker is self._workers[worker.slot] and not await worker.has_ended(TURN):
            if worker.silence() > self._config.server.worker_timeout:
                _log.error("worker does not turn", slot=worker.slot)
                worker.signal(signal.SIGABRT)  # the journal gets where it stands
                if not await worker.has_ended(TURN):
                    worker.signal(signal.SIGKILL)  # which also ends one that is stopped

    @property
    def _grace(self) -> float:
        """How long a worker that was told to stop may take: its sessions say goodbye."""
        return self._config.limits.shutdown_timeout + 5

    async def _end(self, worker: Worker, grace: float) -> None:
        await worker.end(grace)
        self._processes.discard(worker)

    async def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        everyone = list(self._processes)
        for worker in everyone:
            worker.signal(signal.SIGTERM)
        await asyncio.gather(*(self._end(worker, self._grace) for worker in everyone))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._keepers.add(task)
        task.add_done_callback(self._keepers.discard)
