# SPDX-License-Identifier: Apache-2.0
"""When somebody is busy: availability objects (RFC 7953), the privilege to know that and nothing else."""

from __future__ import annotations

from tests.dav.calendars import CALENDAR, DECLARED, HOME, ICS, calendar, component, event, put, query
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, PETROVA, Site
from tests.dav.test_scheduling import home

OFFICE = (
    "BEGIN:VAVAILABILITY\nUID:v\nDTSTAMP:20261101T000000Z\nDTSTART:20261101T000000Z\nDURATION:P30D\n{}"
    "BEGIN:AVAILABLE\nUID:a\nDTSTAMP:20261101T000000Z\nDTSTART:20261101T090000Z\nDTEND:20261101T180000Z\n"
    "RRULE:FREQ=DAILY\nSUMMARY:Служебное\nEND:AVAILABLE\nEND:VAVAILABILITY\n"
)


def busy(start: str, end: str) -> str:
    return (
        f'<C:free-busy-query {DECLARED}><C:time-range start="{start}T000000Z" end="{end}T000000Z"/>'
        "</C:free-busy-query>"
    )


async def ask(client: Client, path: str, status: int = 200, start: str = "20261123") -> list[str]:
    answer = await client.request("REPORT", path, busy(start, f"{start[:-2]}{int(start[-2:]) + 1:02}"))
    assert answer.status == status, answer.body
    return [line for line in answer.body.decode().split("\r\n") if line.startswith("FREEBUSY")]


async def make(client: Client, path: str, *kinds: str) -> None:
    comps = "".join(f'<C:comp name="{kind}"/>' for kind in kinds)
    body = (
        f"<C:mkcalendar {DECLARED}><D:set><D:prop><C:supported-calendar-component-set>{comps}"
        "</C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>"
    )
    assert (await client.request("MKCALENDAR", path, body)).status == 201


async def grant(client: Client, path: str, address: str, *privileges: str) -> Answer:
    named = "".join(f"<D:privilege><{each}/></D:privilege>" for each in privileges)
    ace = (
        f"<D:ace><D:principal><D:href>/dav/principals/people/{address}/</D:href></D:principal>"
        f"<D:grant>{named}</D:grant></D:ace>"
    )
    return await client.request("ACL", path, f"<D:acl {DECLARED}>{ace if privileges else ''}</D:acl>")


async def test_objects_of_a_calendar_say_when_its_owner_is_there(both_sites: Site) -> None:
    ivanov, path = both_sites.ivanov, HOME + "work/"
    await make(ivanov, path, "VEVENT", "VAVAILABILITY")
    await put(ivanov, path + "v.ics", calendar(OFFICE.format("")))
    await put(ivanov, path + "e.ics", event("e", "20261123T100000Z", "DURATION:PT1H"))
    expected = [
        "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261123T000000Z/20261123T090000Z",
        "FREEBUSY:20261123T100000Z/20261123T110000Z",
        "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261123T180000Z/20261124T000000Z",
    ]
    assert await ask(ivanov, path) == expected
    assert await ask(ivanov, path, start="20261205") == []  # after its thirty days
    away = calendar(
        component(
            "VAVAILABILITY",
            "w",
            "PRIORITY:1",
            "BUSYTYPE:BUSY",
            "DTSTART:20261123T150000Z",
            "DTEND:20261124T000000Z",
        )
    )
    await put(ivanov, path + "w.ics", away)
    assert (await ask(ivanov, path))[2:] == ["FREEBUSY:20261123T150000Z/20261124T000000Z"]

    # Whoever plans a meeting with him learns the same, and no word of it.
    asked = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nBEGIN:VFREEBUSY\r\nUID:f\r\n"
        "DTSTAMP:20261101T000000Z\r\nDTSTART:20261123T000000Z\r\nDTEND:20261124T000000Z\r\n"
        f"ORGANIZER:mailto:{PETROVA}\r\nATTENDEE:mailto:{IVANOV}\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n"
    )
    answer = await both_sites.petrova.request("POST", home(PETROVA) + "outbox/", asked, ICS)
    assert answer.status == 200
    text = answer.body.decode()
    assert "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261123T000000Z/20261123T090000Z" in text
    assert "FREEBUSY;FBTYPE=BUSY:20261123T150000Z/20261124T000000Z" in text
    assert "Служебное" not in text


