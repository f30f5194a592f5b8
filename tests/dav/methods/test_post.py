# SPDX-License-Identifier: Apache-2.0
"""POST to a collection: the server names the member."""

from __future__ import annotations

import pytest

from tests.dav.client import Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site

CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u1\r\nFN:Anna\r\nN:;Anna;;;\r\nEND:VCARD\r\n"


async def place_of(client: Client, path: str) -> str:
    ask = '<propfind xmlns="DAV:"><prop><add-member/></prop></propfind>'
    seen = await client.request("PROPFIND", path, ask, {"Depth": "0"})
    return seen.prop(path, "D:add-member") or ""


@pytest.mark.parametrize(
    ("path", "data", "kind", "ending"),
    [
        (f"{FILES}/", b"1,2", "text/csv", ".csv"),
        (f"{FILES}/", b"x", "application/x-of-our-own", ""),
        (f"/dav/addressbooks/{IVANOV}/contacts/", CARD, "text/vcard; charset=utf-8", ".vcf"),
    ],
)
async def test_a_new_member(both_sites: Site, path: str, data: bytes, kind: str, ending: str) -> None:
    client, phone = both_sites.ivanov, both_sites.ivanov
    made = await client.request("POST", await place_of(client, path), data, {"Content-Type": kind})
    assert made.status == 201
    location = made.headers["location"]
    assert location.startswith(path) and location.endswith(ending)
    seen = await phone.request("GET", location)
    assert (seen.body, seen.headers["etag"]) == (data, made.headers["etag"])


async def test_what_put_refuses_is_refused(site: Site) -> None:
    book = f"/dav/addressbooks/{IVANOV}/contacts/"
    wrong = await site.ivanov.request("POST", book, b"no card", {"Content-Type": "text/vcard"})
    assert (wrong.status, wrong.condition) == (403, "valid-address-data")
    assert (await site.petrova.request("POST", f"{FILES}/", b"x")).status == 404
    assert (await site.ivanov.request("POST", f"/dav/principals/people/{PETROVA}/", b"x")).status == 405
