# SPDX-License-Identifier: Apache-2.0
"""Messages on their way into archives and the offline store: what arrives meanwhile is written together.

One transaction of a process is under way at a time, the next takes all that has come by then (group commit).
So a busy server pays the round trips of a transaction once for many messages, and writers of the same
archives do not queue for each other's locks; a message that comes alone waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from armgs_server import trace_id
from armgs_server.errors import DomainError, Temporary
from armgs_server.xmpp import archiving

if TYPE_CHECKING:
    from armgs_server.storage import Store
    from armgs_server.xmpp.delivery import Delivery

# Messages of one transaction: bounds how long the first waits for the last, and the length of its statements.
BATCH_LIMIT = 100


class _Group:
    """What one sender has sent in one go: all of it is kept, or nothing."""

    __slots__ = ("deliveries", "done")

    def __init__(self, deliveries: Sequence[Delivery], done: asyncio.Future[None]) -> None:
        self.deliveries = deliveries
        self.done = done

    def resolve(self, error: DomainError | None) -> None:
        """Whoever asked may be gone."""
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


class Keeper:
    """The way of a process's messages into the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Group] = []
        self._task: asyncio.Task[None] | None = None  # there while anything waits

    async def keep(self, deliveries: Sequence[Delivery]) -> None:
        """Returns when they are durable, with the ids they have in the archives."""
        loop = asyncio.get_running_loop()
        group = _Group(deliveries, loop.create_future())
        self._waiting.append(group)
        if self._task is None:
            self._task = loop.create_task(self._write(), name="xmpp-keeper", context=trace_id.apart())
        await group.done

    async def _write(self) -> None:
        try:
            while self._waiting:
                groups = self._take()
                try:
                    await self._write_together(groups)
                finally:
                    _cancel(groups)
        finally:
            self._task = None
            _cancel(self._waiting)  # there only where the task is cancelled
            self._waiting = []

    def _take(self) -> list[_Group]:
        """The first groups in their order, at least one."""
        number, size = 0, 0
        for group in self._waiting:
            size += len(group.deliveries)
            if number and size > BATCH_LIMIT:
                break
            number += 1
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        return taken

    async def _write_together(self, groups: list[_Group]) -> None:
        """One transaction for all; where it is refused one for each, so that nobody pays for another."""
        together = [delivery for group in groups for delivery in group.deliveries]
        error: DomainError | None = None
        try:
            await self._store.write(lambda tx: archiving.keep(tx, together))
        except DomainError as refusal:
            error = refusal
        if error is not None and len(groups) > 1 and not isinstance(error, Temporary):
            for group in groups:
                await self._write_together([group])
            return
        for group in groups:
            group.resolve(error)


def _cancel(groups: Sequence[_Group]) -> None:
    """Of a task that is cancelled nobody hears anything more; where all is done this does nothing."""
    for group in groups:
        group.done.cancel()
