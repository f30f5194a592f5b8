# SPDX-License-Identifier: Apache-2.0
"""GET and HEAD: ranges, conditions, and that nobody else learns anything."""

from __future__ import annotations

from tests.dav.conftest import FILES, Site

BIG = bytes(range(256)) * 1000  # above the inline limit: read from a file


async def test_ranges(site: Site) -> None:
    client = site.ivanov
    for name, data in (("small", b"0123456789"), ("big", BIG)):
        await client.request("PUT", f"{FILES}/{name}", data)
        whole = await client.request("GET", f"{FILES}/{name}")
        assert (whole.status, whole.body, whole.headers["accept-ranges"]) == (200, data, "bytes")
        part = await client.request("GET", f"{FILES}/{name}", headers={"Range": "bytes=2-5"})
        assert (part.status, part.body) == (206, data[2:6])
        assert part.headers["content-range"] == f"bytes 2-5/{len(data)}"
        tail = await client.request("GET", f"{FILES}/{name}", headers={"Range": "bytes=-3"})
        assert (tail.status, tail.body) == (206, data[-3:])
        several = await client.request("GET", f"{FILES}/{name}", headers={"Range": "bytes=0-1,4-5"})
        assert (several.status, several.body) == (200, data)
        behind = await client.request("GET", f"{FILES}/{name}", headers={"Range": "bytes=999999-"})
        assert (behind.status, behind.headers["content-range"]) == (416, f"bytes */{len(data)}")


async def test_if_range(site: Site) -> None:
    client = site.ivanov
    etag = (await client.request("PUT", f"{FILES}/a", b"0123")).headers["etag"]
    modified = (await client.request("HEAD", f"{FILES}/a")).headers["last-modified"]
    for value, status in (
        (etag, 206),
        (modified, 206),
        ('"other"', 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
    ):
        answer = await client.request("GET", f"{FILES}/a", headers={"Range": "bytes=0-0", "If-Range": value})
        assert answer.status == status


async def test_conditions(site: Site) -> None:
    client = site.ivanov
    etag = (await client.request("PUT", f"{FILES}/a", b"0123")).headers["etag"]
    first = await client.request("GET", f"{FILES}/a", headers={"If-None-Match": etag})
    assert (first.status, first.body, first.headers["etag"]) == (304, b"", etag)
    since = {"If-Modified-Since": first.headers["last-modified"]}
    assert (await client.request("GET", f"{FILES}/a", headers=since)).status == 304
    assert (await client.request("GET", f"{FILES}/a", headers={"If-Match": '"x"'})).status == 412


async def test_head_says_what_get_would(site: Site) -> None:
    client = site.ivanov
    for name, data in (("small.html", b"<script>"), ("big", BIG)):
        await client.request("PUT", f"{FILES}/{name}", data)
        get = await client.request("GET", f"{FILES}/{name}")
        head = await client.request("HEAD", f"{FILES}/{name}")
        assert head.body == b"" and {**head.headers, "date": ""} == {**get.headers, "date": ""}
        # A file must not act as a page of this server.
        assert head.headers["content-security-policy"] == "sandbox"
        assert head.headers["x-content-type-options"] == "nosniff"
