# SPDX-License-Identifier: Apache-2.0
"""XEP-0198 §5 through a restart: of the whole daemon, and of its workers one by one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, Client, chat, find
from tests.xmpp.resuming import Counter, bodies, refused
from tests.xmpp.rooms import ROOM, create, enter, say

CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"


async def online(world: World, jid: str, resource: str) -> Counter:
    """A session that can be resumed, with carbons."""
    client = Counter(world, jid, resource)
    await client.log_in()
    await client.enable_sm()
    await client.iq(CARBONS, "set")
    await client.go_online()
    return client


async def resumed(world: World, former: Counter) -> Counter:
    client = Counter(world, former.jid)
    await client.connect()
    await client.open()
    await client.take_over(former)
    return client


async def test_sessions_and_rooms_outlive_the_daemon(tmp_path: Path, store_url: str) -> None:
    async with World(tmp_path, store_url=store_url) as world:
        ivanov = await online(world, IVANOV, "desk")
        phone = await online(world, IVANOV, "phone")
        petrova = await online(world, PETROVA, "desk")
        await create(petrova, "anna", roomname="Tea")
        await enter(ivanov, "ivan")
        await petrova.presence_of(f"{ROOM}/ivan")
        for client in (ivanov, phone, petrova):
            await client.settle()
        ivanov.send(chat(phone.full, "on the way"))
        await world.stop()
        assert find(await petrova.receive("stream:error"), "streams:system-shutdown") is not None
        for client in (ivanov, phone, petrova):
            await client.wait_end()
        await world.start()
        petrova = await resumed(world, petrova)
        petrova.send(chat(phone.full, "one") + say("two") + chat(IVANOV, "three"))
        assert (await petrova.message("two")).get("from") == f"{ROOM}/anna"
        await petrova.settle()
        # the others come later: they have been there all the time
        in_time = bodies(phone.stanzas)  # "on the way" may have come before the end, then it was counted
        phone = await resumed(world, phone)
        got = in_time + bodies(await phone.settle())
        assert sorted(got) == ["on the way", "one", "three"]
        ivanov = await resumed(world, ivanov)
        got = bodies(await ivanov.settle())
        assert sorted(each for each in got if each != "on the way") == ["one", "three", "two"]
        ivanov.send(say("back"))
        assert (await petrova.message("back")).get("from") == f"{ROOM}/ivan"
        seen = [*await petrova.settle(), *await ivanov.settle(), *await phone.settle()]
        assert not [each for each in seen if each.tag.endswith("}presence")]
        # a new client sees them all
        later = await Client(world, PETROVA, "later").log_in()
        await later.go_online()
        for client in (ivanov, phone, petrova):
            await later.presence_of(client.full)
        for each in (ivanov, phone, petrova, later):
            await each.disconnect()


async def test_who_cannot_resume_has_left_and_who_does_not_leaves_in_time(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"resume_time": 3.0}}) as world:
        petrova = await online(world, PETROVA, "desk")
        plain = await Client(world, IVANOV, "plain").log_in()
        await plain.go_online()
        slow = await online(world, IVANOV, "slow")
        await create(petrova, "anna", roomname="Tea")
        await enter(slow, "ivan")
        await petrova.presence_of(f"{ROOM}/ivan")
        await petrova.settle()
        await world.stop()
        await world.start()
        petrova = await resumed(world, petrova)
        await petrova.presence_of(plain.full, "unavailable")
        petrova.send(chat(slow.full, "are you there?"))
        await petrova.presence_of(slow.full, "unavailable")
        await petrova.presence_of(f"{ROOM}/ivan", "unavailable")
        again = Counter(world, IVANOV, "slow")
        await again.connect()
        await again.open()
        await refused(again, slow.previous, slow.received)
        await again.bind()
        await again.go_online()
        assert (await again.message("are you there?")).find("delay:delay", NAMESPACES) is not None
        for client in (petrova, plain, slow, again):
            await client.disconnect()


async def test_over_while_the_daemon_was_stopped(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"resume_time": 0.5}}) as world:
        phone = await online(world, IVANOV, "phone")
        petrova = await Client(world, PETROVA, "desk").log_in()
        await petrova.go_online()
        petrova.send(chat(IVANOV, "not acknowledged"))
        await phone.message("not acknowledged")
        await world.stop()
        await asyncio.sleep(0.6)  # the time that is over is the wall's
        await world.start()
        again = Counter(world, IVANOV, "phone")
        await again.connect()
        await again.open()
        await refused(again, phone.previous, 1)
        await again.bind()
        await again.go_online()
        assert (await again.message("not acknowledged")).get("from") == petrova.full
        for client in (petrova, phone, again):
            await client.disconnect()
