# SPDX-License-Identifier: Apache-2.0
"""Two workplaces talk to each other: messages, presence, rooms, archive, events, over real streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.world import IVANOV, PETROVA, World
from tests.xmpp.client import Client, chat, error_of, find, text
from tests.xmpp.federation import SMIRNOV, Authority, Workplace, workplaces


class Pair:
    """Both worlds, and clients that are ended with the test."""

    def __init__(self, stack: AsyncExitStack, ours: Workplace, theirs: Workplace) -> None:
        self._stack = stack
        self.ours = ours
        self.theirs = theirs

    async def log_in(self, jid: str, resource: str = "", *, online: bool = True) -> Client:
        world: World = self.ours if jid.rpartition("@")[2] in self.ours.domains else self.theirs
        client = await self._stack.enter_async_context(Client(world, jid, resource))
        await client.log_in()
        return await client.go_online() if online else client


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def pair(tmp_path: Path, authority: Authority) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        ours, theirs = workplaces(tmp_path, authority)
        await stack.enter_async_context(ours)
        await stack.enter_async_context(theirs)
        yield Pair(stack, ours, theirs)


async def test_messages_go_both_ways(pair: Pair) -> None:
    ivanov = await pair.log_in(IVANOV, "office")
    smirnov = await pair.log_in(SMIRNOV, "desk")
    ivanov.send(chat(SMIRNOV, "Добрый день", id_="m1"))
    message = await smirnov.message("Добрый день")
    assert message.get("from") == ivanov.full and message.get("id") == "m1"
    smirnov.send(chat(ivanov.full, "И вам"))
    assert (await ivanov.message("И вам")).get("from") == smirnov.full
