# SPDX-License-Identifier: Apache-2.0
"""One worker process as its supervisor sees it: how it is started, what it says, how it is ended.

A worker has its configuration from the supervisor, not from the file: one that replaces a dead worker must
not take up a new store or new ports, of which the others know nothing yet.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from armgs_server import config as configuration
from armgs_server.config import Config
from armgs_server.storage.bus_socket import Hub

# What a worker is told by its environment: descriptors of its configuration, of its end of the bus and of
# its listening sockets.
CONFIG_VARIABLE, BUS_VARIABLE, SOCKETS_VARIABLE = "ARMGS_CONFIG", "ARMGS_BUS", "ARMGS_SOCKETS"

Sockets = Sequence[tuple[str, socket.socket]]


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
        with bus, os.fdopen(os.memfd_create("armgs-config"), "w+b", buffering=0) as settings:
            settings.write(configuration.differences(config).encode())
            descriptors = [sock.fileno() for _, sock in sockets]
            environment = {
                **os.environ,
                CONFIG_VARIABLE: str(settings.fileno()),
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
                pass_fds=[*descriptors, bus.fileno(), settings.fileno()],
            )

    def signal(self, number: int) -> None:
        """Sends a signal, if the process still lives."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def wait_ready(self, timeout: float) -> bool:
        """Waits until it says READY; False when it ends before, or is silent for the time."""
        assert self.process is not None
        ended = asyncio.ensure_future(self.process.wait())
        ready = asyncio.ensure_future(self.ready.wait())
        try:
            await asyncio.wait({ended, ready}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            ready.cancel()
        return self.ready.is_set()

    async def has_ended(self, within: float) -> bool:
        """Whether the process ends in that time."""
        assert self.process is not None
        try:
            async with asyncio.timeout(within):
                await self.process.wait()
        except TimeoutError:
            return False
        return True

    async def end(self, grace: float) -> None:
        """Waits for the end, and makes an end of it after `grace` seconds."""
        if self.process is not None and not await self.has_ended(grace or 0.01):
            self.signal(signal.SIGKILL)
            await self.process.wait()
        self._close()

    def silence(self) -> float:
        """Seconds since its last sign of life; what waits unread is one."""
        self._on_notify()
        return asyncio.get_running_loop().time() - self.heard

    def _close(self) -> None:
        if self._notify.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._notify.fileno())
            self._notify.close()

    def _on_notify(self) -> None:
        while True:
            try:
                message = self._notify.recv(4096)
            except BlockingIOError:
                return
            self.heard = asyncio.get_running_loop().time()
            if b"READY=1" in message.split(b"\n"):
                self.ready.set()
