# SPDX-License-Identifier: Apache-2.0
"""Gives memory back to the system that glibc keeps: what log-ins leave free between what stays.

A parser or a TLS handshake frees a few kilobytes in the midst of a session's own; a fifth of what idle
sessions seem to take is such room. `malloc_trim` returns its pages (1 ms for 60 MB), so it is called when the
process has grown since the last time, and never at rest.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

INTERVAL = 5.0
GROWTH = 2 << 20  # bytes that a process has to have grown by
_STATM = Path("/proc/self/statm")


class Trimmer:
    """Runs on the loop from `start` to `stop`; does nothing where the C library is another one.

    `release` is called before: it frees what can be had again.
    """

    def __init__(self, release: Callable[[], None] = lambda: None) -> None:
        self._release = release
        self._trim = _malloc_trim()
        self._timer: asyncio.TimerHandle | None = None
        self._resident = 0  # after the last time

    def start(self) -> None:
        if self._trim is not None:
            self._resident = resident()
            self._wait()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> bool:
        """Trims where that is worth while; whether it was."""
        if self._trim is None or resident() - self._resident < GROWTH:
            return False
        self._release()
        self._trim(0)
        self._resident = resident()
        return True

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._on_time)

    def _on_time(self) -> None:
        self.look()
        self._wait()


def resident() -> int:
    """Bytes of the process that are in memory."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _malloc_trim() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.PyDLL(None).malloc_trim
    except AttributeError:  # not glibc
        return None
    return found
