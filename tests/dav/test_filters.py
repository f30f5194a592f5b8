# SPDX-License-Identifier: Apache-2.0
"""calendar-query: filters of RFC 4791 §9.7 against stored objects, from the index and by reading."""

from __future__ import annotations

import pytest

from armgs_server.dav.filters import TextMatch, fold
from tests.dav.calendars import (
    BERLIN,
    CALENDAR,
    DECLARED,
    HOME,
    TASKS,
    calendar,
    component,
    event,
    in_range,
    put,
    query,
    select,
)
from tests.dav.client import Client
from tests.dav.conftest import Site

EVENTS = {
    "once": event(
        "once", "20261110T100000Z", "DTEND:20261110T110000Z", "SUMMARY:Планёрка", "LOCATION:Room 1"
    ),
    "point": event("point", "20261101T000000Z", "SUMMARY:Deadline", "STATUS:TENTATIVE"),
    "day": event("day", ";VALUE=DATE:20261130", "SUMMARY:Holiday", "TRANSP:TRANSPARENT"),
    "long": event("long", ";VALUE=DATE:20261020", "DTEND;VALUE=DATE:20261105", "SUMMARY:Leave"),
    "weekly": event(
        "weekly",
        "20240102T090000Z",
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY",
        "EXDATE:20261110T090000Z",
        "SUMMARY:Weekly",
    ),
    "ended": event("ended", "20200101T090000Z", "RRULE:FREQ=DAILY;COUNT=5", "SUMMARY:Ended"),
    "invited": event(
        "invited",
        "20261215T090000Z",
        "SUMMARY:Interview",
        "ATTENDEE;PARTSTAT=NEEDS-ACTION;CN=Anna:mailto:petrova@digital.example",
        "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ivanov@digital.example",
        "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-P1D\nDESCRIPTION:x\nEND:VALARM",
    ),
    "moved": calendar(
        component("VEVENT", "moved", "DTSTART:20261106T100000Z", "RRULE:FREQ=WEEKLY;COUNT=2", "SUMMARY:Two"),
        component(
            "VEVENT",
            "moved",
            "RECURRENCE-ID:20261113T100000Z",
            "DTSTART:20270101T100000Z",
            "SUMMARY:New Year",
        ),
    ),
}
NOVEMBER = ("20261101", "20261201")


async def fill(client: Client) -> None:
    for name, data in EVENTS.items():
        await put(client, f"{CALENDAR}{name}.ics", data)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("20261101", "20261201", {"once", "point", "day", "long", "weekly", "moved"}),
        ("20261110", "20261111", {"once"}),  # the weekly one is excepted on that day
        ("20261113", "20261114", set()),  # the moved one has left
        ("20270101", "20270102", {"moved"}),
        ("20200103", "20200104", {"ended"}),  # before what the index holds
        ("20200110", "20200111", set()),
        ("20400103", "20400104", {"weekly"}),  # after it
        ("20261025", "20261026", {"long"}),
        ("20261105", "20261106", set()),  # DTEND is not part of an event
        ("20261031", "20261101", {"long"}),  # an event without duration counts where it begins
    ],
)
async def test_time_ranges_of_events(site: Site, start: str, end: str, expected: set[str]) -> None:
    await fill(site.ivanov)
    assert await select(site.ivanov, in_range("VEVENT", start, end)) == expected
    # The same by reading every object: a filter that the index cannot answer but which always holds.
    always = '<C:prop-filter name="UID"/>'
    assert await select(site.ivanov, in_range("VEVENT", start, end, always)) == expected


async def test_both_engines_answer_alike(both_sites: Site) -> None:
    await fill(both_sites.ivanov)
    assert await select(both_sites.ivanov, in_range("VEVENT", *NOVEMBER)) == {
        "once", "point", "day", "long", "weekly", "moved",
    }  # fmt: skip
    assert await select(both_sites.ivanov, in_range("VEVENT", "20400103", "20400104")) == {"weekly"}
    assert await select(both_sites.ivanov, "") == set(EVENTS)
    assert await select(both_sites.ivanov, '<C:comp-filter name="VEVENT"/>') == set(EVENTS)
    assert await select(both_sites.ivanov, '<C:comp-filter name="VTODO"/>') == set()
    assert await select(
        both_sites.ivanov, '<C:comp-filter name="VTODO"><C:is-not-defined/></C:comp-filter>'
    ) == set(EVENTS)


