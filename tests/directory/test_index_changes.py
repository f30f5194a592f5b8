# SPDX-License-Identifier: Apache-2.0
"""The index while much changes at once, while it is read anew, and when reading fails or is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from armgs_server.directory import people, structure
from armgs_server.directory.candidates import Has, candidates
from armgs_server.directory.index import Index
from armgs_server.directory.index_block import BLOCK
from armgs_server.directory.index_contents import Listed
from armgs_server.directory.people import Change
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace
from tests.directory.test_index import found


class _Slow(Index):
    """Reads changes from the store when it is let."""

    def __init__(self, workplace: Workplace) -> None:
        super().__init__(workplace.directory)
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def read(self, ids: Sequence[int]) -> list[Listed]:
        self.reached.set()
        await self.go_on.wait()
        return await super().read(ids)


async def test_a_change_outlives_a_search_that_is_given_up(workplace: Workplace) -> None:
    index = _Slow(workplace)
    await index.refresh()
    person = await workplace.directory.create_person("orlova@digital.example", "Орлова Вера")
    asking = asyncio.create_task(index.refresh())
    await index.reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    index.go_on.set()
    assert await found(index, Has("орлова в")) == [person.id]
    index.close()


async def test_who_asks_while_a_change_is_read_waits_for_it(workplace: Workplace) -> None:
    index = _Slow(workplace)
    await index.refresh()
    person = await workplace.directory.create_person("orlova@digital.example", "Орлова Вера")
    first = asyncio.create_task(index.refresh())
    await index.reached.wait()
    second = asyncio.create_task(found(index, Has("орлова в")))
    await asyncio.sleep(0)
    index.go_on.set()
    assert await second == [person.id]
    await first
    index.close()


async def test_what_changes_while_it_is_read_is_read_again(workplace: Workplace) -> None:
    directory, index = workplace.directory, _Slow(workplace)
    person = await directory.create_person("orlova@digital.example", "Орлова Вера")
    await index.refresh()
    await directory.update(person.id, Change(name="Чехова Вера"))
    asking = asyncio.create_task(index.refresh())
    await index.reached.wait()
    index.reached.clear()
    index._on_change(b"%d" % person.id)  # what the bus says of a change behind the one that is read
    index.go_on.set()
    await asking
    assert index.reached.is_set()
    index.close()


async def test_the_lead_is_handed_over_to_somebody_older(workplace: Workplace) -> None:
    """In one transaction, and the new head has the lower number."""
    directory, index = workplace.directory, Index(workplace.directory)
    digital = workplace.digital.id
    unit = await directory.create_unit(digital, "Отдел кадров")
    after = await directory.create_person("first@digital.example", "Первый", unit=unit.id)
    before = await directory.create_person("second@digital.example", "Второй", unit=unit.id, head=True)
    await index.refresh()
    assert index.leader(digital, unit.id) == await directory.by_id(before.id)

    async def work(tx: Tx) -> None:
        await people.update(tx, before.id, Change(head=False))
        await people.update(tx, after.id, Change(head=True))

    await directory.store.write(work)
    await index.refresh()
    leader = index.leader(digital, unit.id)
    assert leader is not None
    assert leader.id == after.id
    index.close()


async def test_of_two_heads_the_other_remains(workplace: Workplace) -> None:
    directory, index = workplace.directory, Index(workplace.directory)
    digital = workplace.digital.id
    unit = await directory.create_unit(digital, "Отдел кадров")
    first = await directory.create_person("first@digital.example", "Первый", unit=unit.id, head=True)
    second = await directory.create_person("second@digital.example", "Второй", unit=unit.id, head=True)
    for away, remains in ((first, second), (second, None)):
        await index.refresh()
        await directory.update(away.id, Change(head=False))
        await index.refresh()
        leader = index.leader(digital, unit.id)
        assert (leader and leader.id) == (remains and remains.id)
    index.close()


async def test_a_new_unit_of_somebody_older(workplace: Workplace) -> None:
    """Both told of at once: the person's text holds the unit's name, which is read behind it."""
    directory, index = workplace.directory, Index(workplace.directory)
    await index.refresh()

    async def work(tx: Tx) -> int:
        unit = await structure.create_unit(tx, workplace.digital.id, "Отдел кадров", 0, "", {})
        await people.update(tx, workplace.orlov.id, Change(unit=unit.id))
        return unit.id

    unit = await directory.store.write(work)
    assert set(await found(index, Has("отдел кадров"))) == {unit, workplace.orlov.id}
    index.close()


async def test_a_search_goes_on_while_the_index_is_read_anew(workplace: Workplace) -> None:
    directory, index = workplace.directory, Index(workplace.directory)

    async def work(tx: Tx) -> list[int]:
        names = (f"Участок {number}" for number in range(2 * BLOCK))
        return [(await structure.create_unit(tx, workplace.digital.id, name, 0, "", {})).id for name in names]

    units = await directory.store.write(work)
    await index.refresh()
    parts = candidates(index, Has("участок"), -1)
    seen = [line.id for _, line in next(parts)]
    index._on_gap()
    reading = asyncio.create_task(index.refresh())
    await asyncio.sleep(0)
    seen += [line.id for part in parts for _, line in part]
    assert seen == units
    await reading
    assert await found(index, Has("участок")) == units
    index.close()


class _Counted(Index):
    loads = 0

    async def _load(self) -> None:
        self.loads += 1
        await super()._load()


async def test_a_gap_while_it_is_read_is_not_forgotten(workplace: Workplace) -> None:
    index = _Counted(workplace.directory)
    reading = asyncio.create_task(index.refresh())
    await asyncio.sleep(0)
    index._on_gap()
    await reading
    assert index.loads == 2
    index.close()
