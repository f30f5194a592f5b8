# SPDX-License-Identifier: Apache-2.0
"""The ACL method: what it grants, to whom, and every way it refuses; a second person watches."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from armgs_server.directory.access import READ_ONLY, put_grant
from armgs_server.storage import collections
from armgs_server.storage.tx import Tx
from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site, run_site

PETROVA_URL = f"/dav/principals/people/{PETROVA}/"
HREF = "<href>{}</href>"
INVERTED = (
    "<ace><invert><principal><authenticated/></principal></invert>"
    "<grant><privilege><read/></privilege></grant></ace>"
)


def ace(principal: str, *privileges: str, extra: str = "", word: str = "grant") -> str:
    named = "".join(f"<privilege><{name}/></privilege>" for name in privileges)
    return f"<ace><principal>{principal}</principal><{word}>{named}</{word}>{extra}</ace>"


async def acl(client: Client, path: str, *aces: str) -> Answer:
    return await client.request("ACL", path, f'<acl xmlns="DAV:">{"".join(aces)}</acl>')


async def shown(client: Client, path: str) -> Answer:
    ask = '<propfind xmlns="DAV:"><prop><acl/><inherited-acl-set/></prop></propfind>'
    return await client.request("PROPFIND", path, ask, {"Depth": "0"})


async def test_a_grant_and_its_end(both_sites: Site) -> None:
    site = both_sites
    ivanov, petrova = site.ivanov, site.petrova
    await ivanov.request("MKCOL", f"{FILES}/d/")
    await ivanov.request("PUT", f"{FILES}/d/note.txt", "one")
    assert (await petrova.request("GET", f"{FILES}/d/note.txt")).status == 404
    assert (await acl(ivanov, f"{FILES}/d/", ace(HREF.format(PETROVA_URL), "read"))).status == 200
    assert (await petrova.request("GET", f"{FILES}/d/note.txt")).body == b"one"
    refused = await petrova.request("PUT", f"{FILES}/d/note.txt", "two")
    assert (refused.status, refused.condition) == (403, "need-privileges")
    assert (await site.sidorov.request("GET", f"{FILES}/d/note.txt")).status == 404
    # The same ACE again, for everybody who is logged in, and for writing.
    await acl(ivanov, f"{FILES}/d/", ace("<authenticated/>", "read"), ace(HREF.format(PETROVA_URL), "write"))
    assert (await petrova.request("PUT", f"{FILES}/d/note.txt", "two")).status == 204
    assert (await site.sidorov.request("GET", f"{FILES}/d/note.txt")).body == b"two"
    assert (await acl(ivanov, f"{FILES}/d/")).status == 200
    assert (await petrova.request("GET", f"{FILES}/d/note.txt")).status == 404
    assert (await site.sidorov.request("GET", f"{FILES}/d/note.txt")).status == 404


async def test_what_is_shown_says_where_it_comes_from(site: Site) -> None:
    ivanov = site.ivanov
    await ivanov.request("MKCOL", f"{FILES}/d/")
    await ivanov.request("MKCOL", f"{FILES}/d/e/")
    await acl(ivanov, f"{FILES}/d/", ace(HREF.format(PETROVA_URL), "read"))
    own = await shown(ivanov, f"{FILES}/d/")
    assert own.texts("//D:ace[D:principal/D:href]//D:inherited") == []
    below = await shown(ivanov, f"{FILES}/d/e/")
    assert below.texts("//D:ace[D:principal/D:href]/D:inherited/D:href") == [f"{FILES}/d/"]
    assert below.texts("//D:inherited-acl-set/D:href") == [f"{FILES}/", f"{FILES}/d/"]
    # What was read can be sent back and changes nothing.
    aces = below.find("//D:acl")[0]

    assert (await ivanov.request("ACL", f"{FILES}/d/e/", etree.tostring(aces))).status == 200
    assert (await shown(ivanov, f"{FILES}/d/e/")).body == below.body
    assert (await site.petrova.request("PROPFIND", f"{FILES}/d/e/", headers={"Depth": "0"})).status == 207


async def test_a_grant_to_a_unit_is_not_the_clients(site: Site) -> None:
    department = site.people[IVANOV].department
    unit = await site.core.directory.create_unit(department, "Отдел")

    async def work(tx: Tx) -> None:
        root = await collections.by_role(tx, site.people[IVANOV].id, "files", "root")
        assert root is not None
        await put_grant(tx, root, unit.id, READ_ONLY)

    await site.store.write(work)
    assert (await acl(site.ivanov, f"{FILES}/", ace("<authenticated/>", "read"))).status == 200
    root = await site.store.read(lambda tx: collections.by_role(tx, site.people[IVANOV].id, "files", "root"))
    assert root is not None
    assert dict(await site.core.directory.access.grants(root)) == {0: READ_ONLY, unit.id: READ_ONLY}


@pytest.mark.parametrize(
    ("entry", "condition"),
    [
        (ace(HREF.format(PETROVA_URL), "read", word="deny"), "grant-only"),
        (INVERTED, "no-invert"),
        (ace("<authenticated/>", "dance"), "not-supported-privilege"),
        (ace("<authenticated/>", "write-properties"), "no-abstract"),
        (ace(HREF.format("/dav/principals/people/nobody@digital.example/"), "read"), "recognized-principal"),
        (ace(HREF.format(f"{FILES}/"), "read"), "recognized-principal"),
        (ace(HREF.format("http://elsewhere.example/x"), "read"), "recognized-principal"),
        (ace("<unauthenticated/>", "read"), "allowed-principal"),
        (ace("<self/>", "read"), "allowed-principal"),
        (ace("<property><group/></property>", "read"), "allowed-principal"),
    ],
)
async def test_the_preconditions(site: Site, entry: str, condition: str) -> None:
    refused = await acl(site.ivanov, f"{FILES}/", entry)
    assert (refused.status, refused.condition) == (403, condition)
    assert (await site.petrova.request("PROPFIND", f"{FILES}/", headers={"Depth": "0"})).status == 404


async def test_the_rest_that_is_refused(site: Site) -> None:
    ivanov = site.ivanov
    for body in ("<acl/>", '<x xmlns="DAV:"/>', '<acl xmlns="DAV:"><ace/></acl>', "no xml"):
        assert (await ivanov.request("ACL", f"{FILES}/", body)).status == 400
    await ivanov.request("PUT", f"{FILES}/x", "1")
    assert (await acl(ivanov, f"{FILES}/x")).status == 405
    assert "ACL" in (await ivanov.request("OPTIONS", f"{FILES}/")).headers["allow"]
    assert (await acl(site.petrova, f"{FILES}/")).status == 404
    await acl(ivanov, f"{FILES}/", ace(HREF.format(PETROVA_URL), "read", "write"))
    refused = await acl(site.petrova, f"{FILES}/")
    assert (refused.status, refused.condition) == (403, "need-privileges")
    # A grant to the owner says nothing new.
    owner = (
        ace("<property><owner/></property>", "read"),
        ace(HREF.format(f"/dav/principals/people/{IVANOV}/"), "all"),
    )
    assert (await acl(ivanov, f"{FILES}/", *owner)).status == 200
    assert len((await shown(ivanov, f"{FILES}/")).find("//D:ace")) == 1


async def test_the_number_of_entries_is_limited(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, acl_entries=2) as site:
        refused = await acl(site.ivanov, f"{FILES}/", *[ace("<authenticated/>", "read")] * 3)
        assert (refused.status, refused.condition) == (403, "limited-number-of-aces")
