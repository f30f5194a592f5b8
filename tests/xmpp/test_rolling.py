# SPDX-License-Identifier: Apache-2.0
"""A rolling restart under load: fifty people talk in a room, and nobody misses or repeats a word."""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from contextlib import AsyncExitStack
from pathlib import Path
from xml.etree.ElementTree import Element

from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import NAMESPACES, TIMEOUT, Client, chat
from tests.xmpp.resuming import Counter
from tests.xmpp.rooms import INSTANT, ROOM, entry, say
from tests.xmpp.workers import SETTINGS, children, roll

PEOPLE = 50
PATIENCE = 120.0
RETRY = 0.05
PACE = 0.2


class Talker(Counter):
    """Talks in the room, and resumes whenever its stream has ended. `heard` are bodies from the room.

    Whatever it says there it also whispers to its neighbour; `told` are such bodies.
    """

    def __init__(self, world: World, jid: str, resource: str) -> None:
        super().__init__(world, jid, resource)
        self.heard: list[str] = []
        self.told: list[str] = []
        self.said: list[str] = []
        self.neighbour: Talker
        self.resumptions = 0
        self._sent: list[str] = []  # stanzas since stream management was enabled

    async def begin(self) -> None:
        await self.log_in()
        await self.enable_sm()
        self._say("<presence/>")
        self._say(entry(self.resource))
        await self.presence_of(f"{ROOM}/{self.resource}")

    def _say(self, stanza: str) -> None:
        self._sent.append(stanza)
        self.send(stanza)

    async def talk(self, is_over: asyncio.Event) -> None:
        """One word after the other until it is over, each when the last one has come back."""
        while not is_over.is_set() or len(self.said) < 3:
            body = f"{self.resource} {len(self.said)}"
            self.said.append(body)
            self._say(chat(self.neighbour.full, body))
            self._say(say(body))
            await self.hear(body)
            await asyncio.sleep(PACE)

    async def hear(self, body: str) -> None:
        """Waits for those words, resuming as often as needed."""
        while body not in self.heard:
            try:
                is_there = await self._fill()
            except ConnectionError:
                is_there = False
            self._look()
            if not is_there:
                await self._resume()

    async def hear_all(self, bodies: list[str]) -> None:
        for body in bodies:
            await self.hear(body)

    def _look(self) -> None:
        for stanza in self.stanzas:
            text = stanza.findtext("c:body", None, NAMESPACES)
            assert stanza.get("type") != "error", f"refused: {text}"
            if text and stanza.get("type") == "groupchat":
                self.heard.append(text)
            elif text:
                self.told.append(text)
        self.stanzas.clear()

    async def _resume(self) -> None:
        while True:
            await self.disconnect()
            try:
                await self.connect()
                await self.open()
                answer = await self.take_over(self)
                break
            except (ConnectionError, AssertionError, TimeoutError):
                await asyncio.sleep(RETRY)  # that worker stops just now
        self.resumptions += 1
        for stanza in self._sent[int(answer.get("h", "")) :]:
            self.send(stanza)
        self._look()


async def archived(client: Client) -> list[str]:
    """All bodies in the room's archive."""
    found: list[str] = []
    after = ""
    while True:
        rsm = f"<set xmlns='http://jabber.org/protocol/rsm'><max>100</max>{after}</set>"
        answer = await client.iq(f"<query xmlns='urn:xmpp:mam:2'>{rsm}</query>", "set", ROOM)
        path = "mam:result/forward:forwarded/c:message/c:body"
        found += [body.text or "" for stanza in client.stanzas for body in stanza.iterfind(path, NAMESPACES)]
        client.stanzas.clear()
        fin: Element | None = answer.find("mam:fin", NAMESPACES)
        assert fin is not None
        if fin.get("complete") == "true":
            return found
        after = f"<after>{fin.findtext('rsm:set/rsm:last', '', NAMESPACES)}</after>"


async def test_nobody_misses_or_repeats_a_word(tmp_path: Path) -> None:
    async with (
        World(tmp_path, process=True, settings=SETTINGS) as world,
        AsyncExitStack() as stack,
        asyncio.timeout(PATIENCE),
    ):
        jids = (IVANOV, PETROVA, SIDOROV)
        talkers = [Talker(world, jids[place % 3], f"n{place}") for place in range(PEOPLE)]
        for talker in talkers:
            stack.push_async_exit(talker)
            await talker.begin()
            if talker is talkers[0]:
                await talker.iq(INSTANT, "set", ROOM)
                talker._sent.append("")  # the question has been answered
        for place, talker in enumerate(talkers):
            talker.neighbour = talkers[place - 1]
        is_over = asyncio.Event()
        talks = [asyncio.create_task(talker.talk(is_over)) for talker in talkers]
        before = children(world.pid)
        await roll(world)
        assert not set(before) & set(children(world.pid))
        is_over.set()
        await asyncio.gather(*talks)
        everything = [body for talker in talkers for body in talker.said]
        last = talkers[0]
        last._say(say("that is all"))
        await asyncio.gather(*(talker.hear("that is all") for talker in talkers))
        assert all(talker.resumptions for talker in talkers)
        order = talkers[0].heard
        for talker in talkers:
            twice = [body for body, count in Counts(talker.heard).items() if count > 1]
            assert not twice
            own = talker.heard.index(talker.said[0])
            assert set(talker.said) <= set(talker.heard)
            assert sorted(talker.neighbour.told) == sorted(talker.said)
            assert talker.heard[own:] == order[order.index(talker.said[0]) :]
        reader = Talker(world, IVANOV, "reader")  # the others' streams may be ending with the last old worker
        stack.push_async_exit(reader)
        await reader.log_in()
        async with asyncio.timeout(TIMEOUT):
            kept = await archived(reader)
        assert sorted(kept) == sorted([*everything, "that is all"])


async def test_sessions_outlive_all_workers_at_once(tmp_path: Path) -> None:
    async with World(tmp_path, process=True, settings=SETTINGS) as world, AsyncExitStack() as stack:
        jids = (IVANOV, PETROVA, SIDOROV)
        talkers = [Talker(world, jids[place % 3], f"n{place}") for place in range(6)]
        for talker in talkers:
            stack.push_async_exit(talker)
            await talker.begin()
            if talker is talkers[0]:
                await talker.iq(INSTANT, "set", ROOM)
                talker._sent.append("")
        await world.stop()
        await world.start()
        for talker in talkers:
            talker._say(say(f"{talker.resource} is back"))
        words = [f"{talker.resource} is back" for talker in talkers]
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(talker.hear_all(words) for talker in talkers))
        assert [talker.resumptions for talker in talkers] == [1] * len(talkers)
        assert [sorted(talker.heard) for talker in talkers] == [words] * len(talkers)
