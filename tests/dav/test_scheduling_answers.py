# SPDX-License-Identifier: Apache-2.0
"""What stands on ATTENDEE and ORGANIZER once somebody has answered, and when an answer is awaited anew."""

from __future__ import annotations

from tests.dav.calendars import calendar
from tests.dav.client import Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, Site
from tests.dav.test_scheduling import attendee, home, line, meeting, names, objects, put

MINE = home(IVANOV) + "default/m1.ics"


async def text(client: Client, path: str) -> str:
    answer = await client.request("GET", path)
    assert answer.status == 200
    return answer.body.decode().replace("\r\n ", "")


async def accept(client: Client) -> str:
    """Petrova accepts; her object's path."""
    (path,) = await names(client, home(PETROVA) + "default/")
    own = await text(client, path)
    await put(client, path, own.replace("NEEDS-ACTION", "ACCEPTED").encode(), 204)
    return path


async def test_an_answer_is_awaited_until_it_comes(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, MINE, calendar(meeting()))
    (copy,) = await objects(petrova, home(PETROVA) + "default/")
    assert "RSVP=TRUE" in attendee(copy, PETROVA)
    path = await accept(petrova)
    own = await text(ivanov, MINE)
    assert "PARTSTAT=ACCEPTED" in attendee(own, PETROVA) and "RSVP" not in attendee(own, PETROVA)
    assert "SCHEDULE-STATUS=1.2" in line(await text(petrova, path), "ORGANIZER")
    # A change that asks nothing anew leaves the state of her answer on her own copy …
    await put(ivanov, MINE, own.replace("Планёрка", "Совещание").encode(), 204)
    told = await text(petrova, path)
    assert "SUMMARY:Совещание" in told and "SCHEDULE-STATUS=1.2" in line(told, "ORGANIZER")
    assert "RSVP" not in attendee(told, PETROVA)
    # … and another time asks for another answer (RFC 6638 §3.2.8).
    later = (await text(ivanov, MINE)).replace("20261123T100000Z", "20261123T120000Z")
    await put(ivanov, MINE, later.encode(), 204)
    asked = attendee(await text(petrova, path), PETROVA)
    assert "PARTSTAT=NEEDS-ACTION" in asked and "RSVP=TRUE" in asked
    # That of the last message she has sent stays there (§7.3).
    assert "SCHEDULE-STATUS=1.2" in line(await text(petrova, path), "ORGANIZER")


async def test_a_room_has_answered(site: Site) -> None:
    await put(site.ivanov, MINE, calendar(meeting(f"ATTENDEE;RSVP=TRUE:mailto:{ROOM}")))
    own = attendee(await text(site.ivanov, MINE), ROOM)
    assert "PARTSTAT=ACCEPTED" in own and "SCHEDULE-STATUS=2.0" in own and "RSVP" not in own
    (copy,) = await objects(site.ivanov, home(ROOM) + "default/")
    assert "RSVP" not in attendee(copy, ROOM)
    assert "SCHEDULE-STATUS=1.2" in line(copy, "ORGANIZER")


async def test_what_became_of_an_invitation_stays_although_a_client_drops_it(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, MINE, calendar(meeting()))
    assert "SCHEDULE-STATUS=1.2" in attendee(await text(ivanov, MINE), PETROVA)
    await put(ivanov, MINE, calendar(meeting("TRANSP:OPAQUE", "X-MOZ-LASTACK:20261101T000000Z")), 204)
    assert "SCHEDULE-STATUS=1.2" in attendee(await text(ivanov, MINE), PETROVA)
    (copy,) = await objects(petrova, home(PETROVA) + "default/")
    assert "SEQUENCE:1" in copy.replace("\r\n ", "")
    # RFC 5546 §2.1.4: a client that knows nothing of it takes no revision back.
    await put(ivanov, MINE, calendar(meeting("TRANSP:OPAQUE")), 204)
    assert "SEQUENCE:1" in await text(ivanov, MINE)


async def test_what_became_of_an_answer_stays_although_a_client_drops_it(site: Site) -> None:
    await put(site.ivanov, MINE, calendar(meeting()))
    path = await accept(site.petrova)
    own = await text(site.petrova, path)
    organizer = line(own, "ORGANIZER")
    assert "SCHEDULE-STATUS=1.2" in organizer
    alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT"
    said = own.replace(organizer, f"ORGANIZER:mailto:{IVANOV}").replace("END:VEVENT", alarm)
    await put(site.petrova, path, said.encode(), 204)
    assert "SCHEDULE-STATUS=1.2" in line(await text(site.petrova, path), "ORGANIZER")
