# SPDX-License-Identifier: Apache-2.0
"""What the connections of one loop write in one of its turns, sent at its end by one callback for all."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Writer(Protocol):
    def flush(self) -> None:
        """Gives what was written to the system."""


class Turn:
    """One for each loop."""

    __slots__ = ("_loop", "_writers")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writers: list[Writer] = []

    def add(self, writer: Writer) -> None:
        """Calls `flush` when what runs now has come to its end."""
        if not self._writers:
            self._loop.call_soon(self._flush_all)
        self._writers.append(writer)

    def _flush_all(self) -> None:
        writers, self._writers = self._writers, []
        for number, writer in enumerate(writers, start=1):
            try:
                writer.flush()
            except BaseException:  # of one connection: the others' bytes still go out
                for other in writers[number:]:
                    self.add(other)
                raise
