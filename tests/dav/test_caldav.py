# SPDX-License-Identifier: Apache-2.0
"""CalDAV: calendars, what may be stored in them, multiget, what a second client sees."""

from __future__ import annotations

import pytest

from tests.dav.calendars import (
    BERLIN,
    CALENDAR,
    DECLARED,
    HOME,
    ICS,
    TASKS,
    calendar,
    component,
    event,
    put,
    query,
)
from tests.dav.conftest import IVANOV, PETROVA, Site

MEETING = event("m1", "20261123T100000Z", "DTEND:20261123T110000Z", "SUMMARY:R&D <weekly>")


async def test_what_was_put_comes_back_byte_for_byte(both_sites: Site) -> None:
    first, second = both_sites.ivanov, both_sites.ivanov
    folded = MEETING.replace(b"SUMMARY:R", b"SUM\r\n MARY:R").replace(b"PRODID", b"prodid")
    made = await put(first, CALENDAR + "m1.ics", folded)
    seen = await second.request("GET", CALENDAR + "m1.ics")
    assert (seen.body, seen.headers["etag"]) == (folded, made.headers["etag"])
    assert seen.headers["content-type"].startswith("text/calendar")
    again = await first.request(
        "PUT", CALENDAR + "m1.ics", MEETING, {**ICS, "If-Match": made.headers["etag"]}
    )
    assert again.status == 204
    lost = await second.request("PUT", CALENDAR + "m1.ics", folded, {**ICS, "If-Match": made.headers["etag"]})
    assert lost.status == 412
    assert (await second.request("GET", CALENDAR + "m1.ics")).body == MEETING


async def test_options_and_properties(site: Site) -> None:
    options = await site.ivanov.request("OPTIONS", CALENDAR)
    assert "calendar-access" in options.headers["dav"] and "addressbook" in options.headers["dav"]
    assert "calendar-auto-schedule" in options.headers["dav"]
    assert "REPORT" in options.headers["allow"]
    body = (
        f"<D:propfind {DECLARED} xmlns:CS='http://calendarserver.org/ns/'><D:prop><C:supported-calendar-component-set/>"
        "<C:supported-calendar-data/><C:supported-collation-set/><C:max-resource-size/><CS:getctag/>"
        "<D:supported-report-set/><D:resourcetype/></D:prop></D:propfind>"
    )
    answer = await site.ivanov.request("PROPFIND", HOME, body, {"Depth": "1"})
    comps = "//D:response[D:href='{}']//C:comp/@name"
    assert answer.find(comps.format(CALENDAR)) == ["VEVENT"]
    assert answer.find(comps.format(TASKS)) == ["VTODO"]
    assert len(answer.find(f"//D:response[D:href='{CALENDAR}']//D:resourcetype/C:calendar")) == 1
    assert answer.prop(CALENDAR, "C:max-resource-size") == "1048576"
    reports = [each.tag for each in answer.find(f"//D:response[D:href='{CALENDAR}']//D:report/*")]
    for name in ("calendar-query", "calendar-multiget", "free-busy-query"):
        assert f"{{urn:ietf:params:xml:ns:caldav}}{name}" in reports
    home = await site.ivanov.request(
        "PROPFIND",
        f"/dav/principals/people/{IVANOV}/",
        f"<D:propfind {DECLARED}><D:prop><C:calendar-home-set/><CR:addressbook-home-set/>"
        "<C:calendar-user-address-set/></D:prop>"
        "</D:propfind>",
        {"Depth": "0"},
    )
    assert home.texts("//C:calendar-home-set/D:href") == [HOME]
    addresses = home.texts("//C:calendar-user-address-set/D:href")
    assert addresses == [f"mailto:{IVANOV}", f"/dav/principals/people/{IVANOV}/"]
    assert home.texts("//CR:addressbook-home-set/D:href") == [f"/dav/addressbooks/{IVANOV}/"]


