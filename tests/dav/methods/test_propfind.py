# SPDX-License-Identifier: Apache-2.0
"""PROPFIND: depths, what is asked and what is not, long folders."""

from __future__ import annotations

from pathlib import Path

from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site, run_site

SIX = (
    '<propfind xmlns="DAV:"><prop><getcontentlength/><getlastmodified/><creationdate/><resourcetype/>'
    '<getetag/><unknown xmlns="u:"/></prop></propfind>'
)


async def test_only_what_is_asked(site: Site) -> None:
    client = site.ivanov
    put = await client.request("PUT", f"{FILES}/a.txt", b"12345")
    seen = await client.request("PROPFIND", f"{FILES}/a.txt", SIX, {"Depth": "0"})
    assert seen.headers["content-type"] == "application/xml; charset=utf-8"
    assert seen.prop(f"{FILES}/a.txt", "D:getcontentlength") == "5"
    assert seen.prop(f"{FILES}/a.txt", "D:getetag") == put.headers["etag"]
    head = await client.request("HEAD", f"{FILES}/a.txt")
    assert seen.prop(f"{FILES}/a.txt", "D:getlastmodified") == head.headers["last-modified"]
    assert seen.prop(f"{FILES}/a.txt", "D:resourcetype") == ""
    missing = seen.find("//D:propstat[contains(D:status, '404')]/D:prop/*")
    assert [each.tag for each in missing] == ["{u:}unknown"]
    folder = await client.request("PROPFIND", f"{FILES}/", SIX, {"Depth": "0"})
    assert len(folder.find("//D:propstat[contains(D:status, '404')]/D:prop/*")) == 4


async def test_minimal_answers(site: Site) -> None:
    client = site.ivanov
    for headers in ({"Prefer": "return=minimal"}, {"Brief": "t"}):
        seen = await client.request("PROPFIND", f"{FILES}/", SIX, {"Depth": "0", **headers})
        assert seen.headers["preference-applied"] == "return=minimal"
        assert seen.texts("//D:status") == ["HTTP/1.1 200 OK"]
    none = '<propfind xmlns="DAV:"><prop><unknown xmlns="u:"/></prop></propfind>'
    seen = await client.request("PROPFIND", f"{FILES}/", none, {"Depth": "0", "Prefer": "return=minimal"})
    assert seen.texts("//D:status") == ["HTTP/1.1 200 OK"]


