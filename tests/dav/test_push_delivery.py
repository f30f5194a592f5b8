# SPDX-License-Identifier: Apache-2.0
"""What becomes of messages that push services do not take, and of processes that end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from armgs_server.dav.push_delivery import GIVEN_UP, Pusher, retry_after
from armgs_server.storage import clock, web_push
from tests.dav.calendars import CALENDAR, event, put
from tests.dav.conftest import Site
from tests.dav.push_service import PushService
from tests.dav.test_push import ALARM, both, place, register, registered, said

__all__ = ["both", "place"]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_device_that_is_gone(place: tuple[Site, PushService]) -> None:
    site, service = place
    phone, tablet = service.device("phone"), service.device("tablet")
    service.status["/phone"] = "410 Gone"
    service.status["/tablet"] = "404 Not Found"
    await register(site.ivanov, CALENDAR, phone)
    await register(site.ivanov, CALENDAR, tablet)
    await put(site.ivanov, CALENDAR + "one.ics", ALARM)

    async def is_removed() -> bool:
        return await registered(site) == []

    await until(is_removed)
    assert len(service.of(phone)) == len(service.of(tablet)) == 1


async def test_a_push_service_that_fails_for_a_while(both: tuple[Site, PushService]) -> None:
    site, service = both
    phone = service.device("phone")
    service.status["/phone"] = "503 Service Unavailable"
    await register(site.ivanov, CALENDAR, phone)
    await put(site.ivanov, CALENDAR + "one.ics", ALARM)
    await service.wait(phone, 2)
    service.status.clear()
    last = (await service.wait(phone, 3))[-1]
    assert said(phone, last)[1]

    async def is_well() -> bool:
        return [(each.failures, each.failing_since, each.due) for each in await registered(site)] == [
            (0, 0, 0)
        ]

    await until(is_well)


async def test_one_that_is_to_wait_keeps_nobody_else_waiting(place: tuple[Site, PushService]) -> None:
    """What one push service asks for says nothing about the other devices that watch the calendar."""
    site, service = place
    phone, tablet = service.device("phone"), service.device("tablet")
    service.status["/phone"] = "503 Service Unavailable\r\nRetry-After: 3600"
    await register(site.ivanov, CALENDAR, phone)
    await register(site.ivanov, CALENDAR, tablet)
    await put(site.ivanov, CALENDAR + "one.ics", ALARM)

    async def has_failed() -> bool:
        return sorted(each.failures for each in await registered(site)) == [0, 1]

    await until(has_failed)
    await put(site.ivanov, CALENDAR + "two.ics", event("two", "20261201T100000Z"))
    async with asyncio.timeout(10):
        await service.wait(tablet, 2)
    assert len(service.of(phone)) == 1


async def test_a_message_is_tried_so_often(place: tuple[Site, PushService]) -> None:
    site, service = place
    phone = service.device("phone")
    service.status["/phone"] = "500 Internal Server Error"
    await register(site.ivanov, CALENDAR, phone)
    await put(site.ivanov, CALENDAR + "one.ics", ALARM)

    async def is_given_up() -> bool:
        return [each.failures for each in await registered(site)] == [4]

    await until(is_given_up)
    assert len(service.of(phone)) == 4

    # It has failed for days: the next failure is the last.
    async def age(tx):  # type: ignore[no-untyped-def]
        await tx.execute("UPDATE web_push SET failing_since = ?, due = 0", clock.now() - GIVEN_UP - 1)

    await site.store.write(age)
    await put(site.ivanov, CALENDAR + "two.ics", event("two", "20261201T100000Z"))

    async def is_removed() -> bool:
        return await registered(site) == []

    await until(is_removed)


def test_how_long_a_push_service_asks_to_wait() -> None:
    assert retry_after({"retry-after": "120"}) == 120
    for text in ("Wed, 20 Dec 2023 10:03:31 GMT", "", "-1", "²", "9" * 9):
        assert retry_after({"retry-after": text}) == 0
    assert retry_after({}) == 0


async def test_networks_that_are_not_allowed(place: tuple[Site, PushService]) -> None:
    site, service = place
    phone = service.device("phone")
    object.__setattr__(site.core.config.dav, "push_networks", ())
    await register(site.ivanov, CALENDAR, phone)
    await put(site.ivanov, CALENDAR + "one.ics", ALARM)

    async def has_failed() -> bool:
        return [each.failures > 0 for each in await registered(site)] == [True]

    await until(has_failed)
    assert service.got == []


async def test_two_processes_send_one_message(both: tuple[Site, PushService]) -> None:
    """The second claims nothing; one that starts later sends what was owed."""
    site, service = both
    phone = service.device("phone")
    other = Pusher(site.service.engine)
    await other.start()
    await register(site.ivanov, CALENDAR, phone)
    for at in range(5):
        await put(site.ivanov, f"{CALENDAR}{at}.ics", event(str(at), "20261201T100000Z"))
        await service.wait(phone, at + 1)
    tokens = [said(phone, each)[1] for each in service.of(phone)]
    assert len(set(tokens)) == len(tokens) == 5
    await other.stop()
    await site.service._pusher.stop()
    await put(site.ivanov, CALENDAR + "late.ics", event("late", "20261201T100000Z"))
    assert len(service.of(phone)) == 5
    later = Pusher(site.service.engine)
    await later.start()
    await service.wait(phone, 6)
    await later.stop()


async def test_it_stops_though_it_was_just_told_of_a_change(place: tuple[Site, PushService]) -> None:
    engine = place[0].service.engine
    for turns in range(4):  # the waiter has been woken, and its task has not run yet
        pusher = Pusher(engine)
        await pusher.start()
        for collection in (b"1", b"2"):
            engine.store.bus.publish(web_push.TOPIC, b"1 " + collection)
        await asyncio.sleep(0)
        engine.store.bus.publish("changes:1", b"1 1")
        for _ in range(3):  # it waits until the first may be told
            await asyncio.sleep(0)
        engine.store.bus.publish("changes:1", b"2 1")
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await pusher.stop()