@pytest.mark.parametrize(
    ("data", "status", "condition"),
    [
        (b"hello", 403, "valid-calendar-data"),
        (MEETING.replace(b"DTSTART:2026", b"DTSTART:26"), 403, "valid-calendar-data"),
        (MEETING.replace(b"UID:m1\r\n", b""), 403, "valid-calendar-data"),
        (MEETING.replace(b"PRODID", b"METHOD:REQUEST\r\nPRODID"), 403, "valid-calendar-object-resource"),
        (
            calendar(
                component("VEVENT", "a", "DTSTART:20261123"), component("VEVENT", "b", "DTSTART:20261123")
            ),
            403,
            "valid-calendar-object-resource",
        ),
        (calendar(component("VTODO", "t")), 403, "supported-calendar-component"),
        (MEETING.replace(b"weekly", b"w" * 1_100_000), 403, "max-resource-size"),
    ],
)
async def test_refused_objects(site: Site, data: bytes, status: int, condition: str) -> None:
    # RFC 4791 §5.3.2.1
    answer = await site.ivanov.request("PUT", CALENDAR + "x.ics", data, ICS)
    assert (answer.status, answer.condition) == (status, condition)
    assert (await site.ivanov.request("GET", CALENDAR + "x.ics")).status == 404


async def test_a_refusal_names_the_line(site: Site) -> None:
    answer = await site.ivanov.request(
        "PUT", CALENDAR + "x.ics", MEETING.replace(b"SUMMARY:", b"SUMMARY"), ICS
    )
    assert "line 9" in answer.texts("//D:responsedescription")[0]


async def test_other_media_types(site: Site) -> None:
    answer = await site.ivanov.request("PUT", CALENDAR + "x.ics", MEETING, {"Content-Type": "text/html"})
    assert (answer.status, answer.condition) == (403, "supported-calendar-data")


