# SPDX-License-Identifier: Apache-2.0
"""Two people with Thunderbird: calendars found by name, an invitation with a room, its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.test_imap_clients import Debian
from tests.thunderbird import PACKAGES, Thunderbird
from tests.world import IVANOV, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer

ROOM = "room-1@digital.example"
EVENT = f"""\
BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//tests//EN\r
BEGIN:VEVENT\r
UID:planning\r
DTSTAMP:20261122T080000Z\r
DTSTART:20301122T100000Z\r
DTEND:20301122T110000Z\r
SUMMARY:Планирование\r
ORGANIZER:mailto:{IVANOV}\r
ATTENDEE;PARTSTAT=ACCEPTED:mailto:{IVANOV}\r
ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{PETROVA}\r
ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{ROOM}\r
END:VEVENT\r
END:VCALENDAR\r
"""
COMMON = """
    const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
    const { CalEvent } = ChromeUtils.importESModule("resource:///modules/CalEvent.sys.mjs");
    const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
    const calendars = () => cal.manager.getCalendars().filter(each => each.type == "caldav");
    const all = calendar =>
        calendar.getItemsAsArray(Ci.calICalendar.ITEM_FILTER_ALL_ITEMS, 0, null, null);
    const found = async condition => {
        for (;;) {
            for (const calendar of calendars()) {
                calendar.refresh();
                const items = await all(calendar);
                const item = items.find(each => each.title == "Планирование" && condition(each));
                if (item) return item;
            }
            await new Promise(done => setTimeout(done, 200));
        }
    };
    const states = item => Object.fromEntries(
        item.getAttendees().map(each => [each.id.toLowerCase(), each.participationStatus]));
"""
DETECT = (
    COMMON
    + """
    const [user, password, location] = args;
    const results = await cal.provider.detection.detect(user, password, location, true, [], {});
    for (const calendar of [...results.values()].flat()) cal.manager.registerCalendar(calendar);
    return calendars().map(each => new URL(each.uri.spec).pathname);
"""
)
INVITE = (
    COMMON
    + """
    const [path, text] = args;
    const calendar = calendars().find(each => each.uri.spec.endsWith(path));
    await calendar.addItem(new CalEvent(text));
"""
)
ACCEPT = (
    COMMON
    + """
    // The room's calendar is shown, too.
    const item = await found(each => each.calendar.uri.spec.endsWith("/default/"));
    const changed = item.clone();
    const me = changed.getAttendees().find(each => each.id.toLowerCase() == "mailto:" + args[0]);
    changed.removeAttendee(me);
    const answer = me.clone();
    answer.participationStatus = "ACCEPTED";
    changed.addAttendee(answer);
    await item.calendar.modifyItem(changed, item);
"""
)
ANSWERED = (
    COMMON
    + """
    return states(await found(item => Object.values(states(item)).every(each => each == "ACCEPTED")));
"""
)
FREE_BUSY = (
    COMMON
    + """
    const [who, start, end] = args;
    const intervals = await new Promise(resolve => cal.freeBusyService.getFreeBusyIntervals(
        "mailto:" + who, cal.createDateTime(start), cal.createDateTime(end), Ci.calIFreeBusyInterval.BUSY_ALL,
        { onResult(operation, result) {
            if (!operation || !operation.isPending) resolve(result || []);
        } }));
    return intervals.map(each => each.interval.start.icalString);
"""
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def test_invitation_room_and_free_time(world: World, debian: Debian, tmp_path: Path) -> None:
    debian(*PACKAGES)
    await world.directory.create_room(ROOM, "Переговорная 1", 12)
    location = f"https://localhost:{world.ports['https']}"

    def window(name: str) -> Thunderbird:
        return Thunderbird(tmp_path / name, world.ports["http"], world.ca)

    async with window("ivanov") as ivanov, window("petrova") as petrova:
        found: list[Any] = await ivanov.run(DETECT, IVANOV, PASSWORD, location)
        [path] = [each for each in found if each.endswith("/default/")]
        assert [each for each in await petrova.run(DETECT, PETROVA, PASSWORD, location)]
        await ivanov.run(INVITE, path, EVENT)
        await petrova.run(ACCEPT, PETROVA)
        states = await ivanov.run(ANSWERED)
        assert states == {f"mailto:{each}": "ACCEPTED" for each in (IVANOV, PETROVA, ROOM)}
        busy = await ivanov.run(FREE_BUSY, PETROVA, "20301122T000000Z", "20301123T000000Z")
        assert "20301122T100000Z" in busy