def text(name: str, needle: str, attributes: str = "") -> str:
    return (
        f'<C:comp-filter name="VEVENT"><C:prop-filter name="{name}"><C:text-match {attributes}>{needle}'
        "</C:text-match></C:prop-filter></C:comp-filter>"
    )


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (text("SUMMARY", "WEEK"), {"weekly"}),
        (text("SUMMARY", "WEEK", 'collation="i;octet"'), set()),
        (text("SUMMARY", "планёр", 'collation="i;unicode-casemap"'), {"once"}),
        (text("SUMMARY", "e", 'negate-condition="yes"'), {"once", "moved", "day"}),
        (text("STATUS", "TENTATIVE"), {"point"}),
        (
            '<C:comp-filter name="VEVENT"><C:prop-filter name="LOCATION"><C:is-not-defined/></C:prop-filter>'
            + '<C:prop-filter name="ATTENDEE"/></C:comp-filter>',
            {"invited"},
        ),
        (
            '<C:comp-filter name="VEVENT"><C:prop-filter name="ATTENDEE"><C:text-match>petrova</C:text-match>'
            '<C:param-filter name="PARTSTAT"><C:text-match>NEEDS-ACTION</C:text-match></C:param-filter>'
            "</C:prop-filter></C:comp-filter>",
            {"invited"},
        ),
        (
            '<C:comp-filter name="VEVENT"><C:prop-filter name="ATTENDEE"><C:text-match>ivanov</C:text-match>'
            '<C:param-filter name="PARTSTAT"><C:text-match>NEEDS-ACTION</C:text-match></C:param-filter>'
            "</C:prop-filter></C:comp-filter>",
            set(),
        ),
        (
            '<C:comp-filter name="VEVENT"><C:prop-filter name="ATTENDEE"><C:param-filter name="CN">'
            "<C:is-not-defined/></C:param-filter></C:prop-filter></C:comp-filter>",
            {"invited"},
        ),
        (
            '<C:comp-filter name="VEVENT"><C:prop-filter name="DTSTAMP">'
            '<C:time-range start="20261101T000000Z" end="20261102T000000Z"/></C:prop-filter></C:comp-filter>',
            set(EVENTS),
        ),
        ('<C:comp-filter name="VEVENT"><C:comp-filter name="VALARM"/></C:comp-filter>', {"invited"}),
        (
            '<C:comp-filter name="VEVENT"><C:comp-filter name="VALARM">'
            '<C:time-range start="20261214T080000Z" end="20261214T100000Z"/></C:comp-filter></C:comp-filter>',
            {"invited"},
        ),
        (
            '<C:comp-filter name="VEVENT"><C:comp-filter name="VALARM">'
            '<C:time-range start="20261215T080000Z" end="20261215T100000Z"/></C:comp-filter></C:comp-filter>',
            set(),
        ),
        # The time range and the text must hold for the same component.
        (
            in_range(
                "VEVENT",
                "20270101",
                "20270102",
                '<C:prop-filter name="SUMMARY"><C:text-match>Two</C:text-match></C:prop-filter>',
            ),
            set(),
        ),
        (
            in_range(
                "VEVENT",
                "20270101",
                "20270102",
                '<C:prop-filter name="SUMMARY"><C:text-match>New</C:text-match></C:prop-filter>',
            ),
            {"moved"},
        ),
    ],
)
async def test_text_parameters_and_alarms(site: Site, filter_: str, expected: set[str]) -> None:
    await fill(site.ivanov)
    assert await select(site.ivanov, filter_) == expected


TODOS = {
    "none": (),
    "start": ("DTSTART:20261110T100000Z",),
    "due": ("DUE:20261110T100000Z",),
    "both": ("DTSTART:20261101T000000Z", "DUE:20261120T000000Z"),
    "length": ("DTSTART:20261109T230000Z", "DURATION:PT2H"),
    "done": ("COMPLETED:20261110T120000Z",),
    "created": ("CREATED:20261110T120000Z",),
    "later": ("DTSTART:20270101T000000Z", "DUE:20270102T000000Z"),
    "repeated": (
        "DTSTART:20261001T100000Z",
        "DUE:20261001T110000Z",
        "RRULE:FREQ=DAILY;UNTIL=20261231T000000Z",
    ),
}