async def test_one_uid_in_one_calendar(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    await put(ivanov, CALENDAR + "m1.ics", MEETING)
    twice = await ivanov.request("PUT", CALENDAR + "m2.ics", MEETING, ICS)
    assert (twice.status, twice.condition) == (409, "no-uid-conflict")
    assert twice.texts("//C:no-uid-conflict/D:href") == [CALENDAR + "m1.ics"]
    other = await ivanov.request("PUT", CALENDAR + "m1.ics", MEETING.replace(b"UID:m1", b"UID:m9"), ICS)
    assert (other.status, other.condition) == (409, "no-uid-conflict")
    assert (await ivanov.request("MKCALENDAR", HOME + "second/")).status == 201
    copied = await ivanov.request(
        "COPY",
        CALENDAR + "m1.ics",
        headers={"Destination": f"http://127.0.0.1:{both_sites.port}{HOME}second/c.ics"},
    )
    assert copied.status == 201
    moved = await ivanov.request(
        "MOVE",
        CALENDAR + "m1.ics",
        headers={"Destination": f"http://127.0.0.1:{both_sites.port}{HOME}second/d.ics"},
    )
    assert (moved.status, moved.condition) == (409, "no-uid-conflict")
    # Nor does one object overwrite another that has another UID, from this calendar or from another one.
    await put(ivanov, CALENDAR + "m9.ics", MEETING.replace(b"UID:m1", b"UID:m9"))
    for path, goal in ((CALENDAR + "m9.ics", "default/m1.ics"), (CALENDAR + "m9.ics", "second/c.ics")):
        destination = {"Destination": f"http://127.0.0.1:{both_sites.port}{HOME}{goal}"}
        over = await ivanov.request("MOVE", path, headers=destination)
        assert (over.status, over.condition) == (409, "no-uid-conflict")
        assert over.texts("//C:no-uid-conflict/D:href") == [HOME + goal]
    assert (await ivanov.request("DELETE", CALENDAR + "m1.ics")).status == 204
    await put(ivanov, CALENDAR + "m3.ics", MEETING)


async def test_mkcalendar(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    body = (
        f"<C:mkcalendar {DECLARED} xmlns:A='http://apple.com/ns/ical/'><D:set><D:prop>"
        "<D:displayname>Отпуск</D:displayname><C:calendar-description>When I am away</C:calendar-description>"
        "<A:calendar-color>#FF0000FF</A:calendar-color>"
        f"<C:calendar-timezone>{calendar(BERLIN).decode()}</C:calendar-timezone>"
        '<C:supported-calendar-component-set><C:comp name="VTODO"/></C:supported-calendar-component-set>'
        "</D:prop></D:set></C:mkcalendar>"
    )
    assert (await ivanov.request("MKCALENDAR", HOME + "away/", body)).status == 201
    asked = (
        f"<D:propfind {DECLARED} xmlns:A='http://apple.com/ns/ical/'><D:prop><D:displayname/><A:calendar-color/>"
        "<C:calendar-description/><C:calendar-timezone/><C:supported-calendar-component-set/></D:prop></D:propfind>"
    )
    seen = await both_sites.ivanov.request("PROPFIND", HOME + "away/", asked, {"Depth": "0"})
    assert seen.prop(HOME + "away/", "D:displayname") == "Отпуск"
    assert seen.prop(HOME + "away/", "A:calendar-color") == "#FF0000FF"
    assert "TZID:Europe/Berlin" in (seen.prop(HOME + "away/", "C:calendar-timezone") or "")
    assert seen.find("//C:comp/@name") == ["VTODO"]
    await put(ivanov, HOME + "away/t.ics", calendar(component("VTODO", "t")))
    assert (
        await ivanov.request("PUT", HOME + "away/e.ics", MEETING, ICS)
    ).condition == "supported-calendar-component"
    twice = await ivanov.request("MKCALENDAR", HOME + "away/")
    assert (twice.status, twice.condition) == (403, "resource-must-be-null")  # RFC 4791 §5.3.1.1
    assert (await ivanov.request("DELETE", HOME + "away/")).status == 204
    assert (await ivanov.request("GET", HOME + "away/t.ics")).status == 404


async def test_mkcalendar_elsewhere_and_with_nonsense(site: Site) -> None:
    ivanov = site.ivanov
    assert (
        await ivanov.request("MKCALENDAR", f"/dav/files/{IVANOV}/c/")
    ).condition == "calendar-collection-location-ok"
    inner = await ivanov.request("MKCALENDAR", CALENDAR + "inner/")
    assert (inner.status, inner.condition) == (403, "calendar-collection-location-ok")
    assert (await ivanov.request("MKCALENDAR", CALENDAR + "no/inner/")).status == 409
    assert (await ivanov.request("MKCALENDAR", f"/dav/calendars/{PETROVA}/c/")).status == 404
    for prop in (
        '<C:supported-calendar-component-set><C:comp name="VNOTHING"/></C:supported-calendar-component-set>',
        "<C:calendar-timezone>Europe/Berlin</C:calendar-timezone>",
    ):
        body = f"<C:mkcalendar {DECLARED}><D:set><D:prop>{prop}</D:prop></D:set></C:mkcalendar>"
        assert (await ivanov.request("MKCALENDAR", HOME + "c/", body)).status in (207, 403)
        assert (await ivanov.request("PROPFIND", HOME + "c/", headers={"Depth": "0"})).status == 404


async def test_components_cannot_be_changed_later(site: Site) -> None:
    # RFC 4791 §5.2.3: protected
    body = (
        f"<D:propertyupdate {DECLARED}><D:set><D:prop><C:supported-calendar-component-set>"
        '<C:comp name="VTODO"/></C:supported-calendar-component-set></D:prop></D:set></D:propertyupdate>'
    )
    answer = await site.ivanov.request("PROPPATCH", CALENDAR, body)
    assert answer.find("//D:cannot-modify-protected-property")
    await put(site.ivanov, CALENDAR + "m1.ics", MEETING)


async def test_extended_mkcol(site: Site) -> None:
    # RFC 5689
    body = (
        f"<D:mkcol {DECLARED}><D:set><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
        '<C:supported-calendar-component-set><C:comp name="VJOURNAL"/></C:supported-calendar-component-set>'
        "</D:prop></D:set></D:mkcol>"
    )
    assert (await site.ivanov.request("MKCOL", HOME + "diary/", body)).status == 201
    await put(
        site.ivanov, HOME + "diary/j.ics", calendar(component("VJOURNAL", "j", "DTSTART;VALUE=DATE:20261101"))
    )
    refused = await site.ivanov.request("PUT", HOME + "diary/e.ics", MEETING, ICS)
    assert refused.condition == "supported-calendar-component"


def multiget(*hrefs: str, data: str = "<C:calendar-data/>") -> str:
    inside = "".join(f"<D:href>{href}</D:href>" for href in hrefs)
    return (
        f"<C:calendar-multiget {DECLARED}><D:prop><D:getetag/>{data}</D:prop>{inside}</C:calendar-multiget>"
    )


async def test_multiget(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    encoded = CALENDAR + "%D1%81%D0%B1%D0%BE%D1%80.ics"
    await put(ivanov, CALENDAR + "m1.ics", MEETING)
    await put(ivanov, encoded, MEETING.replace(b"UID:m1", "UID:сбор".encode()))
    outside = f"/dav/calendars/{PETROVA}/default/m1.ics"
    body = multiget(CALENDAR + "m1.ics", encoded, CALENDAR + "no.ics", outside, "http://[")
    answer = await ivanov.request("REPORT", CALENDAR, body)
    assert answer.status == 207
    assert answer.hrefs == [CALENDAR + "m1.ics", encoded, CALENDAR + "no.ics", outside, "http://["]
    data = answer.prop(CALENDAR + "m1.ics", "C:calendar-data")
    assert data is not None and data.replace("\n", "\r\n").encode() == MEETING
    missing = answer.find("/D:multistatus/D:response[contains(D:status, '404')]/D:href")
    assert len(missing) == 3
    assert answer.prop(encoded, "D:getetag")


async def test_multiget_of_many_and_of_large_objects(site: Site) -> None:
    ivanov = site.ivanov
    large = MEETING.replace(b"weekly", b"w" * 100_000)
    await put(ivanov, CALENDAR + "large.ics", large)
    for number in range(230):
        await put(ivanov, f"{CALENDAR}{number}.ics", MEETING.replace(b"UID:m1", b"UID:n%d" % number))
    hrefs = [f"{CALENDAR}{number}.ics" for number in range(230)] + [
        CALENDAR + "large.ics",
        CALENDAR + "gone.ics",
    ]
    answer = await ivanov.request("REPORT", CALENDAR, multiget(*hrefs))
    assert set(answer.hrefs) == set(hrefs)
    assert len(answer.find("//C:calendar-data")) == 231
    assert len(answer.prop(CALENDAR + "large.ics", "C:calendar-data") or "") > 100_000


async def test_sync_tells_a_second_client(both_sites: Site) -> None:
    phone, desk = both_sites.ivanov, both_sites.ivanov

    async def sync(token: str) -> tuple[set[str], str]:
        body = (
            f"<D:sync-collection {DECLARED}><D:sync-token>{token}</D:sync-token>"
            "<D:sync-level>1</D:sync-level><D:prop><D:getetag/><C:calendar-data/></D:prop></D:sync-collection>"
        )
        answer = await desk.request("REPORT", CALENDAR, body)
        names = {href.rpartition("/")[2] for href in answer.hrefs}
        if names:
            assert len(answer.find("//C:calendar-data")) == len(answer.find("//D:propstat"))
        return names, answer.texts("/D:multistatus/D:sync-token")[0]

    names, token = await sync("")
    assert names == set()
    await put(phone, CALENDAR + "m1.ics", MEETING)
    names, token = await sync(token)
    assert names == {"m1.ics"}
    await put(phone, CALENDAR + "m1.ics", MEETING.replace(b"T10", b"T09"), 204)
    await put(phone, CALENDAR + "m2.ics", MEETING.replace(b"UID:m1", b"UID:m2"))
    names, token = await sync(token)
    assert names == {"m1.ics", "m2.ics"}
    await phone.request("DELETE", CALENDAR + "m2.ics")
    assert (await sync(token))[0] == {"m2.ics"}


async def test_who_has_no_rights_learns_nothing(site: Site) -> None:
    await put(site.ivanov, CALENDAR + "m1.ics", MEETING)
    for client in (site.petrova, site.sidorov):
        for method, path, body in (
            ("GET", CALENDAR + "m1.ics", b""),
            ("PUT", CALENDAR + "m1.ics", MEETING),
            ("PUT", CALENDAR + "new.ics", MEETING),
            ("DELETE", CALENDAR + "m1.ics", b""),
            ("REPORT", CALENDAR, multiget(CALENDAR + "m1.ics")),
            ("REPORT", CALENDAR, query("")),
            ("REPORT", HOME + "nothing/", query("")),
        ):
            answer = await client.request(method, path, body, ICS if method == "PUT" else {})
            assert answer.status == 404, (method, path)
    assert (await site.ivanov.request("GET", CALENDAR + "m1.ics")).body == MEETING
    assert (await site.client().request("GET", CALENDAR + "m1.ics")).status == 401
