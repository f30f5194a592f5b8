# SPDX-License-Identifier: Apache-2.0
"""A calendar or an address book read as one file, as who subscribes to its address does."""

from __future__ import annotations

import pytest

from armgs_server.dav.methods import whole
from armgs_server.formats.icalendar_split import split
from tests.dav.calendars import BERLIN, BOOK, CALENDAR, ICS, TASKS, VCF, calendar, component
from tests.dav.conftest import FILES, Site

ZONED = "DTSTART;TZID=Europe/Berlin:20261123T100000"
CARD = b"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:%d\r\nFN:Anna\r\nEND:VCARD"


async def fill(site: Site, count: int = 3) -> None:
    for at in range(count):
        data = calendar(BERLIN, component("VEVENT", f"u{at}", ZONED))
        assert (await site.ivanov.request("PUT", f"{CALENDAR}{at}.ics", data, ICS)).status == 201


async def test_a_calendar_is_one_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "HELD", 2)
    await fill(site)
    answer = await site.ivanov.request("GET", CALENDAR)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert answer.body.count(b"BEGIN:VTIMEZONE") == 1 and answer.body.count(b"BEGIN:VCALENDAR") == 1
    assert sorted(part.object.uid for part in split(answer.body).parts) == ["u0", "u1", "u2"]
    # RFC 7809 §7.1: a client that knows the zones gets none.
    bare = await site.ivanov.request("GET", CALENDAR, headers={"CalDAV-Timezones": "F"})
    assert b"VTIMEZONE" not in bare.body and bare.headers["etag"] != answer.headers["etag"]
    empty = await site.ivanov.request("GET", TASKS)
    assert empty.body.startswith(b"BEGIN:VCALENDAR\r\n") and empty.body.endswith(b"END:VCALENDAR\r\n")


async def test_an_address_book_is_one_file(site: Site) -> None:
    for at in range(2):
        assert (await site.ivanov.request("PUT", f"{BOOK}{at}.vcf", CARD % at, VCF)).status == 201
    answer = await site.ivanov.request("GET", BOOK)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/vcard; charset=utf-8")
    assert answer.body == CARD % 0 + b"\r\n" + CARD % 1 + b"\r\n"


async def test_a_browser_gets_a_page(site: Site) -> None:
    await fill(site, 1)
    for accept in ("text/html,application/xhtml+xml,*/*;q=0.8", "application/xhtml+xml"):
        page = await site.ivanov.request("GET", CALENDAR, headers={"Accept": accept})
        assert page.headers["content-type"].startswith("text/html") and page.headers["vary"] == "Accept"
    for accept in ("*/*", "text/calendar, text/html;q=0.1", "text/html;q=0, */*"):
        file = await site.ivanov.request("GET", CALENDAR, headers={"Accept": accept})
        assert file.headers["content-type"].startswith("text/calendar")
    assert (await site.ivanov.request("GET", FILES + "/")).headers["content-type"].startswith("text/html")


async def test_who_has_it_is_not_sent_it_again(site: Site) -> None:
    await fill(site, 1)
    first = await site.ivanov.request("HEAD", CALENDAR)
    assert (first.status, first.body) == (200, b"")
    known = {"If-None-Match": first.headers["etag"], "If-Modified-Since": "Sun, 22 Nov 2026 00:00:00 GMT"}
    again = await site.ivanov.request("GET", CALENDAR, headers=known)
    assert (again.status, again.body) == (304, b"")
    dated = {"If-Modified-Since": "Sun, 22 Nov 2099 00:00:00 GMT"}
    assert (await site.ivanov.request("GET", CALENDAR, headers=dated)).status == 200
    await fill(site, 0)
    await site.ivanov.request("PUT", f"{CALENDAR}9.ics", calendar(component("VEVENT", "u9", ZONED)), ICS)
    assert (await site.ivanov.request("GET", CALENDAR, headers=known)).status == 200
    refused = await site.ivanov.request("GET", CALENDAR, headers={"If-Match": '"other"'})
    assert refused.status == 412


async def test_nothing_for_who_may_not_read(site: Site) -> None:
    assert (await site.petrova.request("GET", CALENDAR)).status == 404


async def test_a_file_has_an_end(site: Site) -> None:
    await fill(site, 2)
    object.__setattr__(site.core.config.dav, "whole_items", 1)  # as a reload does
    assert (await site.ivanov.request("GET", CALENDAR)).status == 403
