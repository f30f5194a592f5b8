# SPDX-License-Identifier: Apache-2.0
"""The journal of log-ins: what it keeps, what it leaves out, and how it stays small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.directory.logins import Logins
from armgs_server.errors import Denied
from armgs_server.storage import Store, clock, logins
from armgs_server.storage.logins import Login
from armgs_server.storage.tx import Tx
from tests.world import IVANOV, PASSWORD, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


async def ivanov(world: World) -> int:
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    return person.id


async def journal(world: World, person: int) -> list[Login]:
    await world.directory.auth.logins.flush()
    return await world.store.read(lambda tx: logins.of(tx, person, 1000))


async def test_who_was_let_in_and_who_was_refused(world: World) -> None:
    person, auth = await ivanov(world), world.directory.auth
    for _ in range(3):
        await auth.login("imap", "192.0.2.1", True, IVANOV, PASSWORD)
    await auth.login("imap", "192.0.2.2", True, IVANOV, PASSWORD)
    for number in range(2):
        with pytest.raises(Denied):
            await auth.login("smtp", "198.51.100.7", True, IVANOV, f"wrong {number}")
    with pytest.raises(Denied):
        await auth.login("imap", "198.51.100.7", True, "nobody@digital.example", "wrong")
    seen = {(each.service, each.peer, each.admitted, each.times) for each in await journal(world, person)}
    assert seen == {
        ("imap", "192.0.2.1", 1, 1),
        ("imap", "192.0.2.2", 1, 1),
        ("smtp", "198.51.100.7", 0, 2),
    }
    parts = await world.store.read(lambda tx: logins.connected(tx, person))
    assert list(parts) == ["mail"]
    await world.directory.disable(person)
    with pytest.raises(Denied):
        await auth.login("pop3", "192.0.2.3", True, IVANOV, PASSWORD)
    assert (await journal(world, person))[0][2:6] == ("pop3", "password", "192.0.2.3", 0)
    await world.directory.delete(person)
    assert await journal(world, person) == []


async def test_it_is_written_by_itself(world: World) -> None:
    person = await ivanov(world)
    await world.directory.auth.login("imap", "192.0.2.1", True, IVANOV, PASSWORD)
    async with asyncio.timeout(30):
        while not await world.store.read(lambda tx: logins.of(tx, person, 10)):
            await asyncio.sleep(0.05)


async def test_a_flood_of_guesses_stays_small(world: World) -> None:
    person = await ivanov(world)
    kept = world.directory.auth.logins
    for number in range(logins.REFUSED_LIMIT + 50):
        kept.note(person, "imap", "password", f"2001:db8::{number:x}", admitted=False)
    found = await journal(world, person)
    assert len(found) == logins.REFUSED_LIMIT + 1
    assert sum(each.times for each in found) == logins.REFUSED_LIMIT + 50
    assert [each.times for each in found if not each.peer] == [50]


async def test_days_end(store: Store) -> None:
    now = clock.now()

    async def work(tx: Tx) -> list[Login]:
        await tx.execute(
            "INSERT INTO principal (id, kind, address, name, department, unit, post, head, disabled, data)"
            " VALUES (7, 'person', 'a@b', 'A', 1, 0, '', 0, 0, '{}')"
        )
        for day in (1, 2, 3):
            at = now - day * clock.DAY
            await logins.add(tx, [Login(7, at // clock.DAY, "imap", "PLAIN", "::1", 1, at, at, 1)])
        await logins.expire(tx, now - 2 * clock.DAY)
        return await logins.of(tx, 7, 10)

    assert [each.day for each in await store.write(work)] == [now // clock.DAY - day for day in (1, 2)]


async def test_nothing_is_kept_of_nobody(store: Store) -> None:
    kept = Logins(store)
    kept.note(1, "imap", "PLAIN", "::1", admitted=True)
    await kept.close()  # nobody has this number: nothing is kept of who has been deleted
    assert await store.read(lambda tx: logins.of(tx, 1, 10)) == []