async def test_time_ranges_of_tasks(both_sites: Site) -> None:
    # RFC 4791 §9.9: the table for VTODO
    ivanov = both_sites.ivanov
    for name, lines in TODOS.items():
        await put(ivanov, f"{TASKS}{name}.ics", calendar(component("VTODO", name, *lines)))
    ten = await select(ivanov, in_range("VTODO", "20261110", "20261111"), TASKS)
    assert ten == set(TODOS) - {"later"}
    assert await select(ivanov, in_range("VTODO", "20261008", "20261009"), TASKS) == {"none", "repeated"}
    assert await select(ivanov, in_range("VTODO", "20270101", "20270102"), TASKS) == {
        "none",
        "created",
        "later",
    }
    open_ = (
        '<C:comp-filter name="VTODO"><C:prop-filter name="COMPLETED"><C:is-not-defined/></C:prop-filter>'
        '<C:prop-filter name="STATUS"><C:text-match negate-condition="yes">CANCELLED</C:text-match>'
        "</C:prop-filter></C:comp-filter>"
    )
    assert await select(ivanov, open_, TASKS) == set()  # none has a STATUS
    assert len(await select(ivanov, '<C:comp-filter name="VTODO"/>', TASKS)) == len(TODOS)


async def test_floating_times_follow_the_calendars_zone(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    await put(ivanov, CALENDAR + "float.ics", event("float", "20261110T003000", "DURATION:PT10M"))
    await put(ivanov, CALENDAR + "date.ics", event("date", ";VALUE=DATE:20261110"))
    half_past = (
        '<C:comp-filter name="VEVENT"><C:time-range start="20261109T233000Z" end="20261109T234000Z"/>'
        "</C:comp-filter>"
    )
    assert await select(ivanov, half_past) == set()
    zone = f"<C:timezone>{calendar(BERLIN).decode()}</C:timezone>"
    assert await select(ivanov, half_past, extra=zone) == {"float", "date"}
    patch = (
        f"<D:propertyupdate {DECLARED}><D:set><D:prop><C:calendar-timezone>{calendar(BERLIN).decode()}"
        "</C:calendar-timezone></D:prop></D:set></D:propertyupdate>"
    )
    assert (await ivanov.request("PROPPATCH", CALENDAR, patch)).status == 207
    assert await select(ivanov, half_past) == {"float", "date"}
    assert await select(ivanov, in_range("VEVENT", "20261111", "20261112")) == set()


@pytest.mark.parametrize(
    ("body", "condition"),
    [
        (query("").replace("VCALENDAR", "VEVENT"), "valid-filter"),
        (query("<C:comp-filter/>"), "valid-filter"),
        (query('<C:comp-filter name="VEVENT"><C:time-range/></C:comp-filter>'), "valid-filter"),
        (
            query('<C:comp-filter name="VEVENT"><C:time-range start="20261101"/></C:comp-filter>'),
            "valid-filter",
        ),
        (
            query('<C:comp-filter name="VEVENT"><C:time-range start="20261101T000000"/></C:comp-filter>'),
            "valid-filter",
        ),
        (query(in_range("VEVENT", "20261202", "20261201")), "valid-filter"),
        (query('<C:comp-filter name="VEVENT">' * 8 + "</C:comp-filter>" * 8), "valid-filter"),
        (query(text("SUMMARY", "x", 'collation="i;klingon"')), "supported-collation"),
        (query("", '<C:calendar-data content-type="text/html"/>'), "supported-calendar-data"),
        (query("", extra="<C:timezone>Berlin</C:timezone>"), "valid-calendar-data"),
    ],
)
async def test_refused_queries(site: Site, body: str, condition: str) -> None:
    await put(site.ivanov, CALENDAR + "once.ics", EVENTS["once"])
    answer = await site.ivanov.request("REPORT", CALENDAR, body, {"Depth": "1"})
    assert (answer.status, answer.condition) == (403, condition)


async def test_a_query_on_one_object_and_on_something_else(site: Site) -> None:
    await fill(site.ivanov)
    one = await site.ivanov.request("REPORT", CALENDAR + "once.ics", query(in_range("VEVENT", *NOVEMBER)))
    assert one.hrefs == [CALENDAR + "once.ics"]
    elsewhere = await site.ivanov.request("REPORT", HOME, query(""))
    assert (elsewhere.status, elsewhere.condition) == (403, "supported-report")


def test_collations() -> None:
    assert fold("ÄBC", "i;ascii-casemap") == "Äbc"
    assert fold("ÄBC", "i;unicode-casemap") == "äbc"
    assert fold("ÄBC", "i;octet") == "ÄBC"
    for kind, value, expected in (
        ("equals", "Anna", True),
        ("equals", "Annabel", False),
        ("starts-with", "Annabel", True),
        ("ends-with", "Joanna", True),
        ("contains", "Joannas", True),
    ):
        assert TextMatch("anna", "i;unicode-casemap", kind).matches([value]) is expected
        assert TextMatch("anna", "i;unicode-casemap", kind, negate=True).matches([value]) is not expected


@pytest.mark.parametrize(
    "inner",
    [
        '<C:time-range start="20260101T000000Z"/>',
        '<C:comp-filter name="VALARM"/>',
        '<C:comp-filter name="VTIMEZONE"><C:time-range start="20260101T000000Z"/></C:comp-filter>',
        '<C:comp-filter name="VEVENT"><C:comp-filter name="VTODO"/></C:comp-filter>',
        '<C:comp-filter name="VEVENT"><C:comp-filter name="VALARM"><C:comp-filter name="VEVENT"/>'
        "</C:comp-filter></C:comp-filter>",
        '<C:comp-filter name="VEVENT"><C:comp-filter name="X-PLAN"><C:time-range end="20260101T000000Z"/>'
        "</C:comp-filter></C:comp-filter>",
        '<C:comp-filter name="VEVENT"><C:prop-filter name="SUMMARY"><C:time-range end="20260101T000000Z"/>'
        "</C:prop-filter></C:comp-filter>",
    ],
)
async def test_filters_that_ask_for_what_cannot_be(site: Site, inner: str) -> None:
    # RFC 4791 §7.8: a component nested where it does not lie, a time range of what has no time.
    body = (
        '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/></prop>'
        f'<C:filter><C:comp-filter name="VCALENDAR">{inner}</C:comp-filter></C:filter></C:calendar-query>'
    )
    answer = await site.ivanov.request("REPORT", CALENDAR, body, {"Depth": "1"})
    assert (answer.status, answer.condition) == (403, "valid-filter")


async def test_filters_of_extensions(site: Site) -> None:
    inner = (
        '<C:comp-filter name="VEVENT"><C:comp-filter name="X-PLAN"/>'
        '<C:prop-filter name="X-UNTIL"><C:time-range end="20260101T000000Z"/></C:prop-filter></C:comp-filter>'
    )
    body = (
        '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/></prop>'
        f'<C:filter><C:comp-filter name="VCALENDAR">{inner}</C:comp-filter></C:filter></C:calendar-query>'
    )
    answer = await site.ivanov.request("REPORT", CALENDAR, body, {"Depth": "1"})
    assert (answer.status, answer.hrefs) == (207, [])


@pytest.mark.parametrize("attributes", ["content-type='text/vcalendar'", "version='1.0'"])
async def test_a_media_type_that_is_not_served(site: Site, attributes: str) -> None:
    # RFC 4791 §7.9: refused although nothing of it would be rendered.
    body = (
        '<C:calendar-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
        f"<prop><C:calendar-data {attributes}/></prop><href>{CALENDAR}none.ics</href></C:calendar-multiget>"
    )
    answer = await site.ivanov.request("REPORT", CALENDAR, body)
    assert (answer.status, answer.condition) == (403, "supported-calendar-data")


async def test_any_of_the_parts(site: Site) -> None:
    # test="anyof", as Calendar Server's clients send it
    ivanov = site.ivanov
    for name in ("once", "weekly", "invited"):
        await put(ivanov, f"{CALENDAR}{name}.ics", EVENTS[name])

    async def found(filters: str, outer: str = "allof") -> list[str]:
        body = (
            '<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/></prop>'
            f'<C:filter><C:comp-filter name="VCALENDAR" test="{outer}">{filters}</C:comp-filter></C:filter>'
            "</C:calendar-query>"
        )
        answer = await ivanov.request("REPORT", CALENDAR, body, {"Depth": "1"})
        assert answer.status == 207, answer.body
        return sorted(href.rpartition("/")[2] for href in answer.hrefs)

    def summary(text: str) -> str:
        return f'<C:prop-filter name="SUMMARY"><C:text-match>{text}</C:text-match></C:prop-filter>'

    both = summary("Weekly") + summary("Interview")
    assert await found(f'<C:comp-filter name="VEVENT">{both}</C:comp-filter>') == []
    events = f'<C:comp-filter name="VEVENT" test="anyof">{both}</C:comp-filter>'
    assert await found(events) == ["invited.ics", "weekly.ics"]
    kinds = '<C:comp-filter name="VTODO"/><C:comp-filter name="VEVENT"/>'
    assert await found(kinds) == []
    assert await found(kinds, "anyof") == ["invited.ics", "once.ics", "weekly.ics"]
    who = (
        '<C:comp-filter name="VEVENT"><C:prop-filter name="ATTENDEE" test="anyof">'
        "<C:text-match>nobody</C:text-match>"
        '<C:param-filter name="CN"><C:text-match>Anna</C:text-match></C:param-filter>'
        "</C:prop-filter></C:comp-filter>"
    )
    assert await found(who) == ["invited.ics"]
