# SPDX-License-Identifier: Apache-2.0
"""Prefer: return=representation and what else a client may prefer of a write or a listing."""

from __future__ import annotations

from tests.dav.conftest import FILES, Site

WANT = {"Prefer": "return=representation"}


async def test_a_write_answers_with_what_is_there(both_sites: Site) -> None:
    client = both_sites.ivanov
    made = await client.request("PUT", f"{FILES}/a.txt", b"one", WANT)
    assert (made.status, made.body) == (201, b"one")
    assert made.headers["preference-applied"] == "return=representation"
    assert made.headers["content-location"] == f"{FILES}/a.txt"
    assert made.headers["content-type"] == "text/plain"
    replaced = await client.request("PUT", f"{FILES}/a.txt", b"two", WANT)
    assert (replaced.status, replaced.body) == (200, b"two")
    copied = await client.request("COPY", f"{FILES}/a.txt", headers={"Destination": f"{FILES}/b.txt", **WANT})
    assert (copied.status, copied.body) == (201, b"two")
    moved = await client.request("MOVE", f"{FILES}/b.txt", headers={"Destination": f"{FILES}/a.txt", **WANT})
    assert (moved.status, moved.body, moved.headers["etag"]) == (200, b"two", copied.headers["etag"])


async def test_a_failed_condition_answers_with_what_stood_in_its_way(site: Site) -> None:
    laptop, phone = site.ivanov, site.ivanov
    await laptop.request("PUT", f"{FILES}/a", b"theirs")
    refused = await phone.request("PUT", f"{FILES}/a", b"mine", {"If-Match": '"old"', **WANT})
    assert (refused.status, refused.body) == (412, b"theirs")
    etag = refused.headers["etag"]
    assert (await phone.request("PUT", f"{FILES}/a", b"mine", {"If-Match": etag})).status == 204
    plain = await phone.request("PUT", f"{FILES}/a", b"mine", {"If-Match": '"old"'})
    assert (plain.status, plain.body) == (412, b"A condition of the request does not hold.\n")
    missing = await phone.request("PUT", f"{FILES}/none", b"mine", {"If-Match": '"old"', **WANT})
    assert missing.status == 412 and "preference-applied" not in missing.headers


async def test_large_bytes_are_streamed(site: Site) -> None:
    data = bytes(range(256)) * 1000
    made = await site.ivanov.request("PUT", f"{FILES}/big", data, WANT)
    assert (made.status, made.body) == (201, data)


async def test_a_listing_without_its_root(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a", b"1")
    await client.request("MKCOL", f"{FILES}/d/")
    for depth, prefer in (("1", "depth-noroot"), ("infinity", "depth-noroot, return=minimal")):
        headers = {"Depth": depth, "Prefer": prefer}
        ask = '<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>'
        seen = await client.request("PROPFIND", f"{FILES}/", ask, headers)
        assert sorted(seen.hrefs) == [f"{FILES}/a", f"{FILES}/d/"]
        assert set(seen.headers["preference-applied"].split(", ")) == set(prefer.split(", "))


async def test_a_change_of_properties_without_an_answer(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a", b"1")
    patch = '<propertyupdate xmlns="DAV:"><set><prop><x xmlns="u:">1</x></prop></set></propertyupdate>'
    quiet = await client.request("PROPPATCH", f"{FILES}/a", patch, {"Prefer": "return=minimal"})
    assert (quiet.status, quiet.body) == (204, b"")
    protected = patch.replace('<x xmlns="u:">1</x>', "<getetag>1</getetag>")
    told = await client.request("PROPPATCH", f"{FILES}/a", protected, {"Prefer": "return=minimal"})
    assert told.status == 207 and told.find("//D:cannot-modify-protected-property")
