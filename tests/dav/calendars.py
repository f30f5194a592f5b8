# SPDX-License-Identifier: Apache-2.0
"""Calendar objects, cards and request bodies that the CalDAV and CardDAV tests share."""

from __future__ import annotations

from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV

HOME = f"/dav/calendars/{IVANOV}/"
CALENDAR = HOME + "default/"
TASKS = HOME + "tasks/"
BOOK = f"/dav/addressbooks/{IVANOV}/contacts/"
ICS = {"Content-Type": "text/calendar; charset=utf-8"}
VCF = {"Content-Type": "text/vcard; charset=utf-8"}
DECLARED = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CR="urn:ietf:params:xml:ns:carddav"'
BERLIN = """\
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
DTSTART:19700329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
DTSTART:19701025T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""


def component(kind: str, uid: str, *lines: str) -> str:
    return "\n".join([f"BEGIN:{kind}", f"UID:{uid}", "DTSTAMP:20261101T000000Z", *lines, f"END:{kind}", ""])


def calendar(*components: str) -> bytes:
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\n{''.join(components)}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def event(uid: str, start: str, *lines: str) -> bytes:
    return calendar(component("VEVENT", uid, f"DTSTART{start if start[0] == ';' else ':' + start}", *lines))


def card(uid: str, fn: str, *lines: str) -> bytes:
    return "\r\n".join(
        ["BEGIN:VCARD", "VERSION:3.0", f"UID:{uid}", f"FN:{fn}", *lines, "END:VCARD", ""]
    ).encode()


async def put(client: Client, path: str, data: bytes, status: int = 201) -> Answer:
    answer = await client.request("PUT", path, data, VCF if path.endswith(".vcf") else ICS)
    assert answer.status == status, answer.body.decode()
    return answer


def query(filter_: str, prop: str = "<D:getetag/>", extra: str = "") -> str:
    """A calendar-query; `filter_` goes inside the filter for VCALENDAR."""
    return (
        f"<C:calendar-query {DECLARED}><D:prop>{prop}</D:prop><C:filter>"
        f'<C:comp-filter name="VCALENDAR">{filter_}</C:comp-filter></C:filter>{extra}</C:calendar-query>'
    )


def in_range(kind: str, start: str, end: str, inside: str = "") -> str:
    """A comp-filter with a time range; days are given as 20261123."""
    return (
        f'<C:comp-filter name="{kind}"><C:time-range start="{start}T000000Z" end="{end}T000000Z"/>'
        f"{inside}</C:comp-filter>"
    )


async def select(client: Client, filter_: str, path: str = CALENDAR, extra: str = "") -> set[str]:
    """The names of the members that a filter selects."""
    answer = await client.request("REPORT", path, query(filter_, extra=extra), {"Depth": "1"})
    assert answer.status == 207, answer.body.decode()
    return {href.rpartition("/")[2].partition(".")[0] for href in answer.hrefs}
