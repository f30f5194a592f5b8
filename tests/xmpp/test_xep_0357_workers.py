# SPDX-License-Identifier: Apache-2.0
"""Push and archive preferences where two workers serve: what one is told, the other goes by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.world import IVANOV, PETROVA
from tests.xmpp.client import NAMESPACES, chat
from tests.xmpp.test_xep_0114_components import SETTINGS as COMPONENT_SETTINGS
from tests.xmpp.test_xep_0114_components import BotWorld, Component, connected
from tests.xmpp.test_xep_0357 import enable, fields, published
from tests.xmpp.workers import SETTINGS, Workers


@pytest.fixture
async def world(tmp_path: Path, store_url: str) -> AsyncIterator[BotWorld]:
    settings = SETTINGS | {
        "federation": COMPONENT_SETTINGS["federation"],
        "xmpp": SETTINGS["xmpp"] | {"push_summary": "body"},
    }
    async with BotWorld(tmp_path, process=True, store_url=store_url, settings=settings) as world:
        yield world


@pytest.fixture
async def service(world: BotWorld) -> AsyncIterator[Component]:
    async with AsyncExitStack() as stack:
        yield await connected(world, stack)


async def test_what_one_worker_is_told_the_other_goes_by(world: BotWorld, service: Component) -> None:
    async with Workers(world) as workers:
        first, second = workers.pids
        ivanov = await workers.log_in(first, IVANOV, "desk")
        phone = await workers.log_in(second, PETROVA, "phone")
        await phone.iq(enable(), "set")
        ivanov.send(chat(PETROVA, "archived"))
        message = await phone.message("archived")
        assert message.find("sid:stanza-id", NAMESPACES) is not None
        never = "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>"
        assert (await phone.iq(never, "set")).get("type") == "result"
        async with asyncio.timeout(30):  # the other worker hears of it a moment later
            while message.find("sid:stanza-id", NAMESPACES) is not None:
                ivanov.send(chat(PETROVA, "again"))
                message = await phone.message("again")
        await phone.enable_sm()
        await phone.disconnect()
        ivanov.send(chat(PETROVA, "asleep"))
        async with asyncio.timeout(60):  # told at once, or when the worker sees that the stream has ended
            while fields(await published(service))["last-message-body"] != "asleep":
                continue  # "again", if the stream had ended before its turn came
