# SPDX-License-Identifier: Apache-2.0
"""REPORT: which there are, and expand-property."""

from __future__ import annotations

from tests.dav.conftest import FILES, IVANOV, PETROVA, Site

ME = f"/dav/principals/people/{IVANOV}/"


async def test_unknown_reports_and_reports_of_other_resources(site: Site) -> None:
    client = site.ivanov
    for path, body in (
        (f"{FILES}/", '<other xmlns="DAV:"/>'),
        (ME, '<sync-collection xmlns="DAV:"/>'),
        ("/dav/", '<acl-principal-prop-set xmlns="DAV:"/>'),
    ):
        answer = await client.request("REPORT", path, body)
        assert (answer.status, answer.condition) == (403, "supported-report")
    assert (await client.request("REPORT", f"{FILES}/")).status == 400


async def test_supported_reports_are_those_that_are_answered(site: Site) -> None:
    body = '<propfind xmlns="DAV:"><prop><supported-report-set/></prop></propfind>'
    seen = await site.ivanov.request("PROPFIND", f"{FILES}/", body, {"Depth": "0"})
    reports = [each.tag for each in seen.find("//D:supported-report/D:report/*")]
    assert sorted(reports) == [
        "{DAV:}acl-principal-prop-set",
        "{DAV:}expand-property",
        "{DAV:}principal-match",
        "{DAV:}principal-property-search",
        "{DAV:}principal-search-property-set",
        "{DAV:}sync-collection",
        "{http://calendarserver.org/ns/}calendarserver-principal-search",
    ]


async def test_expand_property(site: Site) -> None:
    await site.core.directory.create_group(
        "all@digital.example", "Все", [site.people[IVANOV].id, site.people[PETROVA].id]
    )
    body = (
        '<expand-property xmlns="DAV:"><property name="displayname"/><property name="group-membership">'
        '<property name="displayname"/>'
        '<property name="group-member-set"><property name="displayname"/></property>'
        '</property><property name="none" namespace="u:"/></expand-property>'
    )
    seen = await site.ivanov.request("REPORT", ME, body)
    assert seen.texts("/D:multistatus/D:response/D:propstat/D:prop/D:displayname") == ["Иванов Иван"]
    group = "//D:group-membership/D:response"
    assert seen.texts(f"{group}/D:propstat/D:prop/D:displayname") == ["Все"]
    inner = "//D:group-member-set/D:response/D:propstat/D:prop/D:displayname"
    assert sorted(seen.texts(inner)) == ["Иванов Иван", "Петрова Анна"]
    missing = seen.find("/D:multistatus/D:response/D:propstat[contains(D:status, '404')]/D:prop/*")
    assert [each.tag for each in missing] == ["{u:}none"]


async def test_expand_property_is_bounded(site: Site) -> None:
    nested = '<property name="current-user-principal">' * 6 + "</property>" * 6
    answer = await site.ivanov.request(
        "REPORT", ME, f'<expand-property xmlns="DAV:">{nested}</expand-property>'
    )
    assert answer.status == 403
    for name in ("", "a b", "<x"):
        body = (
            f'<expand-property xmlns="DAV:"><property name="{name.replace("<", "&lt;")}"/></expand-property>'
        )
        assert (await site.ivanov.request("REPORT", ME, body)).status == 400
