# SPDX-License-Identifier: Apache-2.0
"""rules/absence.py and away.py: said once, mail answers by it and the calendar is busy."""

from __future__ import annotations

import pytest

from armgs_server.errors import Invalid
from armgs_server.formats import icalendar
from armgs_server.rules.away import clear_absence, event, set_absence
from armgs_server.storage import Store, absences, accounts, calindex, clock, collections, traces
from armgs_server.storage.absences import Absence
from armgs_server.storage.calindex import Window
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Row, Tx
from tests.rules.office import OUTSIDER, message, person_id, put_script, queued, send, wait_for
from tests.world import IVANOV, PETROVA, SIDOROV, World


async def go(world: World, *, inside: str = "Inside", outside: str = "Outside", days: int = 7) -> int:
    owner, now = await person_id(world), clock.now()
    deputy = await person_id(world, SIDOROV)
    absence = Absence(owner, now - clock.HOUR, now + days * clock.DAY, inside, outside, deputy)
    await set_absence(world.store, absence, now)
    return owner


async def busy(store: Store, owner: int) -> list[Row]:
    """What free-busy reads of the default calendar."""

    async def work(tx: Tx) -> list[Row]:
        calendar = await collections.by_role(tx, owner, "calendar", "default")
        assert calendar is not None
        day = clock.now(), clock.now() + clock.DAY
        return await calindex.busy(tx, owner, calendar.id, Window(*day, *day))

    return await store.read(work)


async def test_colleagues_and_others_are_told_different_things_once(world: World) -> None:
    await go(world)
    for _ in range(2):
        await send(world, message(From=IVANOV), sender=IVANOV)
        await send(world, message())
    [answer] = await wait_for(world, IVANOV, "INBOX")
    assert b"Auto-Submitted: auto-replied\r\n" in answer
    text = answer.partition(b"\r\n\r\n")[2]
    assert text == b"Inside\r\n\r\nSidorov Sergey <sidorov@finance.example>\r\n"
    [(sender, recipient, other)] = [row for row in await queued(world) if row[1] == OUTSIDER]
    assert (sender, recipient) == ("", OUTSIDER)
    assert b"Outside" in other


async def test_others_may_be_told_nothing(world: World) -> None:
    await go(world, outside="")
    await send(world, message())
    assert await queued(world) == []


async def test_a_script_that_answers_goes_before(world: World) -> None:
    await go(world)
    await put_script(world, 'require "vacation"; vacation "By my rules";')
    await send(world, message())
    [(_, _, answer)] = await queued(world)
    assert b"By my rules" in answer


async def test_the_calendar_shows_it_until_it_is_cleared(world: World) -> None:
    owner = await go(world)
    [row] = await busy(world.store, owner)
    assert "BUSY" in row
    await go(world, days=3)  # another one is instead of it
    assert len(await busy(world.store, owner)) == 1
    assert await clear_absence(world.store, owner)
    assert await busy(world.store, owner) == []
    assert not await clear_absence(world.store, owner)
    await send(world, message())
    assert await queued(world) == []


async def test_before_and_after_nothing_is_said(world: World) -> None:
    owner, now = await person_id(world), clock.now()
    later = Absence(owner, now + clock.DAY, now + 2 * clock.DAY, "x", "x")
    await set_absence(world.store, later, now)
    await send(world, message())
    assert await queued(world) == []


async def test_what_is_no_absence(world: World) -> None:
    owner, now = await person_id(world), clock.now()
    for starts, ends, text in (
        (now, now, "x"),
        (now + 5, now, "x"),
        (now - 9, now - 5, "x"),
        (now, now + 1000 * clock.DAY, "x"),
        (now, now + clock.DAY, "x" * 10_001),
    ):
        with pytest.raises(Invalid):
            await set_absence(world.store, Absence(owner, starts, ends, text, ""), now)


def test_the_event_is_one() -> None:
    found = icalendar.check(event(Absence(7, clock.now(), clock.now() + clock.DAY, "", ""), clock.now()))
    assert found.uid == "absence-7"


async def account(store: Store) -> Collection:
    await store.write(lambda tx: accounts.provision(tx, 5))
    calendar = await store.read(lambda tx: collections.by_role(tx, 5, "calendar", "default"))
    assert calendar is not None
    return calendar


async def test_the_store_on_both_engines(store: Store) -> None:
    """storage/absences.py, traces.py"""
    await account(store)
    now = clock.now()
    absence = Absence(5, now, now + clock.HOUR, "a", "b", 9)
    await set_absence(store, absence, now)
    assert await store.read(lambda tx: absences.of(tx, 5)) == absence
    assert await store.read(lambda tx: absences.of_many(tx, [4, 5])) == {5: absence}
    assert absence.is_now(now) and not absence.is_now(now + clock.HOUR)
    assert len(await busy(store, 5)) == 1
    await clear_absence(store, 5)
    assert await store.read(lambda tx: absences.of(tx, 5)) is None

    assert await store.write(lambda tx: traces.leave(tx, 5, "vacation", "k", now + 100, now))
    assert not await store.write(lambda tx: traces.leave(tx, 5, "vacation", "k", now + 200, now))
    assert await store.write(lambda tx: traces.leave(tx, 5, "vacation", "k", now + 300, now + 150))
    assert await store.write(lambda tx: traces.leave(tx, 5, "vacation", "k", now + 400, now, again=True))
    assert await store.read(lambda tx: traces.is_there(tx, 5, "vacation", "k", now + 399))
    assert await store.read(lambda tx: traces.count(tx, 5, "vacation", now, 10)) == 1
    assert await store.write(lambda tx: traces.expire(tx, now + 400)) == 1
    assert not await store.read(lambda tx: traces.is_there(tx, 5, "vacation", "k", now))


async def test_an_absence_is_somebodys(world: World) -> None:
    """Whoever is deleted is away no longer."""
    owner = await go(world)
    assert await world.directory.by_address(PETROVA) is not None
    await world.directory.delete(owner)
    assert await world.store.read(lambda tx: absences.of(tx, owner)) is None
