# SPDX-License-Identifier: Apache-2.0
"""A real HAProxy before the hosts of a cluster, from the example file that an operator starts with."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

HAPROXY = Path("/usr/sbin/haproxy")
EXAMPLE = Path(__file__).parent.parent / "etc" / "cluster" / "haproxy.cfg"
ADDRESS = "127.0.0.1"
START_TIMEOUT = 30.0
_BIND = re.compile(r"bind :::(\d+) v4v6")
_SERVER = re.compile(r"server host(\d+) [\d.]+:(\d+) check")


class Balancer:
    """Listens on ADDRESS; its own connections come from `source`, which the hosts have as a proxy host."""

    def __init__(self, directory: Path, hosts: Sequence[str], source: str, port_offset: int) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._stats = directory / "haproxy.stats"
        self._config = directory / "haproxy.cfg"
        self._config.write_text(self._adapted(EXAMPLE.read_text(), hosts, source, port_offset))

    def start(self) -> None:
        """Returns when it listens; until its first health checks it takes all hosts for up."""
        with (self._directory / "haproxy.log").open("ab") as log:
            self._process = subprocess.Popen(
                [HAPROXY, "-db", "-f", self._config], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._stats.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._directory / "haproxy.log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=15)
            self._process = None

    def _adapted(self, text: str, hosts: Sequence[str], source: str, port_offset: int) -> str:
        """The example with our addresses and ports; servers that we have not are left out."""

        def server(match: re.Match[str]) -> str:
            number = int(match[1])
            if number > len(hosts):
                return ""
            return f"server host{number} {hosts[number - 1]}:{int(match[2]) + port_offset} check"

        text = _BIND.sub(lambda match: f"bind {ADDRESS}:{int(match[1]) + port_offset}", text)
        text = _SERVER.sub(server, text).replace("check-send-proxy\n", f"check-send-proxy source {source}\n")
        return text.replace("    maxconn 250000\n", f"    maxconn 2000\n    stats socket {self._stats}\n")
