# SPDX-License-Identifier: Apache-2.0
"""COPY and MOVE of meetings (RFC 6638 §3.2.3): what comes into a calendar invites, what leaves it cancels."""

from __future__ import annotations

from tests.dav.calendars import HOME, calendar, event
from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site
from tests.dav.test_scheduling import attendee, home, meeting, names, objects, put

MINE = HOME + "default/m1.ics"
THEIRS = home(PETROVA) + "default/"


async def move(client: Client, path: str, to: str, status: int = 201, **headers: str) -> Answer:
    answer = await client.request("MOVE", path, headers={"Destination": to, **headers})
    assert answer.status == status, answer.body
    return answer


async def make(client: Client, path: str) -> None:
    assert (await client.request("MKCALENDAR", path)).status == 201


async def test_within_the_calendars_of_one_owner_nobody_is_told(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    made = await put(ivanov, MINE, calendar(meeting()))
    await make(ivanov, HOME + "work/")
    moved = await move(ivanov, MINE, HOME + "work/m1.ics")
    assert moved.headers["schedule-tag"] == made.headers["schedule-tag"]
    assert len(await names(petrova, home(PETROVA) + "inbox/")) == 1
    assert "STATUS:CANCELLED" not in (await objects(petrova, THEIRS))[0]


async def test_a_meeting_that_leaves_the_calendars_is_cancelled_and_comes_back_as_a_new_one(
    both_sites: Site,
) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, MINE, calendar(meeting()))
    await move(ivanov, MINE, f"{FILES}/m1.ics")
    assert "STATUS:CANCELLED" in (await objects(petrova, THEIRS))[0]
    (theirs,) = await names(petrova, THEIRS)
    assert (await petrova.request("DELETE", theirs)).status == 204

    back = await move(ivanov, f"{FILES}/m1.ics", MINE)
    assert "schedule-tag" in back.headers
    assert "SCHEDULE-STATUS=1.2" in attendee((await objects(ivanov, HOME + "default/"))[0], PETROVA)
    assert "STATUS:CANCELLED" not in (await objects(petrova, THEIRS))[0]
    assert await names(ivanov, f"{FILES}/") == []


async def test_a_copy_from_the_files_invites(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, f"{FILES}/m1.ics", calendar(meeting()))
    assert await names(petrova, THEIRS) == []
    copied = await ivanov.request("COPY", f"{FILES}/m1.ics", headers={"Destination": MINE})
    assert copied.status == 201
    assert len(await names(petrova, THEIRS)) == 1
    again = await ivanov.request("COPY", f"{FILES}/m1.ics", headers={"Destination": HOME + "default/m2.ics"})
    assert again.condition in ("no-uid-conflict", "unique-scheduling-object-resource")


async def test_a_meeting_that_is_overwritten_is_cancelled(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await put(ivanov, MINE, calendar(meeting()))
    await put(ivanov, f"{FILES}/plain.ics", event("m1", "20261123T100000Z", "SUMMARY:alone"))
    await move(ivanov, f"{FILES}/plain.ics", MINE, 204)
    assert (await objects(ivanov, HOME + "default/"))[0].count("ATTENDEE") == 0
    assert "STATUS:CANCELLED" in (await objects(petrova, THEIRS))[0]


async def test_a_calendar_that_is_overwritten_cancels_its_meetings(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await make(ivanov, HOME + "work/")
    await make(ivanov, HOME + "old/")
    await put(ivanov, HOME + "work/m1.ics", calendar(meeting()))
    await move(ivanov, HOME + "old/", HOME + "work/", 204)
    assert "STATUS:CANCELLED" in (await objects(petrova, THEIRS))[0]


async def test_a_lock_on_the_way_leaves_everything_as_it_was(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await put(ivanov, MINE, calendar(meeting()))
    await put(ivanov, f"{FILES}/m1.ics", b"something else")
    lock = (
        '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/>'
        "</D:locktype></D:lockinfo>"
    )
    assert (await ivanov.request("LOCK", f"{FILES}/m1.ics", lock)).status == 200
    refused = await ivanov.request("MOVE", MINE, headers={"Destination": f"{FILES}/m1.ics"})
    assert refused.status in (207, 423)
    assert "STATUS:CANCELLED" not in (await objects(petrova, THEIRS))[0]
    assert len(await names(ivanov, HOME + "default/")) == 1
    assert f"ORGANIZER:mailto:{IVANOV}" in (await objects(petrova, THEIRS))[0]
