# SPDX-License-Identifier: Apache-2.0
"""Principals: what they say of themselves, and searching them."""

from __future__ import annotations

from tests.dav.client import Client
from tests.dav.conftest import IVANOV, PETROVA, ROOM, SIDOROV, Site

PEOPLE = "/dav/principals/people"
SEARCH = '<principal-property-search xmlns="DAV:"{}>{}<prop><displayname/></prop></principal-property-search>'
DISPLAYNAME = '<D:displayname xmlns:D="DAV:"/>'


async def search(
    client: Client, *tests: tuple[str, str], attributes: str = "", path: str = "/dav/principals/"
) -> list[str]:
    parts = "".join(
        f"<property-search><prop>{prop}</prop><match{attributes}>{text}</match></property-search>"
        for prop, text in tests
    )
    answer = await client.request("REPORT", path, SEARCH.format("", parts))
    assert answer.status == 207
    return sorted(answer.texts("//D:displayname"))


async def test_properties(site: Site) -> None:
    group = await site.core.directory.create_group("all@digital.example", "Все", [site.people[PETROVA].id])
    body = (
        '<propfind xmlns="DAV:"><prop><principal-URL/><displayname/><group-member-set/><group-membership/>'
        "<current-user-principal/><principal-collection-set/><alternate-URI-set/></prop></propfind>"
    )
    path = f"{PEOPLE}/{PETROVA}/"
    seen = await site.ivanov.request("PROPFIND", path, body, {"Depth": "0"})
    assert seen.prop(path, "D:principal-URL") == path
    assert seen.prop(path, "D:displayname") == "Петрова Анна"
    assert seen.prop(path, "D:current-user-principal") == f"{PEOPLE}/{IVANOV}/"
    assert seen.prop(path, "D:group-membership") == f"/dav/principals/groups/{group.address}/"
    assert seen.prop(path, "D:principal-collection-set") == "/dav/principals/"
    assert seen.prop(path, "D:alternate-URI-set") == f"mailto:{PETROVA}"
    path = f"/dav/principals/groups/{group.address}/"
    seen = await site.ivanov.request("PROPFIND", path, body, {"Depth": "0"})
    assert seen.prop(path, "D:group-member-set") == f"{PEOPLE}/{PETROVA}/"


async def test_search(site: Site) -> None:
    client = site.ivanov
    assert await search(client, (DISPLAYNAME, "петр")) == ["Петрова Анна"]
    assert await search(client, (DISPLAYNAME, "ов")) == ["Иванов Иван", "Переговорная", "Петрова Анна"]
    assert await search(client, (DISPLAYNAME, "ов"), (DISPLAYNAME, "анна")) == ["Петрова Анна"]
    assert await search(client, (DISPLAYNAME, "анна"), attributes=' match-type="starts-with"') == [
        "Петрова Анна"
    ]
    assert await search(client, (DISPLAYNAME, "анна"), attributes=' match-type="equals"') == []
    mail = '<email-address-set xmlns="http://calendarserver.org/ns/"/>'
    assert await search(client, (mail, "room@")) == ["Переговорная"]
    assert await search(client, ('<unknown xmlns="u:"/>', "a")) == []
    # One's own department only.
    assert await search(client, (DISPLAYNAME, "sidorov")) == []
    assert await search(site.sidorov, (DISPLAYNAME, "sidorov")) == ["Sidorov Sergey"]


async def test_anyof_and_wrong_searches(site: Site) -> None:
    client = site.ivanov
    each = "<property-search><prop><displayname/></prop><match>{}</match></property-search>"
    answer = await client.request(
        "REPORT",
        "/dav/principals/",
        SEARCH.format(' test="anyof"', each.format("анна") + each.format("иван")),
    )
    assert sorted(answer.texts("//D:displayname")) == ["Иванов Иван", "Петрова Анна"]
    assert (await client.request("REPORT", "/dav/principals/", SEARCH.format("", ""))).status == 400
    deep = await client.request("REPORT", "/dav/principals/", SEARCH.format("", each), {"Depth": "1"})
    assert deep.status == 400


async def test_disabled_people_are_gone(site: Site) -> None:
    await site.core.directory.disable(site.people[PETROVA].id)
    client = site.ivanov
    assert await search(client, (DISPLAYNAME, "анна")) == []
    assert (await client.request("PROPFIND", f"{PEOPLE}/{PETROVA}/")).status == 404
    assert (await site.petrova.request("PROPFIND", "/dav/")).status == 401


async def test_match_and_search_properties(site: Site) -> None:
    client = site.ivanov
    answer = await client.request(
        "REPORT", "/dav/principals/", '<principal-match xmlns="DAV:"><self/></principal-match>'
    )
    assert answer.hrefs == [f"{PEOPLE}/{IVANOV}/"]
    answer = await client.request(
        "REPORT", "/dav/principals/", '<principal-search-property-set xmlns="DAV:"/>'
    )
    assert len(answer.find("//D:principal-search-property")) == 3
    answer = await client.request(
        "REPORT",
        "/dav/principals/",
        '<principal-match xmlns="DAV:"><principal-property><owner/></principal-property></principal-match>',
    )
    assert answer.status == 403


async def test_resources_and_other_departments_are_principals_too(site: Site) -> None:
    for path in (f"/dav/principals/resources/{ROOM}/", f"{PEOPLE}/{SIDOROV}/"):
        seen = await site.ivanov.request("PROPFIND", path, headers={"Depth": "0"})
        assert seen.status == 207 and seen.find("//D:resourcetype/D:principal")
