# SPDX-License-Identifier: Apache-2.0
"""A real ACME CA for tests: Let's Encrypt's Pebble, on loopback, Debian's or a newer one.

Its state is in its memory: a CA that was stopped and started again knows no account any more.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from armgs_server.net.certificates import make_certificates

START_TIMEOUT = 30.0
DEBIAN = Path("/usr/bin/pebble")
# Validations are made at once; one nonce in twenty is refused, as Pebble does it by itself.
ENVIRONMENT = {"PEBBLE_VA_NOSLEEP": "1"}


class Pebble:
    """`settings` are more of its own. `resolver` answers its questions, `http_port` is where it looks."""

    def __init__(
        self,
        directory: Path,
        http_port: int,
        resolver: str,
        settings: Mapping[str, Any] | None = None,
        program: Path = DEBIAN,
    ) -> None:
        self._program = program
        self._directory = directory / "pebble"
        make_certificates(self._directory, "localhost", ())
        self.ca = self._directory / "ca.crt"
        self.port, self._management = _free_port(), _free_port()
        self.directory_url = f"https://localhost:{self.port}/dir"
        self._resolver = resolver
        self._config = self._directory / "config.json"
        self._log = self._directory / "log"
        given = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self._directory / "server.crt"),
            "privateKey": str(self._directory / "server.key"),
            "httpPort": http_port,
            "tlsPort": 1,
            "externalAccountBindingRequired": False,
            **(settings or {}),
        }
        self._config.write_text(json.dumps({"pebble": given}))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Pebble:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-config", self._config, "-dnsserver", self._resolver],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ENVIRONMENT},
            )
        deadline = time.monotonic() + START_TIMEOUT
        for port in (self.port, self._management):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(self._log.read_text()) from None
                    time.sleep(0.05)

    def stop(self) -> None:
        """Ends it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=15)
            self._process = None

    def root(self) -> str:
        """The certificate of the CA that it is just now, PEM."""
        return self.ask("/roots/0").decode()

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """Of its management interface."""
        context = ssl.create_default_context(cafile=str(self.ca))
        url = f"https://localhost:{self._management}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body), context=context, timeout=10) as answer:
            found: bytes = answer.read()
            return found


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
