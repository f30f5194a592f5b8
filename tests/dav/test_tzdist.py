# SPDX-License-Identifier: Apache-2.0
"""The time zone service (RFC 7808), and calendars that name zones instead of defining them (RFC 7809)."""

from __future__ import annotations

import json
from typing import Any

from armgs_server.formats.icalendar import check
from tests.dav.calendars import CALENDAR, DECLARED, HOME, ICS, event, in_range, put, query, select
from tests.dav.client import Answer
from tests.dav.conftest import Site
from tests.formats.test_timezone_data import BERLIN

ERROR = "urn:ietf:params:tzdist:error:"


async def ask(site: Site, path: str, status: int = 200, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await site.client().request("GET", f"/timezones{path}", headers=fields)  # nobody logs in
    assert answer.status == status, answer.body
    return answer


async def value(site: Site, path: str, status: int = 200) -> Any:
    answer = await ask(site, path, status)
    assert answer.headers["content-type"].startswith("application/")
    return json.loads(answer.body)


async def test_capabilities_and_where_they_are(site: Site) -> None:
    moved = await site.client().request("GET", "/.well-known/timezone")
    assert (moved.status, moved.headers["location"]) == (307, "/timezones")
    said = await value(site, "/capabilities")
    assert said["version"] == 1 and said["info"]["formats"] == ["text/calendar"]
    assert [each["name"] for each in said["actions"]] == ["capabilities", "list", "get", "expand", "find"]
    assert said == await value(site, "")
    assert (await site.client().request("POST", "/timezones/capabilities")).status == 405
    assert (await value(site, "/leapseconds", 404))["type"] == ERROR + "invalid-action"


async def test_list_and_what_has_changed(site: Site) -> None:
    listed = await value(site, "/zones")
    zones = {zone["tzid"]: zone for zone in listed["timezones"]}
    assert zones["Europe/Berlin"]["publisher"] == "IANA" and len(zones) > 300
    assert "W-SU" in zones["Europe/Moscow"].get("aliases", ["W-SU"])
    assert (await value(site, f"/zones?changedsince={listed['synctoken']}"))["timezones"] == []
    assert await value(site, "/zones?changedsince=old") == listed
    twice = await value(site, "/zones?changedsince=a&changedsince=b", 400)
    assert twice == {
        "type": ERROR + "invalid-changedsince",
        "title": "One changedsince at most.",
        "status": 400,
    }
    etag = (await ask(site, "/zones/Europe%2FBerlin")).headers["etag"]
    assert etag == zones["Europe/Berlin"]["etag"]


async def test_get(site: Site) -> None:
    got = await ask(site, "/zones/Europe%2FBerlin?start=2026-01-01T00:00:00Z")
    assert got.headers["content-type"] == "text/calendar; charset=utf-8"
    assert BERLIN in got.body.decode().replace("\r\n", "\n")
    assert (await ask(site, "/zones/Europe/Berlin")).body.count(b"BEGIN:VTIMEZONE") == 1
    etag = got.headers["etag"]
    assert etag != (await ask(site, "/zones/Europe%2FBerlin")).headers["etag"]
    path = "/zones/Europe%2FBerlin?start=2026-01-01T00:00:00Z"
    assert (await ask(site, path, 304, If_None_Match=etag)).body == b""
    for path, status, name in (
        ("/zones/Europe%2FPittsburgh", 404, "tzid-not-found"),
        ("/zones/%2Fetc%2Fpasswd", 404, "tzid-not-found"),
        ("/zones/UTC?start=yesterday", 400, "invalid-start"),
        ("/zones/Europe%2FParis?start=9000-01-01T00:00:00Z", 400, "invalid-start"),
        ("/zones/Europe%2FParis?end=9000-01-01T00:00:00Z", 400, "invalid-end"),
        ("/zones/UTC?start=2026-01-01T00:00:00Z&end=2026-01-01T00:00:00Z", 400, "invalid-end"),
    ):
        assert (await value(site, path, status))["type"] == ERROR + name, path
    refused = await ask(site, "/zones/UTC", 406, Accept="application/calendar+json")
    assert json.loads(refused.body)["type"] == ERROR + "invalid-format"


async def test_expand(site: Site) -> None:
    path = "/zones/America%2FNew_York/observances?start=2008-01-01T00:00:00Z&end=2009-01-01T00:00:00Z"
    assert await value(site, path) == {
        "tzid": "America/New_York",
        "observances": [
            {
                "name": "EST",
                "onset": "2008-01-01T00:00:00Z",
                "utc-offset-from": -18000,
                "utc-offset-to": -18000,
            },
            {
                "name": "EDT",
                "onset": "2008-03-09T07:00:00Z",
                "utc-offset-from": -18000,
                "utc-offset-to": -14400,
            },
            {
                "name": "EST",
                "onset": "2008-11-02T06:00:00Z",
                "utc-offset-from": -14400,
                "utc-offset-to": -18000,
            },
        ],
    }
    far = await value(
        site, "/zones/Europe%2FParis/observances?start=2026-01-01T00:00:00Z&end=9999-01-01T00:00:00Z"
    )
    assert far["end"] == "2100-01-01T00:00:00Z" and len(far["observances"]) == 149
    missing = await value(site, "/zones/UTC/observances?start=2026-01-01T00:00:00Z", 400)
    assert missing["type"] == ERROR + "invalid-end"
    unknown = "/zones/Nowhere/observances?start=2026-01-01T00:00:00Z&end=2027-01-01T00:00:00Z"
    assert (await value(site, unknown, 404))["type"] == ERROR + "tzid-not-found"


async def test_find(site: Site) -> None:
    async def find(pattern: str) -> list[str]:
        return [zone["tzid"] for zone in (await value(site, f"/zones?pattern={pattern}"))["timezones"]]

    assert await find("europe/berlin") == ["Europe/Berlin"]
    assert await find("*New%20York*") == ["America/New_York"] == await find("*new_york")
    assert "Europe/Moscow" in await find("europe/m*")
    assert await find("Pittsburgh") == []
    for pattern in ("", "*", "**", "a*b", "%5C", "a%5Cb", "x" * 201, "UTC&pattern=UTC"):
        refused = await value(site, f"/zones?pattern={pattern}", 400)
        assert refused["type"] == ERROR + "invalid-pattern", pattern
    assert await find("%5C*x%5C*") == []


async def test_calendars_with_and_without_definitions(site: Site) -> None:
    ivanov = site.ivanov
    by_name = event("1", ";TZID=Europe/Berlin:20261201T100000", "DURATION:PT1H")
    await put(ivanov, CALENDAR + "1.ics", by_name)
    stored = await ivanov.request("GET", CALENDAR + "1.ics")
    assert stored.body == by_name
    whole = await ivanov.request("GET", CALENDAR + "1.ics", headers={"CalDAV-Timezones": "T"})
    assert list(check(whole.body).timezones) == ["Europe/Berlin"]
    assert whole.headers["etag"] == stored.headers["etag"]
    await put(ivanov, CALENDAR + "1.ics", whole.body, 204)
    bare = await ivanov.request("GET", CALENDAR + "1.ics", headers={"CalDAV-Timezones": "F"})
    assert bare.body == by_name
    head = await ivanov.request("HEAD", CALENDAR + "1.ics", headers={"CalDAV-Timezones": "F"})
    assert int(head.headers["content-length"]) == len(by_name)

    asked = query(in_range("VEVENT", "20261201", "20261202"), "<C:calendar-data/>")
    for header, count in ((None, 1), ("T", 1), ("F", 0)):
        fields = {"Depth": "1", **({"CalDAV-Timezones": header} if header else {})}
        answer = await ivanov.request("REPORT", CALENDAR, asked, fields)
        (data,) = answer.texts("//C:calendar-data")
        assert data.count("BEGIN:VTIMEZONE") == count, header
    options = await ivanov.request("OPTIONS", CALENDAR)
    assert "calendar-no-timezone" in options.headers["dav"].split(", ")


async def test_a_calendars_zone_by_its_name(site: Site) -> None:
    ivanov = site.ivanov

    async def patch(inner: str) -> Answer:
        body = f"<D:propertyupdate {DECLARED}><D:set><D:prop>{inner}</D:prop></D:set></D:propertyupdate>"
        return await ivanov.request("PROPPATCH", CALENDAR, body)

    asked = (
        f"<D:propfind {DECLARED}><D:prop><C:calendar-timezone/><C:calendar-timezone-id/>"
        "<C:timezone-service-set/></D:prop></D:propfind>"
    )
    refused = await patch("<C:calendar-timezone-id>Europe/Nowhere</C:calendar-timezone-id>")
    assert refused.find("//C:valid-timezone")
    await patch("<C:calendar-timezone-id>Asia/Tokyo</C:calendar-timezone-id>")
    found = await ivanov.request("PROPFIND", CALENDAR, asked, {"Depth": "0"})
    assert found.prop(CALENDAR, "C:calendar-timezone-id") == "Asia/Tokyo"
    assert "TZID:Asia/Tokyo" in (found.prop(CALENDAR, "C:calendar-timezone") or "")
    home = await ivanov.request("PROPFIND", HOME, asked, {"Depth": "0"})
    assert home.prop(HOME, "C:timezone-service-set") == "/timezones"

    await put(ivanov, CALENDAR + "floating.ics", event("floating", "20261201T010000", "DURATION:PT1H"))
    day = '<C:comp-filter name="VEVENT"><C:time-range start="20261130T150000Z" end="20261130T170001Z"/>'
    day += "</C:comp-filter>"
    assert await select(ivanov, day) == {"floating"}  # one o'clock in Tokyo
    there = "<C:timezone-id>America/New_York</C:timezone-id>"
    assert await select(ivanov, day, extra=there) == set()
    unknown = query(day, extra="<C:timezone-id>Mars/Olympus</C:timezone-id>")
    answer = await ivanov.request("REPORT", CALENDAR, unknown, {"Depth": "1"})
    assert (answer.status, answer.condition) == (403, "valid-timezone")
    assert (await ivanov.request("PUT", CALENDAR + "2.ics", b"", ICS)).status == 403
