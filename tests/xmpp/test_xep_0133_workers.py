# SPDX-License-Identifier: Apache-2.0
"""XEP-0133 with several workers, on both engines: who is on another one is counted and reached."""

from __future__ import annotations

from pathlib import Path

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import find
from tests.xmpp.commands import is_done, run, told
from tests.xmpp.workers import SETTINGS, Workers

DOMAIN = "digital.example"
NEW = "smirnova@digital.example"
PASSWORD = "new-password-1"


async def test_people_on_another_worker(tmp_path: Path, store_url: str) -> None:
    settings = {**SETTINGS, "security": {"administrators": [IVANOV]}}
    async with (
        World(tmp_path, process=True, store_url=store_url, settings=settings) as world,
        Workers(world) as workers,
    ):
        here, there = workers.pids
        ivanov = await workers.log_in(here, IVANOV, "desk")
        petrova = await workers.log_in(there, PETROVA, "phone")
        await ivanov.presence_of(petrova.full)
        online = told(await run(ivanov, "get-online-users-list", DOMAIN, max_items="none"))
        assert online["onlineuserjids"] == [IVANOV, PETROVA]
        assert told(await run(ivanov, "user-stats", DOMAIN, accountjid=PETROVA))["onlineresources"] == [
            "phone"
        ]
        last = told(await run(ivanov, "get-user-lastlogin", DOMAIN, accountjids=[PETROVA]))
        assert last["lastlogin"][0].endswith("Z")
        assert is_done(await run(ivanov, "announce", DOMAIN, announcement="Внимание"))
        for client in (ivanov, petrova):
            await client.message("Внимание")
        assert is_done(await run(ivanov, "set-motd", DOMAIN, motd="Пятница"))
        for client in (ivanov, petrova):
            await client.message("Пятница")
        assert is_done(await run(ivanov, "end-user-session", DOMAIN, accountjids=[PETROVA]))
        assert find(await petrova.receive("stream:error"), "streams:policy-violation") is not None
        await ivanov.presence_of(petrova.full, "unavailable")
        # A worker knows at once what was done on another.
        added = await run(
            ivanov, "add-user", DOMAIN, accountjid=NEW, password=PASSWORD, password__verify=PASSWORD
        )
        assert is_done(added)
        newcomer = await workers.connected(there, NEW)
        await newcomer.authenticate(PASSWORD)
        await newcomer.open()
        await newcomer.bind()
        assert is_done(await run(ivanov, "disable-user", DOMAIN, accountjids=[NEW]))
        await newcomer.wait_end()
