# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends, it is answered or refused: never 500, and the next request is served."""

from __future__ import annotations

import random
from xml.sax.saxutils import quoteattr

from armgs_server import dav
from armgs_server.dav.features import build_tables
from armgs_server.dav.names import split
from tests.dav.client import Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site

ROUNDS = 400
PATHS = (
    "/",
    "/dav/",
    f"{FILES}/",
    f"{FILES}/a",
    f"{FILES}/d/",
    f"{FILES}/d/none",
    f"/dav/principals/people/{IVANOV}/",
    f"/dav/principals/people/{PETROVA}/",
    f"/dav/calendars/{IVANOV}/",
    f"/dav/calendars/{IVANOV}/default/",
    f"/dav/calendars/{IVANOV}/default/x.ics",
    f"/dav/addressbooks/{IVANOV}/contacts/",
    f"/dav/addressbooks/{IVANOV}/directory/",
    "/dav/files/shared/",
)
HEADERS = {
    "Depth": ("0", "1", "infinity", "2", ""),
    "If": ("(<x:y>)", '(["a"])', "</a> (Not <x:y>)", "(", f'<{FILES}/a> (["x"])'),
    "If-Match": ("*", '"a"', "a"),
    "If-None-Match": ("*", '"a", W/"b"', "a"),
    "If-Modified-Since": ("Sun, 06 Nov 1994 08:49:37 GMT", "x"),
    "Destination": (f"{FILES}/b", f"{FILES}/d/e/", "http://[", "/", f"/dav/calendars/{IVANOV}/default/y.ics"),
    "Overwrite": ("T", "F", "x"),
    "Timeout": ("Second-1", "Infinite", "x"),
    "Lock-Token": ("<x:y>", "x"),
    "Range": ("bytes=0-0", "bytes=-", "x"),
    "Prefer": ("return=minimal", ","),
    "Content-Type": ("text/xml", "text/calendar", "text/vcard", "image/png"),
}


class Generator:
    """Requests made of the names the server knows, put together without sense."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        tables = build_tables(dav.FEATURES)
        self.methods = (*tables.methods, "GET", "POST", "MKCALENDAR")
        names = [
            f"{{DAV:}}{name}"
            for name in "prop set remove href allprop propname include property-search match lockscope "
            "locktype exclusive shared write owner limit nresults".split()
        ]
        names += ["{DAV:}sync-token", "{DAV:}sync-level", "{DAV:}property", "{DAV:}resourcetype"]
        names += [
            f"{{urn:ietf:params:xml:ns:{kind}}}{name}"
            for kind in ("caldav", "carddav")
            for name in "filter comp-filter prop-filter text-match time-range comp expand calendar".split()
        ]
        self.names = [*names, *tables.properties]
        roots = ["{DAV:}propfind", "{DAV:}propertyupdate", "{DAV:}lockinfo", "{DAV:}mkcol"]
        self.roots = [*roots, "{urn:ietf:params:xml:ns:caldav}mkcalendar", *tables.reports]

    def element(self, name: str, depth: int) -> str:
        namespace, local = split(name)
        values = ("1", "x", "", "20260101T000000Z", "VEVENT", "{DAV:}", "infinite", "\u0416")
        attributes = "".join(
            f" {key}={quoteattr(self.random.choice(values))}"
            for key in self.random.sample(("name", "start", "end", "test", "match-type", "namespace"), 2)
        )
        count = self.random.choice((0, 1, 1, 2, 3)) if depth < 5 else 0
        inside = "".join(self.element(self.random.choice(self.names), depth + 1) for _ in range(count))
        text = self.random.choice((*values, FILES, f"{FILES}/a", "data:,1-1-1")) if not count else ""
        return f"<{local} xmlns={quoteattr(namespace)}{attributes}>{inside}{text}</{local}>"

    def request(self) -> tuple[str, str, str, dict[str, str]]:
        chosen = self.random.sample(tuple(HEADERS), self.random.randrange(4))
        headers = {name: self.random.choice(HEADERS[name]) for name in chosen}
        body = self.element(self.random.choice(self.roots), 0) if self.random.random() < 0.8 else ""
        return self.random.choice(self.methods), self.random.choice(PATHS), body, headers


async def plant(client: Client) -> None:
    await client.request("PUT", f"{FILES}/a", b"x")
    await client.request("MKCOL", f"{FILES}/d")


async def test_requests_without_sense(site: Site) -> None:
    generator = Generator(4918)
    client = site.ivanov
    await plant(client)
    for number in range(ROUNDS):
        method, path, body, headers = generator.request()
        answer = await client.request(method, path, body, headers)
        assert answer.status < 500 or answer.status in (501, 502, 507), (number, method, path, body, headers)
        if answer.status == 207:
            assert answer.xml.tag is not None, (number, method, path, body, headers)
    assert (await site.petrova.request("PROPFIND", "/dav/", headers={"Depth": "0"})).status == 207
