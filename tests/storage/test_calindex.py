# SPDX-License-Identifier: Apache-2.0
"""The index of calendar objects on both engines: ranges, long and floating times, the moving window."""

from __future__ import annotations

from datetime import datetime

import pytest

from armgs_server.errors import AlreadyExists
from armgs_server.formats.icalendar import check
from armgs_server.formats.icalendar_values import to_micros
from armgs_server.storage import Store, accounts, calindex, calindex_window, collections, items, transfer
from armgs_server.storage.calindex import Window
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from tests.dav.calendars import calendar, component, event

OWNER = 7
NOW = to_micros(datetime(2026, 11, 22), None)


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return to_micros(datetime(year, month, day, hour), None)


def window(start: int, end: int, offset: int = 0) -> Window:
    """`offset` in hours: of the zone in which floating times are meant."""
    return Window(start, end, start + offset * 3_600_000_000, end + offset * 3_600_000_000)


@pytest.fixture
async def work_calendar(store: Store) -> Collection:
    async def work(tx):  # type: ignore[no-untyped-def]
        await accounts.provision(tx, OWNER, 0)
        return await collections.by_role(tx, OWNER, "calendar", "default")

    found: Collection = await store.write(work)
    return found


async def add(store: Store, target: Collection, name: str, data: bytes) -> Item:
    ref = store.blobs.small(data)
    made = calindex.entry(check(data), NOW)

    async def work(tx):  # type: ignore[no-untyped-def]
        item = await items.add(tx, target, ref, name=name)
        await calindex.put(tx, item, made)
        return item

    item: Item = await store.write(work)
    return item


async def found(store: Store, target: Collection, wanted: Window) -> tuple[list[int], list[int]]:
    answer = await store.read(lambda tx: calindex.in_range(tx, target.owner, target.id, wanted))
    return answer.uids, answer.unknown


async def test_ranges(store: Store, work_calendar: Collection) -> None:
    hour = await add(store, work_calendar, "a", event("a", "20261110T100000Z", "DURATION:PT1H"))
    month = await add(store, work_calendar, "b", event("b", "20261101T000000Z", "DTEND:20261201T000000Z"))
    series = await add(store, work_calendar, "c", event("c", "20200107T090000Z", "RRULE:FREQ=WEEKLY"))
    task = await add(store, work_calendar, "d", calendar(component("VTODO", "d")))
    day = window(at(2026, 11, 10), at(2026, 11, 11))
    assert await found(store, work_calendar, day) == ([hour.uid, month.uid, series.uid], [task.uid])
    assert await found(store, work_calendar, window(at(2026, 11, 11), at(2026, 11, 12))) == (
        [month.uid],
        [task.uid],
    )
    # Beyond the window that is expanded the series must be asked itself, but not before it begins.
    assert await found(store, work_calendar, window(at(2021, 1, 1), at(2021, 1, 2))) == (
        [],
        [series.uid, task.uid],
    )
    assert await found(store, work_calendar, window(at(2036, 1, 1), at(2036, 1, 2))) == (
        [],
        [series.uid, task.uid],
    )
    assert await found(store, work_calendar, window(at(2019, 1, 1), at(2019, 1, 2))) == ([], [task.uid])
    assert await store.read(lambda tx: calindex.of_component(tx, OWNER, work_calendar.id, "VTODO")) == [
        task.uid
    ]


async def test_floating_times(store: Store, work_calendar: Collection) -> None:
    item = await add(store, work_calendar, "a", event("a", ";VALUE=DATE:20261110"))
    eleven_at_night = window(at(2026, 11, 9, 23), at(2026, 11, 9, 23) + 1)
    assert await found(store, work_calendar, eleven_at_night) == ([], [])
    moscow = window(at(2026, 11, 9, 23), at(2026, 11, 9, 23) + 1, offset=3)
    assert await found(store, work_calendar, moscow) == ([item.uid], [])
    assert await found(
        store, work_calendar, window(at(2026, 11, 10, 22), at(2026, 11, 10, 23), offset=3)
    ) == ([], [])


