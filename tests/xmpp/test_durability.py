# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is there after kill -9, and on either engine; and no password is in the trace."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest

from tests.world import IVANOV, PASSWORD, PETROVA, World
from tests.xmpp.client import Client, chat, text

ARCHIVE = "<query xmlns='urn:xmpp:mam:2'/>"
BODY = "mam:result/forward:forwarded/c:message/c:body"


async def online(world: World, jid: str, resource: str = "") -> Client:
    client = await Client(world, jid, resource).log_in()
    return await client.go_online()


async def test_acknowledged_messages_survive_a_kill(tmp_path: Path) -> None:
    async with World(tmp_path, process=True) as world:
        ivanov = await online(world, IVANOV)
        await ivanov.enable_sm()
        ivanov.send("".join(chat(PETROVA, f"n{number}") for number in range(20)))
        ivanov.send("<r xmlns='urn:xmpp:sm:3'/>")
        assert (await ivanov.receive("sm:a")).get("h") == "20"
        await world.restart()
        await ivanov.disconnect()
        petrova = await Client(world, PETROVA).log_in()
        petrova.send("<presence/>")
        received = [text(await petrova.message(), "c:body") for _ in range(20)]
        assert received == [f"n{number}" for number in range(20)]
        for client in (petrova, await online(world, IVANOV)):
            await client.iq(ARCHIVE, "set")
            kept = [text(await client.message(), BODY) for _ in range(20)]
            assert kept == [f"n{number}" for number in range(20)]
            await client.disconnect()


async def test_shutdown_keeps_what_a_client_has_not_acknowledged(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        ivanov, petrova = await online(world, IVANOV), await online(world, PETROVA, "phone")
        await petrova.enable_sm()
        await petrova.disconnect()
        ivanov.send(chat(PETROVA, "on its way"))
        await ivanov.settle()
        await world.stop()
        await ivanov.disconnect()
        await world.start()
        again = await Client(world, PETROVA, "phone").log_in()  # so the session that waits ends
        again.send("<presence/>")
        kept = await again.message("on its way")
        assert kept.get("from") == ivanov.full and kept.find("{urn:xmpp:delay}delay") is not None
        await again.disconnect()


async def test_chat_and_archive_on_each_engine(tmp_path: Path, store_url: str) -> None:
    async with World(tmp_path, store_url=store_url) as world:
        ivanov, petrova = await online(world, IVANOV), await online(world, PETROVA)
        ivanov.send(chat(PETROVA, "1") + chat(PETROVA, "2"))
        await petrova.message("2")
        item = "<item jid='friend@finance.example' name='Друг'/>"
        query = f"<query xmlns='jabber:iq:roster'>{item}</query>"
        assert (await petrova.iq(query, "set")).get("type") == "result"
        await petrova.disconnect()
        await ivanov.presence_of(petrova.full, "unavailable")
        ivanov.send(chat(PETROVA, "3"))
        await ivanov.settle()
        again = await Client(world, PETROVA).log_in()
        again.send("<presence/>")
        await again.message("3")
        again.stanzas.clear()
        await again.iq(ARCHIVE, "set")
        assert [text(await again.message(), BODY) for _ in range(3)] == ["1", "2", "3"]
        for client in (ivanov, again):
            await client.disconnect()


async def test_the_trace_shows_no_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = base64.b64encode(f"\0{IVANOV}\0{PASSWORD}".encode()).decode()
    with caplog.at_level(logging.DEBUG):
        async with World(tmp_path, settings={"log": {"trace": ("xmpp",), "level": "debug"}}) as world:
            ivanov = await online(world, IVANOV, "traced")
            await ivanov.close()
    shown = "\n".join(f"{record.getMessage()} {vars(record).get('fields', '')}" for record in caplog.records)
    assert "traced" in shown
    assert secret not in shown
