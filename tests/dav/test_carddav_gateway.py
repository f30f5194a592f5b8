# SPDX-License-Identifier: Apache-2.0
"""The book of everybody: it answers searches, and only those, of who may read the departments' books."""

from __future__ import annotations

from pathlib import Path

from armgs_server.directory import Rights, contacts
from armgs_server.storage import collections
from tests.dav.calendars import DECLARED
from tests.dav.client import Answer, Client
from tests.dav.conftest import IVANOV, SIDOROV, Site, run_site

GATEWAY = "/dav/directory/"
ME = f"/dav/principals/people/{IVANOV}/"
BY_NAME = (
    '<CR:prop-filter name="FN"><CR:text-match collation="i;unicode-casemap" match-type="contains">{}'
    "</CR:text-match></CR:prop-filter>"
)


async def search(client: Client, filter_: str, limit: int = 0) -> Answer:
    bound = f"<CR:limit><CR:nresults>{limit}</CR:nresults></CR:limit>" if limit else ""
    body = (
        f"<CR:addressbook-query {DECLARED}><D:prop><D:getetag/><CR:address-data/></D:prop>"
        f"<CR:filter>{filter_}</CR:filter>{bound}</CR:addressbook-query>"
    )
    return await client.request("REPORT", GATEWAY, body, {"Depth": "1"})


async def share_finance(site: Site) -> None:
    """Lets the first department read the other's book."""
    finance, digital = site.people[SIDOROV].department, site.people[IVANOV].department
    access = site.core.directory.access
    book = await site.store.read(lambda tx: collections.by_role(tx, finance, "addressbook", "directory"))
    assert book is not None
    await site.store.write(lambda tx: access.grant(tx, book, digital, Rights.LOOKUP | Rights.READ))


async def test_where_it_is(site: Site) -> None:
    ask = f"<D:propfind {DECLARED}><D:prop><CR:directory-gateway/></D:prop></D:propfind>"
    seen = await site.ivanov.request("PROPFIND", ME, ask, {"Depth": "0"})
    assert seen.prop(ME, "CR:directory-gateway") == GATEWAY
    listed = await site.ivanov.request("PROPFIND", GATEWAY, headers={"Depth": "1"})
    assert listed.hrefs == [GATEWAY]  # never listed
    assert listed.find("//D:resourcetype/CR:addressbook") and listed.find("//D:resourcetype/CR:directory")
    sync = '<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level><prop/></sync-collection>'
    refused = await site.ivanov.request("REPORT", GATEWAY, sync)
    assert (refused.status, refused.condition) == (403, "supported-report")


async def test_a_search_finds_people_of_the_departments_one_may_read(both_sites: Site) -> None:
    client = both_sites.ivanov
    found = await search(client, BY_NAME.format("анна"))
    assert [text.count("FN:Петрова Анна") for text in found.texts("//CR:address-data")] == [1]
    card = await client.request("GET", found.hrefs[0])
    assert card.status == 200 and card.headers["etag"] == found.texts("//D:getetag")[0]
    assert (await search(client, BY_NAME.format("sidorov"))).hrefs == []
    await share_finance(both_sites)
    other = await search(client, BY_NAME.format("sidorov"))
    assert len(other.hrefs) == 1 and (await client.request("GET", other.hrefs[0])).status == 200
    assert (await search(both_sites.sidorov, BY_NAME.format("анна"))).hrefs == []


async def test_it_is_never_told_whole(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, directory_results=2) as site:
        whole = await search(site.ivanov, "")
        assert whole.hrefs == [GATEWAY] and whole.find("//D:number-of-matches-within-limits")
        many = await search(site.ivanov, BY_NAME.format("о"))
        assert len(many.hrefs) == 3 and many.hrefs[-1] == GATEWAY
        one = await search(site.ivanov, BY_NAME.format("о"), limit=1)
        assert len(one.hrefs) == 2 and one.hrefs[-1] == GATEWAY


async def test_outside_contacts_are_found_beside_colleagues(both_sites: Site) -> None:
    digital = both_sites.people[IVANOV].department
    data = {"organisation": "Партнёр"}
    await both_sites.core.directory.apply(
        lambda tx: contacts.create(tx, digital, "Боб Строитель", ["bob@partner.example"], data=data)
    )
    for field, text in (("EMAIL", "bob@partner"), ("ORG", "партнёр"), ("FN", "строитель")):
        found = await search(both_sites.ivanov, BY_NAME.replace("FN", field).format(text))
        assert [each.count("FN:Боб Строитель") for each in found.texts("//CR:address-data")] == [1], field
        assert "xmpp:" not in found.texts("//CR:address-data")[0]
    assert (await search(both_sites.sidorov, BY_NAME.format("строитель"))).hrefs == []
