# SPDX-License-Identifier: Apache-2.0
"""Calendars of a department: in everybody's home there, without their doing, and written by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest

from armgs_server.directory import Principal, department_calendars
from armgs_server.errors import AlreadyExists, Invalid, NotFound
from armgs_server.formats import icalendar
from armgs_server.storage import calindex, items
from armgs_server.storage.tx import Tx
from tests.dav.calendars import DECLARED, HOME, calendar
from tests.dav.client import Client
from tests.dav.conftest import IVANOV, SIDOROV, Site, run_site
from tests.dav.test_scheduling import objects
from tests.dav.test_subscribed import day
from tests.web import Web, running_web

NAME = "Праздники"


@pytest.fixture
async def place(store_url: str, tmp_path: Path) -> AsyncIterator[tuple[Site, Web]]:
    async with (
        running_web() as web,
        run_site(store_url, tmp_path, subscription_networks=("127.0.0.0/8",)) as site,
    ):
        await site.service.start()
        try:
            yield site, web
        finally:
            await site.service.stop()


async def digital(site: Site) -> Principal:
    found = await site.core.directory.by_id(site.people[IVANOV].department)
    assert found is not None
    return found


async def names(client: Client, home: str) -> dict[str, str]:
    """Display name and path of the calendars in a home."""
    body = f"<D:propfind {DECLARED}><D:prop><D:displayname/></D:prop></D:propfind>"
    answer = await client.request("PROPFIND", home, body, {"Depth": "1"})
    assert answer.status == 207
    return {answer.prop(each, "D:displayname") or "": each for each in answer.hrefs}


async def test_everybody_of_the_department_has_it_and_may_read_it(place: tuple[Site, Web]) -> None:
    site, _ = place
    department = await digital(site)
    made = await site.core.directory.apply(
        lambda tx: department_calendars.create(tx, department, f" {NAME} ")
    )
    data = calendar(day("ny", "20270101", "TRANSP:TRANSPARENT"))
    entry, ref = calindex.entry(icalendar.check(data)), site.store.blobs.small(data)

    async def fill(tx: Tx) -> None:
        item = await items.add(tx, made, ref, name="ny.ics", content_type="text/calendar")
        await calindex.put(tx, item, entry)

    await site.store.write(fill)
    path = (await names(site.ivanov, HOME))[NAME]
    assert unquote(path).startswith(f"{HOME}{NAME}_shared_by_")
    assert [text.count("UID:ny") for text in await objects(site.ivanov, path)] == [1]
    got = await site.ivanov.request("GET", f"{path}ny.ics")
    assert (got.status, got.body) == (200, data)
    for method, headers in (("PUT", {"Content-Type": "text/calendar"}), ("DELETE", {})):
        assert (await site.ivanov.request(method, f"{path}ny.ics", data, headers)).status == 403, method
    assert (await site.ivanov.request("DELETE", path)).status == 403
    assert NAME not in await names(site.sidorov, f"/dav/calendars/{SIDOROV}/")
    assert (await site.sidorov.request("GET", f"{path}ny.ics")).status in (403, 404)
    await site.core.directory.apply(lambda tx: department_calendars.remove(tx, department, NAME))
    assert NAME not in await names(site.ivanov, HOME)


async def test_one_of_the_web_is_fetched_for_all(place: tuple[Site, Web]) -> None:
    site, web = place
    department = await digital(site)
    web.put("/h.ics", calendar(day("one", "20261201")), etag='"1"')
    for name, path in ((NAME, "/h.ics"), ("Gone", "/nothing.ics")):
        await site.core.directory.apply(
            partial(department_calendars.create, department=department, name=name, source=web.url(path))
        )
    home = (await names(site.ivanov, HOME))[NAME]
    async with asyncio.timeout(30):
        while not any("UID:one" in each for each in await objects(site.ivanov, home)):
            await asyncio.sleep(0.05)
        while not all(
            each.error or each.name != "Gone"
            for each in await site.store.read(lambda tx: department_calendars.of(tx, department))
        ):
            await asyncio.sleep(0.05)
    found = await site.store.read(lambda tx: department_calendars.of(tx, department))
    assert [(each.name, each.items, each.error != "") for each in found] == [
        ("Gone", 0, True),
        (NAME, 1, False),
    ]


async def test_what_is_refused(place: tuple[Site, Web]) -> None:
    site, _ = place
    department = await digital(site)

    async def make(name: str, source: str = "") -> None:
        await site.core.directory.apply(
            partial(department_calendars.create, department=department, name=name, source=source)
        )

    await make(NAME)
    with pytest.raises(AlreadyExists):
        await make(NAME)
    for name in ("", "a/b", "..", "x\ny", "x" * 101, "x_shared_by_y"):
        with pytest.raises(Invalid):
            await make(name)
    for source in ("file:///etc/passwd", "https://", "x", "https://a b.example/", "https://u:p@a.example/"):
        with pytest.raises(Invalid):
            await make("Web", source)
    with pytest.raises(NotFound):
        await site.core.directory.apply(lambda tx: department_calendars.remove(tx, department, "Web"))
