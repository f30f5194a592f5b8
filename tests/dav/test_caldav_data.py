# SPDX-License-Identifier: Apache-2.0
"""Parts of calendar data (RFC 4791 §9.6), and free-busy-query (§7.10)."""

from __future__ import annotations

from tests.dav.calendars import BERLIN, CALENDAR, DECLARED, calendar, component, event, in_range, put, query
from tests.dav.client import Answer, Client
from tests.dav.conftest import Site

SERIES = calendar(
    BERLIN,
    component(
        "VEVENT",
        "series",
        "DTSTART;TZID=Europe/Berlin:20261023T090000",
        "DTEND;TZID=Europe/Berlin:20261023T093000",
        "RRULE:FREQ=DAILY;COUNT=6",
        "EXDATE;TZID=Europe/Berlin:20261024T090000",
        "SUMMARY:Stand-up",
        "DESCRIPTION:Long and private",
    ),
    component(
        "VEVENT",
        "series",
        "RECURRENCE-ID;TZID=Europe/Berlin:20261025T090000",
        "DTSTART;TZID=Europe/Berlin:20261025T110000",
        "DTEND;TZID=Europe/Berlin:20261025T113000",
        "SUMMARY:Later",
    ),
)
RANGE = 'start="20261023T000000Z" end="20261027T000000Z"'


async def data_of(client: Client, asked: str, start: str = "20261023", end: str = "20261027") -> str:
    body = query(in_range("VEVENT", start, end), f"<C:calendar-data>{asked}</C:calendar-data>")
    answer = await client.request("REPORT", CALENDAR, body, {"Depth": "1"})
    assert answer.status == 207, answer.body
    return answer.texts("//C:calendar-data")[0]


async def test_expand(both_sites: Site) -> None:
    await put(both_sites.ivanov, CALENDAR + "series.ics", SERIES)
    data = await data_of(both_sites.ivanov, f"<C:expand {RANGE}/>")
    times = [
        line for line in data.split("\n") if line.startswith(("DTSTART", "DTEND", "RECURRENCE-ID", "SUMMARY"))
    ]
    assert times == [
        "DTSTART:20261023T070000Z", "DTEND:20261023T073000Z", "RECURRENCE-ID:20261023T070000Z",
        "SUMMARY:Stand-up",
        "DTSTART:20261025T100000Z", "DTEND:20261025T103000Z", "RECURRENCE-ID:20261025T080000Z",
        "SUMMARY:Later",
        "DTSTART:20261026T080000Z", "DTEND:20261026T083000Z", "RECURRENCE-ID:20261026T080000Z",
        "SUMMARY:Stand-up",
    ]  # fmt: skip
    for gone in ("RRULE", "EXDATE", "VTIMEZONE", "TZID"):
        assert gone not in data


async def test_expand_keeps_dates_and_floating_times(site: Site) -> None:
    await put(site.ivanov, CALENDAR + "d.ics", event("d", ";VALUE=DATE:20261023", "RRULE:FREQ=DAILY;COUNT=2"))
    assert "DTSTART;VALUE=DATE:20261024\n" in await data_of(site.ivanov, f"<C:expand {RANGE}/>")
    await site.ivanov.request("DELETE", CALENDAR + "d.ics")
    await put(
        site.ivanov,
        CALENDAR + "f.ics",
        event("f", "20261023T090000", "RRULE:FREQ=DAILY;COUNT=2", "DURATION:PT1H"),
    )
    data = await data_of(site.ivanov, f"<C:expand {RANGE}/>")
    assert "DTSTART:20261024T090000\n" in data and "DTEND:20261024T100000\n" in data


async def test_expand_is_bounded(site: Site) -> None:
    await put(site.ivanov, CALENDAR + "m.ics", event("m", "20261023T000000Z", "RRULE:FREQ=MINUTELY"))
    data = await data_of(site.ivanov, '<C:expand start="20261023T000000Z" end="20401023T000000Z"/>')
    assert data.count("BEGIN:VEVENT") == site.core.config.dav.instances


async def test_limit_recurrence_set(site: Site) -> None:
    await put(site.ivanov, CALENDAR + "series.ics", SERIES)
    with_override = await data_of(site.ivanov, f"<C:limit-recurrence-set {RANGE}/>")
    assert with_override.count("BEGIN:VEVENT") == 2 and "RRULE" in with_override
    without = await data_of(
        site.ivanov, '<C:limit-recurrence-set start="20261027T000000Z" end="20261030T000000Z"/>'
    )
    assert without.count("BEGIN:VEVENT") == 1 and "RRULE" in without
    replaced = await data_of(  # the hour it was moved away from
        site.ivanov, '<C:limit-recurrence-set start="20261025T080000Z" end="20261025T081000Z"/>'
    )
    assert replaced.count("BEGIN:VEVENT") == 2


