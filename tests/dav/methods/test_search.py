# SPDX-License-Identifier: Apache-2.0
"""SEARCH over files and calendars, by somebody who may and somebody who may not."""

from __future__ import annotations

from pathlib import Path

from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, Site, run_site

QUERY = (
    '<D:searchrequest xmlns:D="DAV:"><D:basicsearch><D:select><D:prop><D:displayname/></D:prop></D:select>'
    "<D:from><D:scope><D:href>{scope}</D:href><D:depth>{depth}</D:depth></D:scope></D:from>{rest}"
    "</D:basicsearch></D:searchrequest>"
)
BY_SIZE = "<D:orderby><D:order><D:prop><D:getcontentlength/></D:prop></D:order></D:orderby>"
FILES_ONLY = "<D:where><D:not><D:is-collection/></D:not></D:where>"


async def search(
    client: Client, rest: str, *, path: str = f"{FILES}/", scope: str = "", depth: str = "infinity"
) -> Answer:
    body = QUERY.format(scope=scope or path, depth=depth, rest=rest)
    return await client.request("SEARCH", path, body)


async def fill(client: Client) -> None:
    await client.request("MKCOL", f"{FILES}/d/")
    for name, size in (("a.txt", 3), ("d/b.txt", 2), ("d/%D1%8F%20%26.txt", 1)):
        await client.request("PUT", f"{FILES}/{name}", "x" * size)


async def test_what_matches_in_its_order(both_sites: Site) -> None:
    client = both_sites.ivanov
    await fill(client)
    found = await search(client, FILES_ONLY + BY_SIZE)
    assert found.status == 207
    assert found.texts("//D:displayname") == ["я &.txt", "b.txt", "a.txt"]
    two = await search(client, FILES_ONLY + BY_SIZE + "<D:limit><D:nresults>2</D:nresults></D:limit>")
    assert two.texts("//D:displayname") == ["я &.txt", "b.txt"]
    assert (await search(client, FILES_ONLY, depth="1")).hrefs == [f"{FILES}/a.txt"]
    assert (await search(client, "", depth="0")).hrefs == [f"{FILES}/"]
    like = (
        "<D:where><D:like><D:prop><D:displayname/></D:prop><D:literal>Я%&amp;%</D:literal></D:like></D:where>"
    )
    assert (await search(client, like)).texts("//D:displayname") == ["я &.txt"]
    calendars = await search(
        client, "<D:where><D:is-collection/></D:where>", path=f"/dav/calendars/{IVANOV}/"
    )
    assert f"/dav/calendars/{IVANOV}/default/" in calendars.hrefs


async def test_the_grammar_is_announced(site: Site) -> None:
    client = site.ivanov
    assert (await client.request("OPTIONS", f"{FILES}/")).headers["dasl"] == "<DAV:basicsearch>"
    ask = '<propfind xmlns="DAV:"><prop><supported-query-grammar-set/></prop></propfind>'
    seen = await client.request("PROPFIND", f"{FILES}/", ask, {"Depth": "0"})
    assert seen.find("//D:supported-query-grammar/D:grammar/D:basicsearch")


async def test_who_may_not_look_finds_nothing(site: Site) -> None:
    await fill(site.ivanov)
    assert (await search(site.petrova, FILES_ONLY)).status == 404
    for scope in (f"{FILES}/", f"{FILES}/none/", "http://[", "/dav/principals/"):
        refused = await search(site.petrova, FILES_ONLY, path="/dav/files/", scope=scope)
        assert (refused.status, refused.condition) == (409, "search-scope-valid")
    nothing = await search(site.petrova, FILES_ONLY, path="/dav/files/")
    assert nothing.hrefs == []


async def test_many_results(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, search_results=300, trash_days=0) as site:
        client = site.ivanov
        for number in range(301):
            await client.request("PUT", f"{FILES}/{number:03}", "")
        cut = await search(client, FILES_ONLY)
        assert len(cut.find("//D:response[D:propstat]")) == 300
        assert cut.texts("//D:response[D:status]/D:href") == [f"{FILES}/"]
        await client.request("DELETE", f"{FILES}/000")
        whole = await search(client, FILES_ONLY)
        assert len(whole.hrefs) == 300 and not whole.find("//D:response/D:status")
