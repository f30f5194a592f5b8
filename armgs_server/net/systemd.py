# SPDX-License-Identifier: Apache-2.0
"""What the daemon says to systemd and gets from it: sd_notify(3) and sd_listen_fds(3)."""

import asyncio
import os
import socket
import time

from armgs_server import log

_log = log.get("systemd")
_FIRST_DESCRIPTOR = 3


def listen_sockets() -> list[tuple[str, socket.socket]]:
    """The listening sockets systemd handed over, with their names; none where it handed over none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(variable, None)
    sockets = []
    for index in range(count):
        descriptor = _FIRST_DESCRIPTOR + index
        os.set_inheritable(descriptor, False)
        name = names[index] if index < len(names) else ""
        sockets.append((name, socket.socket(fileno=descriptor)))
    return sockets


class Notifier:
    """Tells systemd the daemon's state; silent where nobody listens. Owns the watchdog's task."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._watchdog: asyncio.Task[None] | None = None

    def ready(self) -> None:
        self._send("READY=1")

    def reloading(self) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def start_watchdog(self) -> None:
        """From now on the loop proves twice an interval that it turns (WatchdogSec=)."""
        microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
        if (
            self._address
            and microseconds
            and os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        ):
            self._watchdog = asyncio.get_running_loop().create_task(self._feed(microseconds / 2e6))

    def close(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()

    async def _feed(self, interval: float) -> None:
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(interval)

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # a listener that stands still must not make us stand still
            try:
                sock.sendto(state.encode(), address)
            except OSError as error:
                _log.info("systemd does not listen", error=error)
