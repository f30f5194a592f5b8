# SPDX-License-Identifier: Apache-2.0
"""Which processes of this host have died: a file for each, locked for as long as its process lives.

The kernel lets go of a lock however a process ends, and keeps it while the process only stands still. So
the others, and the one that takes its place, need not wait until its time in the store is over. A process
of another host is known by its beat alone (storage.sessions).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

FOLDER = "processes"  # below the data folder


class Lifelines:
    """The files of all processes of this host; `name` is this one's."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._folder = data_dir / FOLDER
        self._name = name
        self._held: int | None = None

    def hold(self) -> None:
        """From here on others see that this process lives."""
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._folder / f".{self._name}"
        self._held = os.open(new, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_EX)
        new.rename(self._folder / self._name)  # nobody sees it before it is locked

    def dead(self) -> list[str]:
        """Processes that ended without `release`."""
        return [file.name for file in self._folder.glob("[!.]*") if self._is_free(file)]

    def bury(self, names: Iterable[str]) -> None:
        """What was to be done for these dead is done."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    def release(self) -> None:
        """This process has left the store in order."""
        if self._held is not None:
            self.bury([self._name])
            os.close(self._held)
            self._held = None

    def _is_free(self, file: Path) -> bool:
        if file.name == self._name:
            return False
        try:
            descriptor = os.open(file, os.O_RDWR)
        except FileNotFoundError:
            return False  # another has buried it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True
