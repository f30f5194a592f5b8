# SPDX-License-Identifier: Apache-2.0
"""XEP-0124 with two workers: each request may come to either, the session is in one of them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.bosh_client import BoshClient, post
from tests.xmpp.client import NAMESPACES, chat
from tests.xmpp.workers import SETTINGS, Workers

MESSAGES = 30


async def online(client: BoshClient) -> None:
    await client.log_in()
    await client.go_online()


async def answer_of(world: World, sid: str, rid: int) -> str | None:
    """How a session answers; a worker that is just being replaced may reset the connection."""
    async with asyncio.timeout(60):
        while True:
            try:
                return (await post(world, rid=rid, sid=sid)).get("condition")
            except (ConnectionError, IndexError, ValueError):
                await asyncio.sleep(0.1)


async def test_requests_come_to_any_worker(tmp_path: Path) -> None:
    """Each is a connection of its own, which the kernel deals out. When a worker dies, its sessions' clients
    learn it soon, from whichever they ask; those of the other go on."""
    async with World(tmp_path, process=True, settings=SETTINGS) as world, Workers(world) as workers:
        petrova = await workers.log_in(workers.pids[1], PETROVA, "desk")
        async with BoshClient(world, IVANOV, "web") as ivanov:
            await online(ivanov)
            for number in range(MESSAGES):
                ivanov.send(chat(petrova.full, f"to {number}"))
                await petrova.message(f"to {number}")
                petrova.send(chat(ivanov.full, f"from {number}"))
            texts = [(await ivanov.message()).findtext("c:body", "", NAMESPACES) for _ in range(MESSAGES)]
            assert texts == [f"from {number}" for number in range(MESSAGES)]
            await ivanov.terminate()
            assert ivanov.ended == {"type": "terminate"}
            await petrova.presence_of(ivanov.full, "unavailable")
        # §19.1: a session over TLS is not continued in clear, whichever worker is asked.
        secure = (await post(world, secure=True, rid=1, to="digital.example", wait=1, hold=1)).get("sid", "")
        for _ in range(12):
            assert (await post(world, rid=2, sid=secure)).get("condition") == "item-not-found"
        assert (await post(world, secure=True, rid=2, sid=secure)).get("condition") is None
        sids: dict[str, str] = {}
        while len(sids) < 2:
            sid = (await post(world, rid=1, to="digital.example", wait=1, hold=1)).get("sid", "")
            sids[sid.partition(".")[0]] = sid
        os.kill(workers.pids[0], signal.SIGKILL)
        rid, conditions = 2, [None, None]
        while conditions == [None, None]:
            conditions = [await answer_of(world, sid, rid) for sid in sids.values()]
            rid += 1
        assert sorted(conditions, key=str) == [None, "item-not-found"]
