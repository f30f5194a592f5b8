# SPDX-License-Identifier: Apache-2.0
"""XEP-0045 §7.4, XEP-0313: what is said in one room, on its way through the archive to the occupants.

Messages of a room are written one transaction after another, each with all that came meanwhile, and are
handed on in the order of their archive ids as soon as they are durable, whatever has become of the sender:
so every occupant on every host, and the archive, have the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from armgs_server.errors import DomainError
from armgs_server.storage import archive
from armgs_server.storage.archive import Entry
from armgs_server.storage.tx import Tx
from armgs_server.xmpp.xeps import xep_0424_retraction
from armgs_server.xmpp.xeps.xep_0424_retraction import Retraction

if TYPE_CHECKING:
    from armgs_server.storage import Store
    from armgs_server.xmpp.xeps.xep_0045_room import Room


@dataclass(frozen=True, slots=True)
class Said:
    """One message; `hand_on` gets its archive id and must not raise."""

    nick: str
    id: str
    data: bytes
    hand_on: Callable[[int], None]
    retraction: Retraction | None
    done: asyncio.Future[None]


class Keeper:
    """The way into the archive of one room that lives in this process."""

    __slots__ = ("_room", "_task", "_waiting")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._waiting: list[Said] = []
        self._task: asyncio.Task[None] | None = None  # there while anything waits

    async def keep(
        self,
        store: Store,
        nick: str,
        id_: str,
        data: bytes,
        hand_on: Callable[[int], None],
        retraction: Retraction | None = None,
    ) -> None:
        """Archives a message and hands it on; returns, or raises, when that is done."""
        loop = asyncio.get_running_loop()
        said = Said(nick, id_, data, hand_on, retraction, loop.create_future())
        self._waiting.append(said)
        if self._task is None:
            self._task = loop.create_task(self._write(store), name="room-archive")
        await said.done

    async def _write(self, store: Store) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await self._write_batch(store, batch)
                finally:  # of a task that is cancelled nobody hears anything more
                    for said in batch:
                        said.done.cancel()
        finally:
            self._task = None

    async def _write_batch(self, store: Store, batch: list[Said]) -> None:
        room = self._room
        rows = [Entry(room.owner, said.nick, said.id, said.data) for said in batch]
        retractions = [said.retraction for said in batch if said.retraction is not None]

        async def work(tx: Tx) -> list[int]:
            await room.check_home(tx)
            numbers = await archive.append_all(tx, rows)
            for retraction in retractions:
                await xep_0424_retraction.bury(tx, room.owner, retraction)
            return numbers

        try:
            numbers = await store.write(work)
        except DomainError as error:
            for said in batch:
                if not said.done.done():  # who asked may be gone
                    said.done.set_exception(error)
            return
        for said, number in zip(batch, numbers, strict=True):
            said.hand_on(number)
            if not said.done.done():
                said.done.set_result(None)
