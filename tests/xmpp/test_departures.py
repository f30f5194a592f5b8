# SPDX-License-Identifier: Apache-2.0
"""Who leaves is known at once, and written down with all who leave within a moment."""

from __future__ import annotations

import asyncio

from armgs_server.storage import clock, last_activity
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import Client, find
from tests.xmpp.conftest import LogIn

LAST = "<query xmlns='jabber:iq:last'/>"


async def seconds(client: Client, of: str) -> int:
    answer = await client.iq(LAST, to=of)
    return int(find(answer, "last:query").get("seconds", ""))


async def test_a_colleague_is_told_at_once(log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await petrova.close()
    await ivanov.presence_of(petrova.full, "unavailable")
    assert 0 <= await seconds(ivanov, PETROVA) <= 60


async def test_it_is_in_the_store_a_moment_later(world: World, log_in: LogIn) -> None:
    petrova = await log_in(PETROVA)
    person = await world.directory.by_address(PETROVA)
    assert person is not None
    began = clock.now()
    await petrova.close()
    async with asyncio.timeout(30):
        while (found := await world.store.read(lambda tx: last_activity.get(tx, person.id))) is None:
            await asyncio.sleep(0.05)
    assert found.came < began <= found.went


async def test_a_stop_waits_until_it_is_written(world: World, log_in: LogIn) -> None:
    ivanov, petrova = await log_in(IVANOV), await log_in(PETROVA)
    await petrova.close()
    await ivanov.presence_of(petrova.full, "unavailable")
    await world.stop()
    await world.start()
    assert 0 <= await seconds(await log_in(IVANOV), PETROVA) <= 60