async def test_some_components_and_properties(site: Site) -> None:
    await put(site.ivanov, CALENDAR + "series.ics", SERIES)
    data = await data_of(
        site.ivanov,
        '<C:comp name="VCALENDAR"><C:prop name="VERSION"/><C:comp name="VEVENT"><C:prop name="UID"/>'
        '<C:prop name="SUMMARY"/><C:prop name="DESCRIPTION" novalue="yes"/></C:comp></C:comp>',
    )
    assert data.replace("\r", "").split("\n")[:8] == [
        "BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:series", "SUMMARY:Stand-up", "DESCRIPTION:",
        "END:VEVENT", "BEGIN:VEVENT",
    ]  # fmt: skip
    everything = await data_of(site.ivanov, '<C:comp name="VCALENDAR"><C:allprop/><C:allcomp/></C:comp>')
    assert "TZID:Europe/Berlin" in everything and "DESCRIPTION:Long" in everything


async def test_limit_freebusy_set(site: Site) -> None:
    busy = component(
        "VFREEBUSY",
        "fb",
        "FREEBUSY:20261023T100000Z/PT1H,20261101T100000Z/20261101T110000Z",
        "ATTENDEE:mailto:a@b.c",
    )
    body = (
        f"<C:mkcalendar {DECLARED}><D:set><D:prop><C:supported-calendar-component-set>"
        '<C:comp name="VFREEBUSY"/></C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>'
    )
    path = CALENDAR.replace("default", "busy")
    assert (await site.ivanov.request("MKCALENDAR", path, body)).status == 201
    await put(site.ivanov, path + "fb.ics", calendar(busy))
    asked = f"<C:calendar-data><C:limit-freebusy-set {RANGE}/></C:calendar-data>"
    answer = await site.ivanov.request(
        "REPORT", path, query(in_range("VFREEBUSY", "20261023", "20261024"), asked)
    )
    assert "FREEBUSY;FBTYPE=BUSY:20261023T100000Z/20261023T110000Z\n" in answer.texts("//C:calendar-data")[0]
    assert "20261101" not in answer.texts("//C:calendar-data")[0].replace("DTSTAMP:20261101", "")
    none = await site.ivanov.request("REPORT", path, query(in_range("VFREEBUSY", "20261024", "20261025")))
    assert none.hrefs == []
    assert (
        "20261023T100000Z/20261023T110000Z"
        in (await free_busy(site.ivanov, "20261023", "20261024", path)).body.decode()
    )


async def free_busy(client: Client, start: str, end: str, path: str = CALENDAR) -> Answer:
    times = f'<C:time-range start="{start}T000000Z" end="{end}T000000Z"/>'
    body = f"<C:free-busy-query {DECLARED}>{times}</C:free-busy-query>"
    return await client.request("REPORT", path, body, {"Depth": "1"})


async def test_free_busy(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    for name, data in {
        "a": event("a", "20261023T100000Z", "DTEND:20261023T110000Z", "SUMMARY:Secret"),
        "b": event("b", "20261023T103000Z", "DTEND:20261023T120000Z"),
        "c": event("c", "20261023T140000Z", "DURATION:PT1H", "STATUS:TENTATIVE"),
        "d": event("d", "20261023T150000Z", "DURATION:PT1H", "TRANSP:TRANSPARENT"),
        "e": event("e", "20261023T160000Z", "DURATION:PT1H", "STATUS:CANCELLED"),
        "f": event("f", "20261022T230000Z", "DURATION:PT2H"),
        "g": event("g", "20300101T100000Z", "DURATION:PT1H", "RRULE:FREQ=YEARLY"),
    }.items():
        await put(ivanov, f"{CALENDAR}{name}.ics", data)
    answer = await free_busy(ivanov, "20261023", "20261024")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/calendar")
    assert [line for line in answer.body.decode().split("\r\n") if line.startswith("FREEBUSY")] == [
        "FREEBUSY:20261023T000000Z/20261023T010000Z",
        "FREEBUSY:20261023T100000Z/20261023T120000Z",
        "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20261023T140000Z/20261023T150000Z",
    ]
    assert b"Secret" not in answer.body
    far = await free_busy(ivanov, "20400101", "20400102")
    assert b"FREEBUSY:20400101T100000Z/20400101T110000Z" in far.body


async def test_free_busy_that_cannot_be_answered(site: Site) -> None:
    assert (await site.ivanov.request("REPORT", CALENDAR, f"<C:free-busy-query {DECLARED}/>")).status == 400
    assert (await free_busy(site.ivanov, "20261023", "20461023")).status == 403
    assert (await free_busy(site.petrova, "20261023", "20261024")).status == 404
