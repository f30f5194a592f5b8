# SPDX-License-Identifier: Apache-2.0
"""Since when clients have acknowledged nothing: what is to be looked for in the archive should we die.

A process that is killed loses the queues of its sessions (XEP-0198). Messages are in the archive by then; the
one who finds the process dead puts those into the offline store that a client may not have got: all since
the last beat but one, or since the time that is noted here for a session whose client is silent for longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from armgs_server.xmpp.session import Session

Note = tuple[int, int, int]  # owner, number, time or 0


class Unacknowledged:
    """Looks at every session once a beat; nothing is done where stanzas are sent or acknowledged."""

    def __init__(self, now: int) -> None:
        self._marks: dict[int, deque[tuple[int, int]]] = {}  # by session: stanzas sent by then, time
        self._noted: dict[int, int] = {}
        self._last = now  # time of the last look

    def look(self, sessions: Iterable[Session], now: int) -> list[Note]:
        """What has to be written down differently from the last time."""
        notes: list[Note] = []
        marks: dict[int, deque[tuple[int, int]]] = {}
        for session in sessions:
            counters, number = session.sm, session.number
            if counters is None or not counters.queue:
                continue
            mine = self._marks.get(number) or deque([(counters.acknowledged, self._last)])
            while len(mine) > 1 and mine[1][0] <= counters.acknowledged:
                mine.popleft()
            mine.append((counters.acknowledged + len(counters.queue), now))
            marks[number] = mine
            since = mine[0][1] if mine[0][1] < self._last else 0
            if since != self._noted.get(number, 0):
                notes.append((session.account.owner, number, since))
                self._noted[number] = since
        for session in sessions:
            if session.number not in marks and self._noted.pop(session.number, 0):
                notes.append((session.account.owner, session.number, 0))
        self._noted = {number: since for number, since in self._noted.items() if number in marks}
        self._marks, self._last = marks, now
        return notes
