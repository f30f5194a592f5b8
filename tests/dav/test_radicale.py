# SPDX-License-Identifier: Apache-2.0
"""Radicale as oracle: the same objects and the same filters select the same items on both servers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from lxml import etree
from radicale import app, config

from tests.dav.calendars import (
    BOOK,
    CALENDAR,
    DECLARED,
    ICS,
    VCF,
    calendar,
    card,
    component,
    event,
    in_range,
    query,
)
from tests.dav.client import NAMESPACES
from tests.dav.conftest import Site


class Radicale:
    """The other server, called without a socket."""

    def __init__(self, path: Path) -> None:
        configuration = config.load()
        configuration.update(
            {
                "storage": {"filesystem_folder": str(path)},
                "auth": {"type": "none"},
                "rights": {"type": "authenticated"},
                "logging": {"level": "error"},
            },
            "test",
        )
        self._app = app.Application(configuration)

    def request(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/xml"
    ) -> tuple[int, bytes]:
        statuses: list[str] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": "Basic dTpw",  # u:p, and every password is right
            "HTTP_DEPTH": "1",
            "CONTENT_TYPE": kind,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        parts = self._app(environ, lambda status, headers: statuses.append(status))
        return int(statuses[0].split(" ")[0]), b"".join(parts)


@pytest.fixture
def radicale(tmp_path: Path) -> Iterator[Radicale]:
    server = Radicale(tmp_path / "radicale")
    assert server.request("MKCALENDAR", "/u/calendar/")[0] == 201
    types = "<D:resourcetype><D:collection/><CR:addressbook/></D:resourcetype>"
    made = f"<D:mkcol {DECLARED}><D:set><D:prop>{types}</D:prop></D:set></D:mkcol>"
    assert server.request("MKCOL", "/u/book/", made.encode())[0] == 201
    yield server


def events() -> dict[str, bytes]:
    """Events of many shapes, from a fixed list: times, dates, zones, series, exceptions, moved instances."""
    shapes: list[tuple[str, ...]] = [
        ("20261110T100000Z", "DTEND:20261110T110000Z"),
        ("20261109T233000Z", "DURATION:PT1H"),
        (";VALUE=DATE:20261112",),
        (";VALUE=DATE:20261101", "DTEND;VALUE=DATE:20261109"),
        ("20261005T090000Z", "DURATION:PT30M", "RRULE:FREQ=WEEKLY;BYDAY=MO,TH"),
        ("20261005T090000Z", "DURATION:PT30M", "RRULE:FREQ=DAILY;COUNT=20"),
        ("20250115T120000Z", "DURATION:PT2H", "RRULE:FREQ=MONTHLY;BYDAY=2TU"),
        ("20200229T080000Z", "DURATION:PT1H", "RRULE:FREQ=YEARLY"),
        ("20261001T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20261110T100000Z"),
        (
            "20261103T100000Z",
            "DURATION:PT1H",
            "RRULE:FREQ=WEEKLY",
            "EXDATE:20261110T100000Z,20261117T100000Z",
        ),
        ("20261102T070000Z", "DURATION:PT1H", "RDATE:20261111T070000Z,20261118T070000Z"),
        ("20261104T150000Z", "DURATION:PT15M", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("20261231T230000Z", "DURATION:PT2H", "STATUS:TENTATIVE"),
    ]
    found = {
        f"e{number}": event(f"e{number}", start, *lines, f"SUMMARY:Event {number}")
        for number, (start, *lines) in enumerate(shapes)
    }
    found["moved"] = calendar(
        component(
            "VEVENT", "moved", "DTSTART:20261105T100000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=4"
        ),
        component(
            "VEVENT", "moved", "RECURRENCE-ID:20261112T100000Z", "DTSTART:20261114T100000Z", "DURATION:PT1H"
        ),
    )
    return found


async def compare(site: Site, radicale: Radicale, ours: str, theirs: str, body: str) -> set[str]:
    """The names both select, proved equal."""
    mine = await site.ivanov.request("REPORT", ours, body, {"Depth": "1"})
    assert mine.status == 207, mine.body
    status, answer = radicale.request("REPORT", theirs, body.encode())
    assert status == 207, answer
    selected = {href.rpartition("/")[2] for href in mine.hrefs}
    hrefs = etree.fromstring(answer).xpath("/D:multistatus/D:response/D:href/text()", namespaces=NAMESPACES)
    assert isinstance(hrefs, list)
    assert selected == {str(href).rpartition("/")[2] for href in hrefs}, body
    return selected


async def test_the_same_events_in_every_range(site: Site, radicale: Radicale) -> None:
    for name, data in events().items():
        assert (await site.ivanov.request("PUT", f"{CALENDAR}{name}.ics", data, ICS)).status == 201
        assert radicale.request("PUT", f"/u/calendar/{name}.ics", data, "text/calendar")[0] == 201
    counts = set()
    ranges = [(date(2026, 10, 25) + timedelta(day), length) for day in range(0, 40, 2) for length in (1, 7)]
    for first, length in [*ranges, (date(2027, 1, 1), 31), (date(2026, 1, 1), 365)]:
        body = query(in_range("VEVENT", f"{first:%Y%m%d}", f"{first + timedelta(length):%Y%m%d}"))
        counts.add(len(await compare(site, radicale, CALENDAR, "/u/calendar/", body)))
    assert len(counts) > 5


async def test_the_same_events_by_text(site: Site, radicale: Radicale) -> None:
    for name, data in events().items():
        assert (await site.ivanov.request("PUT", f"{CALENDAR}{name}.ics", data, ICS)).status == 201
        assert radicale.request("PUT", f"/u/calendar/{name}.ics", data, "text/calendar")[0] == 201
    for inside in (
        '<C:prop-filter name="SUMMARY"><C:text-match>EVENT 1</C:text-match></C:prop-filter>',
        '<C:prop-filter name="SUMMARY"><C:is-not-defined/></C:prop-filter>',
        '<C:prop-filter name="STATUS"/>',
        '<C:prop-filter name="RRULE"><C:text-match>weekly</C:text-match></C:prop-filter>',
        '<C:prop-filter name="UID"><C:text-match negate-condition="yes">e1</C:text-match></C:prop-filter>',
    ):
        body = query(f'<C:comp-filter name="VEVENT">{inside}</C:comp-filter>')
        assert await compare(site, radicale, CALENDAR, "/u/calendar/", body)


async def test_the_same_cards(site: Site, radicale: Radicale) -> None:
    for number in range(30):
        data = card(
            f"c{number}",
            f"Given{number % 7} Family{number % 5}",
            f"N:Family{number % 5};Given{number % 7};;;",
            f"EMAIL;TYPE=WORK:mail{number}@example.com",
            *([f"NICKNAME:Nick{number}"] if number % 3 else []),
        )
        assert (await site.ivanov.request("PUT", f"{BOOK}c{number}.vcf", data, VCF)).status == 201
        assert radicale.request("PUT", f"/u/book/c{number}.vcf", data, "text/vcard")[0] == 201
    for test, filters in (
        ("anyof", [("FN", "contains", "given1")]),
        ("anyof", [("FN", "starts-with", "Given2"), ("EMAIL", "contains", "mail7@")]),
        ("allof", [("FN", "contains", "family3"), ("NICKNAME", "contains", "nick")]),
        ("anyof", [("EMAIL", "equals", "mail4@example.com")]),
        ("anyof", [("FN", "ends-with", "FAMILY4")]),
    ):
        inside = "".join(
            f'<CR:prop-filter name="{name}"><CR:text-match match-type="{kind}">{text}</CR:text-match>'
            "</CR:prop-filter>"
            for name, kind, text in filters
        )
        body = (
            f'<CR:addressbook-query {DECLARED}><D:prop><D:getetag/></D:prop><CR:filter test="{test}">{inside}'
            "</CR:filter></CR:addressbook-query>"
        )
        assert await compare(site, radicale, BOOK, "/u/book/", body)
