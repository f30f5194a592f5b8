# SPDX-License-Identifier: Apache-2.0
"""Rows that are taken while their domain is at its limit: the next goes as soon as one before it is done.

Bounded, and no row waits here so long that its lease could end; what does not fit is given back.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from armgs_server.storage.queue import Entry

# Rows that wait in one process. Beyond that they wait in the store.
LIMIT = 100

Group = Sequence[Entry]


class Crowd:
    """Groups of rows by domain, with the time at which they were taken."""

    def __init__(self, longest: int) -> None:
        self._longest = longest  # a group that has waited longer is not handed out
        self._waiting: defaultdict[str, deque[tuple[int, Group]]] = defaultdict(deque)
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether no more rows can wait."""
        return self._size >= LIMIT

    def add(self, domain: str, group: Group, now: int) -> bool:
        """Whether there is room for it."""
        if self.is_full:
            return False
        self._waiting[domain].append((now, group))
        self._size += len(group)
        return True

    def pop(self, domain: str, now: int) -> tuple[Group, list[Entry]]:
        """The next group of a domain, if there is one, and the rows that have waited too long."""
        late: list[Entry] = []
        waiting = self._waiting.get(domain)
        found: Group = ()
        while waiting and not found:
            taken, group = waiting.popleft()
            self._size -= len(group)
            if now - taken > self._longest:
                late += group
            else:
                found = group
        if not waiting:
            self._waiting.pop(domain, None)
        return found, late

    def clear(self) -> list[Entry]:
        """Takes all rows out."""
        rows = [entry for each in self._waiting.values() for _, group in each for entry in group]
        self._waiting.clear()
        self._size = 0
        return rows
