# SPDX-License-Identifier: Apache-2.0
"""Principals: what they say of themselves."""

from __future__ import annotations

from tests.dav.conftest import IVANOV, PETROVA, ROOM, SIDOROV, Site

PEOPLE = "/dav/principals/people"


async def test_properties(site: Site) -> None:
    group = await site.core.directory.create_group("all@digital.example", "Все", [site.people[PETROVA].id])
    body = (
        '<propfind xmlns="DAV:"><prop><principal-URL/><displayname/><group-member-set/><group-membership/>'
        "<current-user-principal/><principal-collection-set/><alternate-URI-set/></prop></propfind>"
    )
    await site.core.directory.add_alias(site.people[PETROVA], "anna@digital.example")
    path = f"{PEOPLE}/{PETROVA}/"
    seen = await site.ivanov.request("PROPFIND", path, body, {"Depth": "0"})
    assert seen.prop(path, "D:principal-URL") == path
    assert seen.prop(path, "D:displayname") == "Петрова Анна"
    assert seen.prop(path, "D:current-user-principal") == f"{PEOPLE}/{IVANOV}/"
    assert seen.prop(path, "D:group-membership") == f"/dav/principals/groups/{group.address}/"
    assert seen.prop(path, "D:principal-collection-set") == "/dav/principals/"
    alternates = seen.texts("//D:alternate-URI-set/D:href")
    assert alternates == [f"mailto:{PETROVA}", "mailto:anna@digital.example"]
    path = f"/dav/principals/groups/{group.address}/"
    seen = await site.ivanov.request("PROPFIND", path, body, {"Depth": "0"})
    assert seen.prop(path, "D:group-member-set") == f"{PEOPLE}/{PETROVA}/"


async def test_resources_and_other_departments_are_principals_too(site: Site) -> None:
    for path in (f"/dav/principals/resources/{ROOM}/", f"{PEOPLE}/{SIDOROV}/"):
        seen = await site.ivanov.request("PROPFIND", path, headers={"Depth": "0"})
        assert seen.status == 207 and seen.find("//D:resourcetype/D:principal")
