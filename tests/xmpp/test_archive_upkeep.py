# SPDX-License-Identifier: Apache-2.0
"""Old messages leave the archives when their department says so; words are indexed unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from armgs_server.directory import Change
from armgs_server.storage import archive, archive_search, clock, fulltext
from armgs_server.xmpp.archive_upkeep import SLICE, ArchiveUpkeep, days_of
from armgs_server.xmpp.service import XmppService
from tests.world import IVANOV, SIDOROV, World

DAY = clock.DAY


def upkeep(world: World) -> ArchiveUpkeep:
    xmpp = next(each for each in world.daemon._services if isinstance(each, XmppService))
    return xmpp.archives


async def fill(world: World, address: str, ages: list[int]) -> int:
    """Messages so many days old; the owner."""
    person = await world.directory.by_address(address)
    assert person is not None
    for age in ages:
        stanza = f"<message xmlns='jabber:client'><body>день {age}</body></message>".encode()
        sent = clock.now() - age * DAY
        await world.store.write(
            lambda tx, stanza=stanza, sent=sent: archive.append(
                tx, person.id, "a@b.example", "", stanza, sent
            )
        )  # type: ignore[misc]
    return person.id


async def left(world: World, owner: int) -> int:
    return await world.store.read(lambda tx: archive.count(tx, owner, archive.ArchiveQuery()))


@pytest.mark.parametrize("days", [0, 30])
async def test_each_department_keeps_chat_as_long_as_it_must(tmp_path: Path, days: int) -> None:
    async with World(tmp_path, settings={"xmpp": {"archive_days": days}}) as world:
        ivanov, sidorov = await fill(world, IVANOV, [100, 20, 1]), await fill(world, SIDOROV, [100, 20, 1])
        finance = await world.directory.by_address("finance.example")
        assert finance is not None
        await world.directory.update(finance.id, Change(data={"archive_days": 10}))
        assert await upkeep(world).index() == 0  # nobody has searched yet
        assert await archive_search.catch_up(world.store, sidorov, 1)
        await fill(world, SIDOROV, [2])
        assert await upkeep(world).index() == 2  # it goes back to the one with the older date
        assert await upkeep(world).expire() == (3 if days else 2)
        assert (await left(world, ivanov), await left(world, sidorov)) == (2 if days else 3, 2)
        condition, values = fulltext.condition("id", sidorov, fulltext.CHAT, fulltext.parse_query("день"))
        found = await world.store.read(
            lambda tx: tx.rows(f"SELECT id FROM archive WHERE {condition}", *values)
        )
        assert len(found) == 2
        assert (await upkeep(world).index(), await upkeep(world).expire()) == (0, 0)


async def test_more_than_a_slice(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"xmpp": {"archive_days": 5}}) as world:
        owner = await fill(world, IVANOV, [9] * (SLICE + 3))
        assert await upkeep(world).expire() == SLICE + 3
        assert await left(world, owner) == 0


async def test_what_a_department_may_say(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        department = await world.directory.by_address("digital.example")
        assert department is not None
        for value, days in (("7", 7), (7, 7), ("for ever", 3), (None, 3), (-1, 3), (0, 0)):
            department.data["archive_days"] = value
            assert days_of(department, 3) == days
