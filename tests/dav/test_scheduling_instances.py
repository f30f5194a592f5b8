# SPDX-License-Identifier: Apache-2.0
"""Single instances of a meeting: taken out, left out of, called off, declined and put away."""

from __future__ import annotations

from armgs_server.storage import queue
from tests.dav.calendars import calendar
from tests.dav.client import Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, Site
from tests.dav.test_scheduling import attendee, home, line, meeting, names, objects, put

MINE = home(IVANOV) + "default/m1.ics"
DAILY = "RRULE:FREQ=DAILY;COUNT=5"
DAY = "20261125T100000Z"
GUEST = "guest@elsewhere.example"


def members(text: str) -> dict[str, str]:
    """The VEVENTs of a text by their RECURRENCE-ID, "" for the series."""
    found = {}
    for part in (each.partition("END:VEVENT")[0] for each in text.split("BEGIN:VEVENT")[1:]):
        instance = [each for each in part.split("\r\n") if each.startswith("RECURRENCE-ID")]
        found[instance[0].partition(":")[2] if instance else ""] = part
    return found


async def told(client: Client, address: str) -> list[tuple[str, list[str]]]:
    """The messages in somebody's inbox, method and instances; they are taken out."""
    found = []
    for href in await names(client, home(address) + "inbox/"):
        text = (await client.request("GET", href)).body.decode().replace("\r\n ", "")
        found.append((line(text, "METHOD").partition(":")[2], sorted(members(text))))
        assert (await client.request("DELETE", href)).status == 204
    return sorted(found)


async def held(client: Client, address: str) -> tuple[str, str]:
    """Where the one object of a calendar is, and its text."""
    (path,) = await names(client, home(address) + "default/")
    (text,) = await objects(client, home(address) + "default/")
    return path, text


