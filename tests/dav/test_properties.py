# SPDX-License-Identifier: Apache-2.0
"""Dates as text, against the standard library."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.properties import http_date, iso_date
from armgs_server.directory.people import Change
from tests.dav.conftest import FILES, IVANOV, SIDOROV, Site


@given(st.integers(0, 4102444800 * 1_000_000))
def test_dates(moment: int) -> None:
    seconds = moment // 1_000_000
    assert http_date(moment) == formatdate(seconds, usegmt=True)
    assert iso_date(moment) == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_resource_id_stays_when_it_is_renamed(site: Site) -> None:
    client = site.ivanov
    body = '<propfind xmlns="DAV:"><prop><resource-id/></prop></propfind>'
    await client.request("PUT", f"{FILES}/a", b"x")
    before = (await client.request("PROPFIND", f"{FILES}/a", body)).texts("//D:resource-id")
    await client.request("MOVE", f"{FILES}/a", headers={"Destination": f"{FILES}/b"})
    after = (await client.request("PROPFIND", f"{FILES}/b", body)).texts("//D:resource-id")
    assert before == after and uuid.UUID(before[0].removeprefix("urn:uuid:"))


async def test_the_root_of_files_is_called_by_its_address(site: Site) -> None:
    body = '<propfind xmlns="DAV:"><prop><displayname/></prop></propfind>'
    seen = await site.ivanov.request("PROPFIND", "/dav/files/", body, {"Depth": "1"})
    assert seen.texts("//D:displayname") == ["files", "ivanov@digital.example", "shared"]


NAME = '<propfind xmlns="DAV:"><prop><displayname/></prop></propfind>'


async def test_standard_collections_have_names_in_the_readers_language(site: Site) -> None:
    calendars = f"/dav/calendars/{IVANOV}/"
    seen = await site.ivanov.request("PROPFIND", calendars, NAME, {"Depth": "1"})
    assert seen.prop(f"{calendars}default/", "D:displayname") == "Календарь"
    assert seen.prop(f"{calendars}tasks/", "D:displayname") == "Задачи"
    book = f"/dav/addressbooks/{SIDOROV}/contacts/"  # his name is not written in Cyrillic
    seen = await site.sidorov.request("PROPFIND", book, NAME, {"Depth": "0"})
    assert seen.prop(book, "D:displayname") == "contacts"
    await site.core.directory.update(site.people[SIDOROV].id, Change(data={"language": "ru-RU"}))
    seen = await site.sidorov.request("PROPFIND", book, NAME, {"Depth": "0"})
    assert seen.prop(book, "D:displayname") == "Контакты"
    named = (
        '<propertyupdate xmlns="DAV:"><set><prop><displayname>Мои люди</displayname></prop></set>'
        "</propertyupdate>"
    )
    assert (await site.sidorov.request("PROPPATCH", book, named)).status == 207
    seen = await site.sidorov.request("PROPFIND", book, NAME, {"Depth": "0"})
    assert seen.prop(book, "D:displayname") == "Мои люди"
