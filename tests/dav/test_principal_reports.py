# SPDX-License-Identifier: Apache-2.0
"""Searching principals, matching them, and those whom an ACL names."""

from __future__ import annotations

from tests.dav.client import Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site

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
    # Only departments whose people one may find.
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
    assert len(answer.find("//D:principal-search-property")) == 6


async def test_what_names_the_person_in_a_property(site: Site) -> None:
    client = site.ivanov
    match = '<principal-match xmlns="DAV:"><principal-property>{}</principal-property>{}</principal-match>'
    asked = "<prop><displayname/></prop>"
    homes = await client.request("REPORT", f"/dav/calendars/{IVANOV}/", match.format("<owner/>", asked))
    assert f"/dav/calendars/{IVANOV}/default/" in homes.hrefs
    await client.request("PUT", f"{FILES}/note.txt", "1")
    files = await client.request("REPORT", f"{FILES}/", match.format("<owner/>", asked))
    assert files.hrefs == [f"{FILES}/note.txt"]
    shared = await client.request("REPORT", "/dav/files/shared/", match.format("<owner/>", asked))
    assert shared.hrefs == []
    for wrong in ("", "<owner/><group/>"):
        assert (await client.request("REPORT", f"{FILES}/", match.format(wrong, asked))).status == 400
    refused = await site.petrova.request("REPORT", f"{FILES}/", match.format("<owner/>", asked))
    assert refused.status == 404


async def test_whom_an_acl_names(site: Site) -> None:
    ace = "<ace><principal>{}</principal><grant><privilege><read/></privilege></grant></ace>"
    granted = ace.format(f"<href>{PEOPLE}/{PETROVA}/</href>") + ace.format("<authenticated/>")
    client = site.ivanov
    assert (await client.request("ACL", f"{FILES}/", f'<acl xmlns="DAV:">{granted}</acl>')).status == 200
    ask = '<acl-principal-prop-set xmlns="DAV:"><prop><displayname/></prop></acl-principal-prop-set>'
    answer = await client.request("REPORT", f"{FILES}/", ask, {"Depth": "0"})
    assert answer.hrefs == [f"{PEOPLE}/{IVANOV}/", f"{PEOPLE}/{PETROVA}/"]
    assert answer.texts("//D:displayname") == ["Иванов Иван", "Петрова Анна"]
    refused = await site.petrova.request("REPORT", f"{FILES}/", ask, {"Depth": "0"})
    assert (refused.status, refused.condition) == (403, "need-privileges")


async def test_a_search_stays_below_its_url_unless_told_otherwise(site: Site) -> None:
    each = f"<property-search><prop>{DISPLAYNAME}</prop><match>анна</match></property-search>"
    elsewhere = "/dav/principals/resources/"
    answer = await site.ivanov.request("REPORT", elsewhere, SEARCH.format("", each))
    assert answer.hrefs == []
    everywhere = each + "<apply-to-principal-collection-set/>"
    answer = await site.ivanov.request("REPORT", f"{FILES}/", SEARCH.format("", everywhere))
    assert answer.hrefs == [f"{PEOPLE}/{PETROVA}/"]
