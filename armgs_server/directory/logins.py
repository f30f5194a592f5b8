# SPDX-License-Identifier: Apache-2.0
"""Who has logged in, or tried to, and what they use: the journal that each person can read.

Log-ins are hot: what is noted waits here and is written for all people together every few seconds. Who is
let in again from the same place in the same way is noted once an hour. Memory is bounded: past that, what
was noted is told apart by person alone.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from armgs_server import log, trace_id
from armgs_server.directory.cache import Cache
from armgs_server.errors import DomainError
from armgs_server.storage import Store, clock, logins
from armgs_server.storage.logins import Login
from armgs_server.storage.tx import Tx

WRITE_AFTER: Final = 2.0  # seconds
NOTED_FOR: Final = 3600.0  # seconds
_RECENT: Final = 50_000  # who was noted of late
_WAITING: Final = 10_000  # what waits to be written
# Which part of the whole a protocol is; DAV says it by the paths that are asked for.
PARTS: Final = {"imap": "mail", "pop3": "mail", "xmpp": "chat"}
ALL_PARTS: Final = ("mail", "calendar", "contacts", "chat", "files")

_log = log.get("login")

_Key = tuple[int, str, str, str, bool]


class Logins:
    """Made by Auth, as `directory.auth.logins`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: Cache[_Key, float] = Cache(_RECENT)
        self._used: Cache[tuple[int, str], float] = Cache(_RECENT)
        self._waiting: dict[_Key, Login] = {}
        self._parts: dict[tuple[int, str], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def note(self, principal: int, service: str, mechanism: str, peer: str, *, admitted: bool) -> None:
        """Somebody was let in, or an attempt in their name refused."""
        key = (principal, service, mechanism, peer, admitted)
        if admitted:
            until = self._recent.get(key)
            if until is not None and until > time.monotonic():
                return
            self._recent.put(key, time.monotonic() + NOTED_FOR)
            part = PARTS.get(service)
            if part is not None:
                self.use(principal, part)
        if len(self._waiting) >= _WAITING and key not in self._waiting:
            key = (principal, service, mechanism, "", admitted)
        now = clock.now()
        before = self._waiting.get(key)
        if before is None:
            self._waiting[key] = Login(
                principal, now // clock.DAY, service, mechanism, key[3], int(admitted), now, now, 1
            )
        else:
            self._waiting[key] = before._replace(last=now, times=before.times + 1)
        self._start_timer()

    def use(self, principal: int, part: str) -> None:
        """Somebody uses a part of ALL_PARTS."""
        until = self._used.get((principal, part))
        if until is not None and until > time.monotonic():
            return
        self._used.put((principal, part), time.monotonic() + NOTED_FOR)
        self._parts[principal, part] = clock.now()
        self._start_timer()

    async def flush(self) -> None:
        """Writes what waits; it waits on where the store cannot write now."""
        waiting, self._waiting = self._waiting, {}
        parts, self._parts = self._parts, {}
        if not waiting and not parts:
            return

        async def work(tx: Tx) -> None:
            await logins.add(tx, [*waiting.values()])
            await logins.connect(tx, [(principal, part, now) for (principal, part), now in parts.items()])

        try:
            await self._store.write(work)
        except DomainError as error:
            _log.warning("the journal of log-ins waits", reason=error.text)
            self._waiting = {**waiting, **self._waiting}
            self._parts = {**parts, **self._parts}

    async def close(self) -> None:
        """Writes what waits, and ends."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
        await self.flush()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(
                WRITE_AFTER, self._start, context=trace_id.apart()
            )

    def _start(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self.flush())
