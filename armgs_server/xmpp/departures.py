# SPDX-License-Identifier: Apache-2.0
"""When people left: written down together for all who leave within a moment, as nobody waits for it.

A log-out needs no commit of its own then. What a process had not written when it was killed is lost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from armgs_server.storage import last_activity
from armgs_server.storage.last_activity import LastActivity
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.xmpp.server import Server

PAUSE = 1.0  # seconds from the first departure to the commit


class Departures:
    """Of one process. `flush` is called once more when everybody has left."""

    __slots__ = ("_left", "_server", "_timer")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._left: dict[int, LastActivity] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, owner: int, activity: LastActivity) -> None:
        """A session of this owner has become unavailable."""
        self._left[owner] = activity
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self.flush)

    def get(self, owner: int) -> LastActivity | None:
        """What is not in the store yet."""
        return self._left.get(owner)

    def flush(self) -> None:
        """Begins to write."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left, self._left = self._left, {}
        if not left:
            return

        async def work(tx: Tx) -> None:
            for owner in sorted(left):  # in one order everywhere: no two processes wait for each other
                await last_activity.put(tx, owner, left[owner])

        self._server.spawn(self._server.store.write(work))
