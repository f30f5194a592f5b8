# SPDX-License-Identifier: Apache-2.0
"""People and rooms on the pages: who is found by whom, how they are there, and when they are free."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from armgs_server.formats import icalendar
from armgs_server.portal import moments
from armgs_server.rules.away import set_absence
from armgs_server.storage import calindex, clock, items, scheduling
from armgs_server.storage.absences import Absence
from armgs_server.storage.tx import Tx
from tests.portal.browser import Browser
from tests.world import IVANOV, PETROVA, SIDOROV, World
from tests.xmpp.client import Client

NASTY = "<script>alert(1)</script>"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


async def number_of(world: World, address: str) -> int:
    found = await world.directory.by_address(address)
    assert found is not None
    return found.id


async def signed_in(world: World, address: str = IVANOV) -> Browser:
    browser = Browser(world)
    await browser.sign_in(address)
    return browser


async def book(world: World, owner: int, start: int, end: int, summary: str, access: str = "") -> None:
    """An event in the default calendar."""

    def utc(time: int) -> str:
        return datetime.fromtimestamp(time // clock.SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")

    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//test//EN",
        "BEGIN:VEVENT",
        f"UID:{clock.unique_id()}",
        f"DTSTAMP:{utc(start)}",
        f"DTSTART:{utc(start)}",
        f"DTEND:{utc(end)}",
        f"SUMMARY:{summary}",
        *([f"CLASS:{access}"] if access else []),
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    data = "\r\n".join(lines).encode()
    made, ref = calindex.entry(icalendar.check(data)), world.store.blobs.small(data)

    async def work(tx: Tx) -> None:
        calendar = await scheduling.default_calendar(tx, owner, "VEVENT")
        assert calendar is not None
        item = await items.add(
            tx, calendar, ref, name=f"{clock.unique_id()}.ics", content_type="text/calendar"
        )
        await calindex.put(tx, item, made)

    await world.store.write(work)


async def test_people_are_found_by_who_may_look_them_up(world: World) -> None:
    browser = await signed_in(world)
    for words in ("петр", "Анна Петрова", "petrova@"):
        page = await browser.get(f"/people?q={quote(words)}")
        assert "Петрова Анна" in page.text and "Сид" not in page.text, words
    page = await browser.get("/people?q=Sidorov")
    assert "Found: 0" in page.text and "Sidorov Sergey" not in page.text
    for path in (f"/people?person={SIDOROV}", "/people?person=nobody@digital.example"):
        page = await browser.get(path)
        assert page.status == 404 and "There is no such person." in page.text
    assert (await browser.get(f"/people?person={PETROVA}")).status == 200
    outside = Browser(world)
    await outside.get(f"/people?person={PETROVA}")
    assert outside.path == "/signin"


async def test_the_structure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    department = world.directory.domains["digital.example"]
    above = await world.directory.create_unit(department, "Department of <b>data</b>")
    below = await world.directory.create_unit(department, "Archive", parent=above.id)
    await world.directory.create_person(
        "head@digital.example", NASTY, unit=above.id, post=NASTY, head=True, data={"telephone": "+7 495 1"}
    )
    for number in range(55):
        await world.directory.create_person(f"p{number}@digital.example", f"Name {number:02}", unit=below.id)
    browser = await signed_in(world)
    page = await browser.get("/people")
    assert "<h1>Digital</h1>" in page.text and "Department of &lt;b&gt;data&lt;/b&gt;" in page.text
    assert "Finance" not in page.text
    page = await browser.get(f"/people?unit={above.id}")
    assert "Archive" in page.text and "+7 495 1" in page.text and "<script" not in page.text
    assert f'href="/people?unit={department}"' in page.text
    page = await browser.get(f"/people?unit={below.id}")
    assert page.text.count("Name ") == 50 and "not shown are another 5." in page.text
    monkeypatch.setattr("armgs_server.directory.people_search.COUNTED", 10)
    page = await browser.get("/people?q=name")  # more than are worth counting
    assert page.text.count("Name ") == 50 and "Found: many" in page.text
    assert "not all of them are shown" in page.text
    page = await browser.get("/people?q=script")
    assert "&lt;script&gt;" in page.text and "<script" not in page.text
    foreign = world.directory.domains["finance.example"]
    for unit in (str(foreign), "99999999", str(await number_of(world, PETROVA))):
        assert (await browser.get(f"/people?unit={unit}")).status == 404
    for unit in ("x", "9" * 30, "-1", "%D9%A3"):  # no number: the own place
        assert "<h1>Digital</h1>" in (await browser.get(f"/people?unit={unit}")).text


async def test_how_somebody_is_there(world: World) -> None:
    browser, sidorov = await signed_in(world), await signed_in(world, SIDOROV)
    assert "not in chat" in (await browser.get(f"/people?person={PETROVA}")).text
    async with Client(world, PETROVA, "desk") as client:
        await client.log_in()
        await client.go_online("<presence><show>dnd</show><status>in a &lt;script&gt;</status></presence>")
        page = await browser.get(f"/people?person={PETROVA}")
        assert "do not disturb" in page.text and "in a &lt;script&gt;" in page.text
        assert "do not disturb" in (await browser.get("/people?q=petrova")).text
        await client.iq(f"<block xmlns='urn:xmpp:blocking'><item jid='{IVANOV}'/></block>", "set")
        assert "not in chat" in (await browser.get(f"/people?person={PETROVA}")).text
        assert "not in chat" in (await sidorov.get(f"/people?person={SIDOROV}")).text


async def test_who_is_away_and_when_one_is_free(world: World) -> None:
    petrova, day = await number_of(world, PETROVA), moments.today()
    browser = await signed_in(world)
    assert "free all day" in (await browser.get(f"/people?person={PETROVA}")).text
    noon = moments.start_of(day) + 12 * clock.HOUR
    await book(world, petrova, noon, noon + clock.HOUR, "secret talks")
    await book(world, petrova, noon + clock.HOUR // 2, noon + 2 * clock.HOUR, "more")
    page = await browser.get(f"/people?person={PETROVA}")
    assert "12:00–14:00" in page.text and "secret" not in page.text
    now = clock.now()
    absence = Absence(petrova, now - clock.HOUR, moments.end_of(day), f"gone {NASTY}", "")
    await set_absence(world.store, absence, now)
    page = await browser.get(f"/people?person={PETROVA}")
    assert f"away until {day.isoformat()}" in page.text
    assert "gone &lt;script" in page.text and "<script" not in page.text


async def test_what_goes_beyond_midnight(world: World) -> None:
    """A day shows its own part, and ends at 24:00."""
    petrova, day = await number_of(world, PETROVA), moments.today()
    room = await world.directory.create_room("room1@digital.example", "Room", 8)
    start, end = moments.start_of(day), moments.end_of(day)
    for owner in (petrova, room.id):
        await book(world, owner, start + 22 * clock.HOUR, end + 2 * clock.HOUR, "Night")
    browser = await signed_in(world)
    assert "22:00–24:00<" in (await browser.get(f"/people?person={PETROVA}")).text
    assert "22:00–24:00 Night" in (await browser.get("/rooms")).text
    tomorrow = (day + timedelta(days=1)).isoformat()
    assert "00:00–02:00 Night" in (await browser.get(f"/rooms?day={tomorrow}")).text


async def test_rooms_and_their_bookings(world: World) -> None:
    room = await world.directory.create_room("room1@digital.example", f"Room {NASTY}", 8)
    other = await world.directory.create_room("room@finance.example", "Vault", 3)
    day = moments.today()
    start = moments.start_of(day) + 9 * clock.HOUR
    await book(world, room.id, start, start + clock.HOUR, f"Budget {NASTY}")
    await book(world, room.id, start + clock.DAY, start + clock.DAY + clock.HOUR, "Tomorrow")
    await book(world, room.id, start + 2 * clock.HOUR, start + 3 * clock.HOUR, "Hush", "PRIVATE")
    await book(world, other.id, start, start + clock.HOUR, "Gold")
    browser = await signed_in(world)
    page = await browser.get("/rooms")
    assert "09:00–10:00 Budget &lt;script" in page.text and "<script" not in page.text
    assert "11:00–12:00</li>" in page.text and "Hush" not in page.text
    assert "seats: 8" in page.text and "Vault" not in page.text and "Tomorrow" not in page.text
    page = await browser.get(f"/rooms?day={(day + timedelta(days=1)).isoformat()}")
    assert "09:00–10:00 Tomorrow" in page.text and "free now" not in page.text
    assert "Nobody has booked it" in (await browser.get("/rooms?day=2030-01-01")).text
    assert date.today().isoformat() in (await browser.get("/rooms?day=nonsense")).text
    assert "There are no rooms." not in (await (await signed_in(world, SIDOROV)).get("/rooms")).text