async def test_allprop_include_and_propname(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a", b"1")
    patch = '<propertyupdate xmlns="DAV:"><set><prop><dead xmlns="u:">x</dead></prop></set></propertyupdate>'
    await client.request("PROPPATCH", f"{FILES}/a", patch)
    every = await client.request("PROPFIND", f"{FILES}/a", headers={"Depth": "0"})
    names = {each.tag for each in every.find("//D:prop/*")}
    assert {"{DAV:}getetag", "{DAV:}lockdiscovery", "{u:}dead"} <= names and "{DAV:}acl" not in names
    body = '<propfind xmlns="DAV:"><allprop/><include><acl/></include></propfind>'
    with_acl = await client.request("PROPFIND", f"{FILES}/a", body, {"Depth": "0"})
    assert {each.tag for each in with_acl.find("//D:prop/*")} == names | {"{DAV:}acl"}
    body = '<propfind xmlns="DAV:"><propname/></propfind>'
    asked = await client.request("PROPFIND", f"{FILES}/a", body, {"Depth": "0"})
    listed = asked.find("//D:prop/*")
    assert names | {"{DAV:}acl"} <= {each.tag for each in listed}
    assert all(not len(each) and not each.text for each in listed)
    assert "{DAV:}sync-token" not in {each.tag for each in listed}  # folders have one, files have none


async def fill(site: Site, folder: str, count: int) -> None:
    """Files in a folder of ivanov's, each with bytes of its own."""
    owner = site.people[IVANOV].id

    async def work(tx: Tx) -> None:
        root = await collections.by_role(tx, owner, "files", "root")
        assert root is not None
        found = await collections.find(tx, owner, "files", folder, root.id)
        assert found is not None
        for number in range(count):
            await items.add(tx, found, site.store.blobs.small(b"%d" % number), name=f"file {number:03}")

    await site.store.write(work)


async def test_a_long_folder_and_what_changes_in_it(site: Site) -> None:
    client, phone = site.ivanov, site.ivanov
    await client.request("MKCOL", f"{FILES}/d")
    await client.request("MKCOL", f"{FILES}/d/sub")
    await fill(site, "d", 450)
    files = [f"{FILES}/d/file%20{number:03}" for number in range(450)]
    expected = [f"{FILES}/d/", f"{FILES}/d/sub/", *files]
    for _ in range(2):  # made, and kept
        seen = await phone.request("PROPFIND", f"{FILES}/d/", SIX, {"Depth": "1"})
        assert seen.hrefs == expected
        assert len(set(seen.texts("//D:getetag"))) == 450 + 1  # and an empty one
    await client.request("PUT", f"{FILES}/d/file%20100", b"other bytes")
    await client.request("DELETE", f"{FILES}/d/file%20200")
    await client.request("MOVE", f"{FILES}/d/file%20300", headers={"Destination": f"{FILES}/d/new"})
    seen = await phone.request("PROPFIND", f"{FILES}/d/", SIX, {"Depth": "1"})
    assert seen.prop(f"{FILES}/d/file%20100", "D:getcontentlength") == "11"
    assert set(expected) - set(seen.hrefs) == {f"{FILES}/d/file%20200", f"{FILES}/d/file%20300"}
    assert f"{FILES}/d/new" in seen.hrefs and len(seen.hrefs) == 451
    # One dead property in the folder, and every answer shows it.
    value = '<unknown xmlns="u:">x</unknown>'
    patch = f'<propertyupdate xmlns="DAV:"><set><prop>{value}</prop></set></propertyupdate>'
    await client.request("PROPPATCH", f"{FILES}/d/new", patch)
    seen = await phone.request("PROPFIND", f"{FILES}/d/", SIX, {"Depth": "1"})
    assert seen.prop(f"{FILES}/d/new", "*[local-name()='unknown']") == "x"


async def test_depth_infinity_up_to_the_limit(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, depth_infinity=5) as site:
        client = site.ivanov
        await client.request("MKCOL", f"{FILES}/d")
        await client.request("PUT", f"{FILES}/d/a", b"")
        await client.request("PUT", f"{FILES}/b", b"")
        seen = await client.request("PROPFIND", f"{FILES}/", SIX)
        assert sorted(seen.hrefs) == [f"{FILES}/", f"{FILES}/b", f"{FILES}/d/", f"{FILES}/d/a"]
        await client.request("PUT", f"{FILES}/d/c", b"")
        await client.request("PUT", f"{FILES}/d/e", b"")
        refused = await client.request("PROPFIND", f"{FILES}/", SIX, {"Depth": "infinity"})
        assert (refused.status, refused.condition) == (403, "propfind-finite-depth")


async def test_refusals(site: Site) -> None:
    client = site.ivanov
    assert (await client.request("PROPFIND", f"{FILES}/", SIX, {"Depth": "2"})).status == 400
    assert (await client.request("PROPFIND", f"{FILES}/", "<x>")).status == 400
    assert (await client.request("PROPFIND", f"{FILES}/", "<x/>")).status == 400
    dtd = '<!DOCTYPE x [<!ENTITY y "z">]><propfind xmlns="DAV:"><allprop/></propfind>'
    assert (await client.request("PROPFIND", f"{FILES}/", dtd)).status == 400
    assert (await client.request("PROPFIND", f"/dav/files/{PETROVA}/", SIX)).status == 404


async def test_libreoffice_asks_with_expect(site: Site) -> None:
    # Recorded from LibreOffice 7.4: Expect: 100-continue on PROPFIND, a second lost if it is not answered.
    client = site.ivanov
    seen = await client.request("PROPFIND", FILES, SIX, {"Depth": "0", "Expect": "100-continue"})
    assert seen.status == 207
    assert seen.prop(f"{FILES}/", "D:resourcetype") is not None
    assert IVANOV in seen.hrefs[0]
