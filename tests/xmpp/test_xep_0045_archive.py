# SPDX-License-Identifier: Apache-2.0
"""xmpp/xeps/xep_0045_archive.py: one order for the archive and for everybody in the room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from armgs_server.errors import Conflict
from armgs_server.storage import Store, archive, leases
from armgs_server.storage.archive import ArchiveQuery
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.xeps.xep_0045_config import RoomConfig
from armgs_server.xmpp.xeps.xep_0045_room import Room

OWNER = 7


def make_room() -> Room:
    return Room(parse("tea@conference.digital.example"), OWNER, RoomConfig(), b"secret", 10)


async def archived(store: Store) -> list[tuple[int, bytes]]:
    page = await store.read(lambda tx: archive.page(tx, OWNER, ArchiveQuery()))
    return [(message.id, message.stanza) for message in page.messages]


async def test_messages_are_handed_on_in_the_order_of_their_ids(store: Store) -> None:
    room, handed_on = make_room(), list[tuple[int, bytes]]()

    def hand_on(data: bytes) -> Callable[[int], None]:
        return lambda number: handed_on.append((number, data))

    async def say(number: int) -> None:
        data = b"<message>%d</message>" % number
        await room.keeper.keep(store, "ivanov", "", data, hand_on(data))
        assert data in [each for _, each in handed_on]

    await asyncio.gather(*(say(number) for number in range(30)))
    assert handed_on == await archived(store)
    assert [data for _, data in handed_on] == [b"<message>%d</message>" % number for number in range(30)]


async def test_what_comes_meanwhile_goes_in_one_transaction(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 0
    real = store.write

    async def counted(work: Any) -> Any:
        nonlocal writes
        writes += 1
        return await real(work)

    monkeypatch.setattr(store, "write", counted)
    room = make_room()
    keep = [room.keeper.keep(store, "ivanov", "", b"<message/>", lambda number: None) for _ in range(20)]
    await asyncio.gather(*keep)
    assert len(await archived(store)) == 20
    assert writes <= 2


async def test_a_sender_that_leaves_takes_nothing_back(store: Store) -> None:
    room, handed_on = make_room(), asyncio.Event()
    sender = asyncio.create_task(
        room.keeper.keep(store, "ivanov", "", b"<message/>", lambda number: handed_on.set())
    )
    await asyncio.sleep(0)
    sender.cancel()
    async with asyncio.timeout(10):
        await handed_on.wait()
    assert len(await archived(store)) == 1


async def test_a_room_that_lives_elsewhere_by_now_keeps_nothing(tmp_path: Path) -> None:
    store = await Store.open("sqlite", tmp_path)
    room = make_room()
    room.lease = await store.write(lambda tx: leases.acquire(tx, "room:tea", "here", lifetime=-1))
    await store.write(lambda tx: leases.acquire(tx, "room:tea", "there"))
    handed_on: list[int] = []
    with pytest.raises(Conflict):
        await room.keeper.keep(store, "ivanov", "", b"<message/>", handed_on.append)
    assert handed_on == [] and await archived(store) == []
    await store.close()