async def test_who_may_only_know_when_learns_nothing_else(both_sites: Site) -> None:
    ivanov, petrova, sidorov = both_sites.ivanov, both_sites.petrova, both_sites.sidorov
    await put(ivanov, CALENDAR + "e.ics", event("e", "20261123T100000Z", "DURATION:PT1H", "SUMMARY:тайна"))
    await ask(petrova, CALENDAR, 404)
    assert (await grant(ivanov, CALENDAR, PETROVA, "C:read-free-busy")).status == 200
    assert await ask(petrova, CALENDAR) == ["FREEBUSY:20261123T100000Z/20261123T110000Z"]
    await ask(sidorov, CALENDAR, 404)
    for method, path in (
        ("PROPFIND", CALENDAR),
        ("GET", CALENDAR),
        ("GET", CALENDAR + "e.ics"),
        ("GET", CALENDAR + "other.ics"),
        ("PUT", CALENDAR + "new.ics"),
        ("DELETE", CALENDAR),
    ):
        assert (await petrova.request(method, path, headers=ICS)).status == 404, (method, path)
    reported = await petrova.request("REPORT", CALENDAR, query(""), {"Depth": "1"})
    assert reported.status == 404 and b"e.ics" not in reported.body
    listed = await petrova.request("PROPFIND", home(PETROVA), headers={"Depth": "1"})
    assert not any(f"shared_by_{IVANOV}" in href for href in listed.hrefs)

    seen = await ivanov.request(
        "PROPFIND",
        CALENDAR,
        f"<D:propfind {DECLARED}><D:prop><D:acl/><D:current-user-privilege-set/></D:prop></D:propfind>",
        {"Depth": "0"},
    )
    assert seen.find("//D:acl/D:ace[D:principal/D:href]/D:grant/D:privilege/C:read-free-busy")
    assert seen.find("//D:current-user-privilege-set/D:privilege/C:read-free-busy")
    assert (await grant(ivanov, CALENDAR, PETROVA)).status == 200
    await ask(petrova, CALENDAR, 404)
    files = await grant(ivanov, f"/dav/files/{IVANOV}/", PETROVA, "C:read-free-busy")
    assert (files.status, files.condition) == (403, "not-supported-privilege")


async def test_limits_are_properties_and_hold(site: Site) -> None:
    ivanov = site.ivanov
    object.__setattr__(site.core.config.dav, "attendees", 2)
    asked = (
        f"<D:propfind {DECLARED}><D:prop><C:min-date-time/><C:max-date-time/><C:max-attendees-per-instance/>"
        "<C:max-instances/></D:prop></D:propfind>"
    )
    seen = await ivanov.request("PROPFIND", CALENDAR, asked, {"Depth": "0"})
    assert seen.prop(CALENDAR, "C:min-date-time") == "00010103T000000Z"
    assert seen.prop(CALENDAR, "C:max-date-time") == "99991229T000000Z"
    assert seen.prop(CALENDAR, "C:max-attendees-per-instance") == "2"
    assert seen.prop(CALENDAR, "C:max-instances") is None  # a rule without end is welcome
    guests = [f"ATTENDEE:mailto:g{number}@example.com" for number in range(3)]
    for data, condition in (
        (event("1", "00010101T000000Z"), "min-date-time"),
        (event("1", "20261123T100000Z", "RDATE:99991231T000000Z"), "max-date-time"),
        (event("1", "20261123T100000Z", *guests), "max-attendees-per-instance"),
    ):
        refused = await ivanov.request("PUT", CALENDAR + "1.ics", data, ICS)
        assert (refused.status, refused.condition) == (403, condition)
    await put(ivanov, CALENDAR + "1.ics", event("1", "18120824T100000Z", *guests[:2]))
