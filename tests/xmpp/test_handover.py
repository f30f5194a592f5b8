# SPDX-License-Identifier: Apache-2.0
"""XEP-0198 §5 across workers: a session goes on wherever its client comes back, and nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.nats import Server
from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import NAMESPACES, chat, error_of, find
from tests.xmpp.resuming import Counter, bodies, refused
from tests.xmpp.rooms import ROOM, create, enter, say
from tests.xmpp.workers import SETTINGS, Workers, bind

CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    async with World(tmp_path, process=True, settings=SETTINGS) as world, Workers(world) as workers:
        yield workers


async def phone_of(workers: Workers, worker: int, jid: str = IVANOV) -> Counter:
    """A session that can be resumed, with carbons."""
    phone = await workers.log_in(worker, jid, "phone", online=False)
    await phone.enable_sm()
    await phone.iq(CARBONS, "set")
    return await phone.go_online()  # type: ignore[return-value]


async def test_a_session_goes_on_at_the_other_worker(tmp_path: Path, store_url: str) -> None:
    async with (
        World(tmp_path, process=True, store_url=store_url, settings=SETTINGS) as world,
        Workers(world) as workers,
    ):
        here, there = workers.pids
        petrova = await workers.log_in(here, PETROVA, "desk")
        desk = await workers.log_in(there, IVANOV, "desk")
        phone = await phone_of(workers, here)
        for client in (petrova, desk):
            await client.presence_of(phone.full)
        await create(petrova, "anna")
        await enter(phone, "ivan")
        await petrova.presence_of(f"{ROOM}/ivan")
        for client in (phone, petrova, desk):
            await client.settle()
        phone.writer.transport.abort()  # the train enters a tunnel
        petrova.send(chat(phone.full, "one") + chat(IVANOV, "two") + say("three"))
        desk.send(chat(PETROVA, "four"))
        await petrova.message("four")
        await petrova.settle()
        await desk.message("two")
        again = await workers.resumed(there, phone)
        got = bodies(await again.settle())
        assert sorted(got) == ["four", "one", "three", "two"] and got.index("one") < got.index("two")
        # nobody has seen it leave or come
        for client in (petrova, desk):
            seen = await client.settle()
            assert not [each for each in seen if each.tag.endswith("}presence")]
        # and everything reaches it as before
        petrova.send(chat(phone.full, "five") + chat(IVANOV, "six") + say("seven"))
        desk.send(chat(PETROVA, "eight"))
        for body in ("five", "six", "seven"):
            await again.message(body)
        await again.receive("c:message", lambda stanza: bodies([stanza]) == ["eight"])
        again.send(say("nine") + chat(PETROVA, "ten"))
        assert (await petrova.message("nine")).get("from") == f"{ROOM}/ivan"
        assert (await petrova.message("ten")).get("from") == phone.full
        petrova.send(f"<iq type='get' id='p1' to='{phone.full}'>{PING}</iq>")
        asked = await again.receive("c:iq", lambda stanza: stanza.get("id") == "p1")
        again.send(f"<iq type='result' id='p1' to='{asked.get('from')}'/>")
        answer = await petrova.receive("c:iq", lambda stanza: stanza.get("id") == "p1")
        assert answer.get("type") == "result"
        # and back again, and at its end everybody sees it leave
        last = await workers.resumed(here, again)
        await last.close()
        await petrova.presence_of(phone.full, "unavailable")
        await petrova.presence_of(f"{ROOM}/ivan", "unavailable")
        await desk.presence_of(phone.full, "unavailable")


async def test_the_old_stream_is_told_and_its_last_stanzas_count(workers: Workers) -> None:
    here, there = workers.pids
    petrova = await workers.log_in(here, PETROVA, "desk")
    phone = await phone_of(workers, here)
    await phone.settle()
    phone.send("".join(chat(PETROVA, f"m{number}") for number in range(5)))
    for number in range(5):
        await petrova.message(f"m{number}")
    again = await workers.connected(there, IVANOV)
    resumed = await again.take_over(phone)
    assert resumed.get("previd") == phone.previous
    assert resumed.get("h") == "8"  # carbons, presence, a ping, five messages
    assert find(await phone.receive("stream:error"), "streams:conflict") is not None


async def test_nobody_else_resumes_it(workers: Workers) -> None:
    here, there = workers.pids
    phone = await phone_of(workers, here)
    for worker in (here, there):
        thief = await workers.connected(worker, PETROVA)
        assert (await refused(thief, phone.previous)).get("h") is None
    for nonsense in ("", "x", "-1.x", f"{'f' * 40}.x", phone.previous[:-1] + "~"):
        await refused(await workers.connected(there, IVANOV), nonsense)
    assert "ping" not in bodies(await phone.settle())  # it is still connected


async def test_only_one_of_two_goes_on(workers: Workers) -> None:
    here, there = workers.pids
    petrova = await workers.log_in(here, PETROVA, "desk")
    phone = await phone_of(workers, here)
    await petrova.presence_of(phone.full)
    first, second = [await workers.connected(worker, IVANOV) for worker in (there, there)]
    for client in (first, second):
        await client.authenticate()
        await client.open()
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{phone.previous}' h='{phone.received}'/>"
    for client in (first, second):
        client.send(resume)

    async def outcome(client: Counter) -> str:
        answer = await client.receive_any("sm:resumed", "sm:failed")
        if answer.tag.endswith("failed"):
            return "failed"
        petrova_has_it = await client.receive_any("c:message", "stream:error")
        return petrova_has_it.tag.rpartition("}")[2]

    outcomes = [asyncio.create_task(outcome(client)) for client in (first, second)]
    await phone.wait_end()
    await asyncio.wait(outcomes, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    petrova.send(chat(phone.full, "who?"))
    ended = sorted(await asyncio.gather(*outcomes))
    assert ended in (["failed", "message"], ["error", "message"])


async def test_a_session_that_is_over_is_not_found(tmp_path: Path) -> None:
    settings = {**SETTINGS, "xmpp": {**SETTINGS["xmpp"], "resume_time": 1.0}}
    async with World(tmp_path, process=True, settings=settings) as world, Workers(world) as workers:
        here, there = workers.pids
        petrova = await workers.log_in(here, PETROVA, "desk")
        phone = await phone_of(workers, there)
        await petrova.presence_of(phone.full)
        await phone.disconnect()
        petrova.send(chat(IVANOV, "missed"))
        await petrova.presence_of(phone.full, "unavailable")
        again = await workers.connected(here, IVANOV, "phone")
        answer = await refused(again, phone.previous, phone.received)
        assert answer.get("h") == "2"  # carbons and presence
        await again.bind()
        await again.go_online()
        assert (await again.message("missed")).find("delay:delay", NAMESPACES) is not None


async def test_a_new_session_of_the_resource_ends_one_that_waits(workers: Workers) -> None:
    here, there = workers.pids
    petrova = await workers.log_in(here, PETROVA, "desk")
    phone = await phone_of(workers, here)
    await petrova.presence_of(phone.full)
    await phone.disconnect()
    petrova.send(chat(IVANOV, "waiting"))
    await petrova.settle()
    newer = await workers.connected(there, IVANOV, "phone")
    await bind(newer)
    await newer.go_online()
    await newer.message("waiting")
    await petrova.presence_of(phone.full, "unavailable")
    await petrova.presence_of(newer.full)
    await refused(await workers.connected(here, IVANOV), phone.previous)
    assert error_of(await petrova.iq(PING, to=f"{IVANOV}/nobody")) == "service-unavailable"


async def test_a_long_queue_moves_where_the_bus_is_nats(tmp_path: Path) -> None:
    nats = Server(tmp_path)
    nats.start()
    try:
        settings = {**SETTINGS, "store": {"bus": nats.url}}
        async with World(tmp_path, process=True, settings=settings) as world, Workers(world) as workers:
            here, there = workers.pids
            petrova = await workers.log_in(there, PETROVA, "desk")
            phone = await phone_of(workers, here)
            await petrova.presence_of(phone.full)
            await phone.disconnect()
            sent = [f"{number} " + "x" * 40_000 for number in range(40)]  # NATS carries a megabyte at most
            for body in sent:
                petrova.send(chat(phone.full, body))
            await petrova.settle()
            again = await workers.resumed(there, phone)
            assert bodies(await again.settle()) == sent
            petrova.send(chat(phone.full, "live"))
            await again.message("live")
    finally:
        nats.stop()
