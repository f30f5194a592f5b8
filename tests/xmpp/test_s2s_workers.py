# SPDX-License-Identifier: Apache-2.0
"""Two workers: what other servers and components say reaches everybody, whichever process they came to."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.world import HOST, IVANOV, PETROVA
from tests.xmpp.client import Client, chat
from tests.xmpp.federation import SMIRNOV, Authority, workplaces
from tests.xmpp.rooms import create, enter, say
from tests.xmpp.test_xep_0114_components import DOMAIN, SECRET, Component
from tests.xmpp.workers import SETTINGS, Workers

ROOM = "otdel@conference.digital.example"


async def test_people_rooms_and_components_on_two_workers(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    secret = tmp_path / "bot.secret"
    secret.write_text(SECRET)
    components = {"components": [f"{DOMAIN}={secret}"], "component_listen": [HOST]}
    ours, theirs = workplaces(tmp_path, authority, ours=components)
    ours.process = True
    for name, values in SETTINGS.items():
        ours.settings.setdefault(name, {}).update(values)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ours)
        await stack.enter_async_context(theirs)
        workers = await stack.enter_async_context(Workers(ours))
        first, second = workers.pids
        ivanov = await workers.log_in(first, IVANOV, "one")
        petrova = await workers.log_in(second, PETROVA, "two")
        smirnov = await stack.enter_async_context(Client(theirs, SMIRNOV, "desk"))
        await smirnov.log_in()
        await smirnov.go_online()

        for client in (ivanov, petrova):  # each process has a stream of its own to the partner
            client.send(chat(smirnov.full, "от нас"))
            assert (await smirnov.message("от нас")).get("from") == client.full
            smirnov.send(chat(client.full, "от них"))  # comes to either process
            assert (await client.message("от них")).get("from") == smirnov.full

        await create(ivanov, "Ivanov", ROOM)
        await enter(smirnov, "Smirnov", room=ROOM)
        await enter(petrova, "Petrova", room=ROOM)
        petrova.send(say("всем", ROOM))
        for client in (ivanov, smirnov, petrova):
            await client.message("всем")

        component = Component(*await asyncio.open_connection(HOST, ours.ports["component"]))
        stack.push_async_callback(component.close)
        await component.shake_hands()
        assert await component.next() is not None
        for client in (ivanov, petrova):
            client.send(chat(f"a@{DOMAIN}", "боту"))
            message = await component.next()
            assert message is not None and message.get("from") == client.full
            component.send(f"<message from='a@{DOMAIN}' to='{client.full}'><body>от бота</body></message>")
            await client.message("от бота")