async def test_replacing_and_removing(store: Store, work_calendar: Collection) -> None:
    item = await add(store, work_calendar, "a", event("a", "20261110T100000Z", "RRULE:FREQ=DAILY;COUNT=30"))
    data = event("a", "20261112T100000Z", "SUMMARY:Once")
    ref = store.blobs.small(data)

    async def replace(tx):  # type: ignore[no-untyped-def]
        await calindex.put(tx, await items.replace(tx, item, ref, ""), calindex.entry(check(data), NOW))

    await store.write(replace)
    november = window(at(2026, 11, 1), at(2026, 12, 1))
    rows = await store.read(lambda tx: calindex.busy(tx, OWNER, work_calendar.id, november))
    assert rows == [(item.uid, at(2026, 11, 12, 10), at(2026, 11, 12, 10), "BUSY", 0)]
    await store.write(lambda tx: items.remove(tx, work_calendar, [item.uid]))
    assert await found(store, work_calendar, november) == ([], [])


async def test_one_item_for_one_uid(store: Store, work_calendar: Collection) -> None:
    item = await add(store, work_calendar, "a", event("same", "20261110T100000Z"))
    with pytest.raises(AlreadyExists):
        await add(store, work_calendar, "b", event("same", "20261110T100000Z"))
    assert await store.read(lambda tx: items.by_name(tx, OWNER, work_calendar.id, "b")) is None
    holder = await store.read(lambda tx: calindex.name_of_holder(tx, OWNER, work_calendar.id, "same"))
    assert holder == item.name
    with pytest.raises(AlreadyExists):
        await store.write(
            lambda tx: calindex.put(tx, item, calindex.entry(check(event("other", "20261110"))))
        )


async def test_a_copy_brings_its_instances(store: Store, work_calendar: Collection) -> None:
    item = await add(store, work_calendar, "a", event("a", "20261110T100000Z", "RRULE:FREQ=DAILY;COUNT=3"))

    async def copy(tx):  # type: ignore[no-untyped-def]
        second = await collections.create(tx, OWNER, "calendar", "second")
        return second, await transfer.copy(tx, [item], second)

    second, copied = await store.write(copy)
    wanted = window(at(2026, 11, 12), at(2026, 11, 13))
    assert await found(store, second, wanted) == ([copied[0].uid], [])


async def test_the_window_moves_along(store: Store, work_calendar: Collection) -> None:
    for number in range(3):
        rule = f"RRULE:FREQ=WEEKLY;INTERVAL={number + 1}"
        await add(store, work_calendar, str(number), event(str(number), "20200107T090000Z", rule))
    await add(store, work_calendar, "once", event("once", "20261110T100000Z"))
    hundred_days = 100 * calindex.DAY
    assert await calindex_window.extend(store, NOW) == 0
    assert await calindex_window.extend(store, NOW + hundred_days) == 3
    assert await calindex_window.extend(store, NOW + hundred_days) == 0
    late = window(at(2029, 2, 1), at(2029, 2, 14))
    uids, unknown = await found(store, work_calendar, late)
    assert len(uids) >= 2 and unknown == []


async def test_bombs_are_cut_and_asked_on_demand(store: Store, work_calendar: Collection) -> None:
    item = await add(store, work_calendar, "a", event("a", "20261122T000000Z", "RRULE:FREQ=MINUTELY"))
    rows = await store.read(lambda tx: tx.value("SELECT COUNT(*) FROM instance WHERE owner = ?", OWNER))
    assert rows == calindex.MAX_INSTANCES
    assert await found(store, work_calendar, window(at(2026, 12, 24), at(2026, 12, 25))) == ([], [item.uid])
    assert await calindex_window.extend(store, NOW) == 1
