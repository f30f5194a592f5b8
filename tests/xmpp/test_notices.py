# SPDX-License-Identifier: Apache-2.0
"""xmpp/notices.py: what other services have to say comes as a message; to those who are away, later."""

from __future__ import annotations

import asyncio
from pathlib import Path

from armgs_server.storage import clock, notices
from tests.chat_client import ChatClient
from tests.world import IVANOV, PETROVA, World

TIMEOUT = 20.0


async def tell(world: World, text: str) -> None:
    owner = await world.directory.by_address(IVANOV)
    assert owner is not None
    number = owner.id
    await world.store.write(lambda tx: notices.add(tx, number, PETROVA, "Mail", text, clock.now()))


async def test_a_notice_comes_to_whom_it_is_for(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        petrova = ChatClient(world, PETROVA)
        await petrova.online()
        await tell(world, "A letter & a <parcel>")
        await petrova.hears("A letter & a <parcel>")
        await petrova.offline()
    assert petrova.heard == ["A letter & a <parcel>"]


async def test_who_is_away_has_it_later_and_once(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await tell(world, "While you were away")
        petrova = ChatClient(world, PETROVA)
        await petrova.online()
        await petrova.hears("While you were away")
        await petrova.offline()
        async with asyncio.timeout(TIMEOUT):
            while await world.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM notice")):
                await asyncio.sleep(0.02)
    assert petrova.heard == ["While you were away"]