async def test_an_instance_is_taken_out(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    guest = f"ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:{GUEST}"
    people = (f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{PETROVA}", guest)
    await put(ivanov, MINE, calendar(meeting(DAILY, *people)))
    await told(petrova, PETROVA)
    await put(ivanov, MINE, calendar(meeting(DAILY, f"EXDATE:{DAY}", *people)), 204)
    (cancel, cancelled), (request, whole) = await told(petrova, PETROVA)
    assert (cancel, cancelled, request, whole) == ("CANCEL", [DAY], "REQUEST", [""])
    path, text = await held(petrova, PETROVA)
    copy = members(text)
    assert copy.keys() == {"", DAY} and "EXDATE" not in text and "STATUS" not in copy[""]
    assert "STATUS:CANCELLED" in copy[DAY] and f"DTSTART:{DAY}" in copy[DAY]
    # Who is elsewhere has two mails: the invitation, and what has become of it.
    mails = await both_sites.store.read(queue.scan)
    assert [each.recipient for each in mails] == [GUEST, GUEST]

    # It stays when something else changes, and when it is put away there is nothing to answer.
    later = meeting(DAILY, f"EXDATE:{DAY}", *people).replace("Планёрка", "Совещание")
    await put(ivanov, MINE, calendar(later), 204)
    copy = members((await held(petrova, PETROVA))[1])
    assert "SUMMARY:Совещание" in copy[""] and "STATUS:CANCELLED" in copy[DAY]
    series = copy[""].replace(DAILY, f"{DAILY}\r\nEXDATE:{DAY}")
    text = (await held(petrova, PETROVA))[1]
    await put(
        petrova,
        path,
        text.replace(copy[""], series).replace(f"BEGIN:VEVENT{copy[DAY]}END:VEVENT\r\n", "").encode(),
        204,
    )
    assert await told(ivanov, IVANOV) == []
    again = later.replace("Совещание", "Обсуждение")
    await put(ivanov, MINE, calendar(again), 204)
    assert members((await held(petrova, PETROVA))[1]).keys() == {""}
    # It takes place after all.
    await put(ivanov, MINE, calendar(meeting(DAILY, *people).replace("Планёрка", "Обсуждение")), 204)
    text = (await held(petrova, PETROVA))[1]
    assert members(text).keys() == {""} and "EXDATE" not in text


async def test_somebody_is_left_out_of_one_day(site: Site) -> None:
    day = meeting(f"ATTENDEE:mailto:{GUEST}", f"RECURRENCE-ID:{DAY}", start=DAY)
    await put(site.ivanov, MINE, calendar(meeting(DAILY)))
    await told(site.petrova, PETROVA)
    await put(site.ivanov, MINE, calendar(meeting(DAILY), day), 204)
    ((method, lost),) = await told(site.petrova, PETROVA)
    assert (method, lost) == ("CANCEL", [DAY])
    assert "STATUS:CANCELLED" in members((await held(site.petrova, PETROVA))[1])[DAY]
    # Asked to come on that day after all, she sees the day as the others do.
    await put(site.ivanov, MINE, calendar(meeting(DAILY)), 204)
    ((method, whole),) = await told(site.petrova, PETROVA)
    assert (method, whole) == ("REQUEST", [""])
    assert members((await held(site.petrova, PETROVA))[1]).keys() == {""}


async def test_one_day_is_called_off_or_changed(site: Site) -> None:
    await put(site.ivanov, MINE, calendar(meeting(DAILY)))
    await told(site.petrova, PETROVA)
    person = f"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{PETROVA}"
    off = meeting(person, "STATUS:CANCELLED", f"RECURRENCE-ID:{DAY}", start=DAY)
    await put(site.ivanov, MINE, calendar(meeting(DAILY), off), 204)
    ((method, cancelled),) = await told(site.petrova, PETROVA)
    assert (method, cancelled) == ("CANCEL", [DAY])
    other = "20261126T100000Z"
    moved = meeting(person, f"RECURRENCE-ID:{other}", start="20261126T150000Z")
    await put(site.ivanov, MINE, calendar(meeting(DAILY), off, moved), 204)
    ((method, changed),) = await told(site.petrova, PETROVA)  # what is new, and nothing else
    assert (method, changed) == ("REQUEST", [other])
    copy = members((await held(site.petrova, PETROVA))[1])
    assert copy.keys() == {"", DAY, other}
    assert "STATUS:CANCELLED" in copy[DAY] and "DTSTART:20261126T150000Z" in copy[other]


async def test_of_a_series_one_day_is_left(site: Site) -> None:
    await put(site.ivanov, MINE, calendar(meeting(DAILY)))
    await told(site.petrova, PETROVA)
    day = meeting(f"ATTENDEE:mailto:{PETROVA}", f"RECURRENCE-ID:{DAY}", start=DAY)
    await put(site.ivanov, MINE, calendar(meeting(DAILY, f"ATTENDEE:mailto:{GUEST}"), day), 204)
    (cancel, series), (request, left) = await told(site.petrova, PETROVA)
    assert (cancel, series, request, left) == ("CANCEL", [""], "REQUEST", [DAY])
    copy = members((await held(site.petrova, PETROVA))[1])
    assert "STATUS:CANCELLED" in copy[""] and "STATUS" not in copy[DAY]


async def test_what_was_declined_and_put_away_stays_away(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, MINE, calendar(meeting()))
    path, _ = await held(petrova, PETROVA)
    assert (await petrova.request("DELETE", path)).status == 204
    await told(petrova, PETROVA)
    mine = (await held(ivanov, IVANOV))[1]
    assert "PARTSTAT=DECLINED" in attendee(mine, PETROVA)
    await put(ivanov, MINE, mine.replace("Планёрка", "Совещание").encode(), 204)
    assert (await told(petrova, PETROVA), await names(petrova, home(PETROVA) + "default/")) == ([], [])
    # Another time is another question (RFC 6638 §3.2.8).
    mine = (await held(ivanov, IVANOV))[1]
    await put(ivanov, MINE, mine.replace("20261123T100000Z", "20261123T120000Z").encode(), 204)
    assert [method for method, _ in await told(petrova, PETROVA)] == ["REQUEST"]
    path, text = await held(petrova, PETROVA)
    assert "PARTSTAT=NEEDS-ACTION" in attendee(text, PETROVA)
    # That it is off is told to nobody who has nothing of it.
    assert (await petrova.request("DELETE", path, headers={"Schedule-Reply": "F"})).status == 204
    assert (await ivanov.request("DELETE", MINE)).status == 204
    assert await told(petrova, PETROVA) == []


async def test_an_instance_that_was_declined_and_put_away_stays_away(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, MINE, calendar(meeting(DAILY)))
    path, text = await held(petrova, PETROVA)
    await put(petrova, path, text.replace(DAILY, f"{DAILY}\r\nEXDATE:{DAY}").encode(), 204)
    await told(petrova, PETROVA)
    mine = (await held(ivanov, IVANOV))[1]
    assert "PARTSTAT=DECLINED" in attendee(members(mine)[DAY], PETROVA)
    await put(ivanov, MINE, mine.replace("Планёрка", "Совещание").encode(), 204)
    text = (await held(petrova, PETROVA))[1]
    assert members(text).keys() == {""} and f"EXDATE:{DAY}" in text and "SUMMARY:Совещание" in text
    await told(petrova, PETROVA)
    # Only that day changes, and not its time: she is not told.
    mine = (await held(ivanov, IVANOV))[1]
    day = members(mine)[DAY]
    await put(ivanov, MINE, mine.replace(day, day.replace("Совещание", "Обсуждение")).encode(), 204)
    assert await told(petrova, PETROVA) == []
    mine = (await held(ivanov, IVANOV))[1]
    day = members(mine)[DAY]
    moved = day.replace(f"DTSTART:{DAY}", "DTSTART:20261125T160000Z")
    await put(ivanov, MINE, mine.replace(day, moved).encode(), 204)
    assert await told(petrova, PETROVA) == [("REQUEST", [DAY])]
    assert "DTSTART:20261125T160000Z" in members((await held(petrova, PETROVA))[1])[DAY]


async def test_a_room_is_free_on_a_day_that_is_taken_out(site: Site) -> None:
    room = f"ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{ROOM}"
    await put(site.ivanov, MINE, calendar(meeting(DAILY, room)))
    for lines in ((f"EXDATE:{DAY}",), (f"EXDATE:{DAY}", "EXDATE:20261126T100000Z")):
        await put(site.ivanov, MINE, calendar(meeting(DAILY, *lines, room)), 204)
        assert "PARTSTAT=ACCEPTED" in attendee((await held(site.ivanov, IVANOV))[1], ROOM)
        (booked,) = await objects(site.ivanov, home(ROOM) + "default/")
        assert members(booked).keys() == {""} and booked.count("EXDATE") == len(lines)
    # Not wanted on a day, and asked anew for the others, as a client does that has not read the answer.
    day = meeting(f"ATTENDEE:mailto:{PETROVA}", "RECURRENCE-ID:20261127T100000Z", start="20261127T100000Z")
    await put(site.ivanov, MINE, calendar(meeting(DAILY, *lines, room), day), 204)
    assert "PARTSTAT=ACCEPTED" in attendee(members((await held(site.ivanov, IVANOV))[1])[""], ROOM)
    (booked,) = await objects(site.ivanov, home(ROOM) + "default/")
    assert members(booked).keys() == {""} and "EXDATE:20261127T100000Z" in booked
