# SPDX-License-Identifier: Apache-2.0
"""Calendars copied from the web: made by a client, fetched by the server, written by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from armgs_server.storage import clock, collections, subscribed
from tests.dav.calendars import DECLARED, HOME, ICS, calendar, component, event, in_range, select
from tests.dav.client import Answer, Client
from tests.dav.conftest import Site, run_site
from tests.dav.test_scheduling import objects
from tests.web import Web, running_web

FEED = HOME + "holidays/"
TIMEOUT = 30.0


@pytest.fixture
async def place(store_url: str, tmp_path: Path) -> AsyncIterator[tuple[Site, Web]]:
    settings = {"subscription_networks": ("127.0.0.0/8",), "subscription_events": 3}
    async with running_web() as web, run_site(store_url, tmp_path, **settings) as site:
        await site.service.start()
        try:
            yield site, web
        finally:
            await site.service.stop()


def day(uid: str, start: str, *lines: str) -> str:
    return component("VEVENT", uid, f"DTSTART;VALUE=DATE:{start}", f"SUMMARY:{uid}", *lines)


async def subscribe(client: Client, url: str, path: str = FEED) -> Answer:
    body = (
        f'<D:mkcol {DECLARED} xmlns:CS="http://calendarserver.org/ns/"><D:set><D:prop><D:resourcetype>'
        "<D:collection/><CS:subscribed/></D:resourcetype><D:displayname>Праздники</D:displayname>"
        f"<CS:source><D:href>{url}</D:href></CS:source></D:prop></D:set></D:mkcol>"
    )
    return await client.request("MKCOL", path, body)


async def again(site: Site) -> None:
    """As if its time had come."""

    async def work(tx):  # type: ignore[no-untyped-def]
        await tx.execute("UPDATE subscription SET due = 0")
        tx.publish(subscribed.TOPIC, b"")

    await site.store.write(work)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not await condition():
            await asyncio.sleep(0.02)


async def prop(client: Client, name: str) -> str | None:
    body = f'<D:propfind {DECLARED} xmlns:CS="http://calendarserver.org/ns/"><D:prop><{name}/></D:prop></D:propfind>'
    answer = await client.request("PROPFIND", FEED, body, {"Depth": "0"})
    assert answer.status == 207
    return answer.prop(FEED, name)


async def test_a_calendar_of_the_web_is_copied_and_followed(place: tuple[Site, Web]) -> None:
    site, web = place
    ivanov = site.ivanov
    web.put("/h.ics", calendar(day("one", "20261201"), day("two", "20261202")), etag='"1"')
    assert (await subscribe(ivanov, web.url("/h.ics"))).status == 201

    async def has(*uids: str) -> bool:
        found = await objects(ivanov, FEED)
        return sorted(uids) == sorted(
            uid for text in found for uid in ("one", "two", "three") if f"UID:{uid}" in text
        )

    await until(lambda: has("one", "two"))
    assert len(await select(ivanov, in_range("VEVENT", "20261202", "20261203"), FEED)) == 1
    answer = await ivanov.request(
        "PROPFIND",
        FEED,
        f"<D:propfind {DECLARED}><D:prop><D:resourcetype/></D:prop></D:propfind>",
        {"Depth": "0"},
    )
    assert {str(each.tag).rpartition("}")[2] for each in answer.find("//D:resourcetype/*")} == {
        "collection", "calendar", "subscribed",
    }  # fmt: skip
    assert await prop(ivanov, "CS:source") == web.url("/h.ics")

    tokens = {text: text for text in await objects(ivanov, FEED)}
    web.put("/h.ics", calendar(day("two", "20261202"), day("three", "20261203")), etag='"2"')
    await again(site)
    await until(lambda: has("two", "three"))
    assert any(text in tokens for text in await objects(ivanov, FEED))  # what is the same was left alone

    web.pages["/h.ics"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    count = len(web.asked)
    await again(site)

    async def is_asked() -> bool:
        return len(web.asked) > count

    await until(is_asked)
    assert b'If-None-Match: "2"' in web.asked[-1]
    assert await has("two", "three")
    assert (await ivanov.request("DELETE", FEED)).status == 204
    assert await site.store.read(subscribed.next_due) is None


async def test_nobody_writes_into_it(place: tuple[Site, Web]) -> None:
    site, web = place
    ivanov = site.ivanov
    web.put("/h.ics", calendar(day("one", "20261201")))
    assert (await subscribe(ivanov, web.url("/h.ics"))).status == 201

    async def is_there() -> bool:
        return len(await objects(ivanov, FEED)) == 1

    await until(is_there)
    listed = await ivanov.request("PROPFIND", FEED, headers={"Depth": "1"})
    (member,) = [href for href in listed.hrefs if href.endswith(".ics")]
    mine = event("mine", "20261201T100000Z")
    for method, path in (("PUT", FEED + "mine.ics"), ("PUT", member), ("DELETE", member)):
        assert (await ivanov.request(method, path, mine, ICS)).status == 403, method
    added = await ivanov.request("POST", member + "?action=attachment-add", b"x")
    assert added.status == 403
    color = (
        f'<D:propertyupdate {DECLARED} xmlns:A="http://apple.com/ns/ical/"><D:set><D:prop>'
        "<A:calendar-color>#00FF00</A:calendar-color></D:prop></D:set></D:propertyupdate>"
    )
    assert b" 200 " in (await ivanov.request("PROPPATCH", FEED, color)).body
    copied = await ivanov.request("COPY", member, headers={"Destination": HOME + "default/own.ics"})
    assert copied.status == 201


async def test_what_cannot_be_had_is_said_and_tried_again_later(place: tuple[Site, Web]) -> None:
    site, web = place
    ivanov = site.ivanov
    web.put("/h.ics", calendar(*(day(f"d{number}", "20261201") for number in range(4))))
    assert (await subscribe(ivanov, web.url("/h.ics"))).status == 201

    async def says(text: str) -> bool:
        return text in (await prop(ivanov, "CS:subscription-error") or "")

    await until(lambda: says("more than 3 objects"))
    assert await objects(ivanov, FEED) == []
    for page, text in (
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "500"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "no calendar"),
    ):
        web.pages["/h.ics"] = page
        await again(site)
        await until(lambda text=text: says(text))  # type: ignore[misc]
    due = await site.store.read(subscribed.next_due)
    assert due is not None and due > clock.now() + 3600 * clock.SECOND  # longer after each failure

    web.put("/h.ics", calendar(day("one", "20261201")))
    await again(site)

    async def is_good() -> bool:
        return len(await objects(ivanov, FEED)) == 1 and await prop(ivanov, "CS:subscription-error") is None

    await until(is_good)


async def test_only_the_web_is_a_source(site: Site) -> None:
    ivanov = site.ivanov
    for url in ("", "file:///etc/passwd", "ftp://h/x.ics", "http://u:p@h/x.ics", f"http://h/{'x' * 2000}"):
        assert (await subscribe(ivanov, url)).status in (403, 424), url
    bare = f'<D:mkcol {DECLARED} xmlns:CS="http://calendarserver.org/ns/"><D:set><D:prop><D:resourcetype>'
    bare += "<D:collection/><CS:subscribed/></D:resourcetype></D:prop></D:set></D:mkcol>"
    assert (await ivanov.request("MKCOL", FEED, bare)).status == 403
    owner = site.people[ivanov.user].id
    assert await site.store.read(lambda tx: collections.children(tx, owner, 0, subscribed.KIND)) == []
    assert (await subscribe(ivanov, "webcal://calendars.example/x.ics")).status == 201
    assert await prop(ivanov, "CS:source") == "https://calendars.example/x.ics"


async def test_a_network_of_the_inside_is_not_asked(tmp_path: Path) -> None:
    async with running_web() as web, run_site("sqlite", tmp_path) as site:
        await site.service.start()
        web.put("/h.ics", calendar(day("one", "20261201")))
        assert (await subscribe(site.ivanov, web.url("/h.ics"))).status == 201

        async def is_denied() -> bool:
            return "not a public one" in (await prop(site.ivanov, "CS:subscription-error") or "")

        await until(is_denied)
        assert web.asked == []
        await site.service.stop()
