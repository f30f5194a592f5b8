# SPDX-License-Identifier: Apache-2.0
"""PATCH of a range: what comes out, what is refused, and that nobody's change is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.errors import DavError
from armgs_server.dav.methods.patch import MEDIA_TYPE, parse_update_range
from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, Site, run_site

FILE = f"{FILES}/a.txt"


async def patch(client: Client, where: str, data: bytes, **fields: str) -> Answer:
    headers = {"Content-Type": MEDIA_TYPE, "X-Update-Range": where}
    headers.update({name.replace("_", "-"): value for name, value in fields.items()})
    return await client.request("PATCH", FILE, data, headers)


@pytest.mark.parametrize(
    ("where", "data", "expected"),
    [
        ("bytes=0-2", b"xyz", b"xyz3456789"),
        ("bytes=3-5", b"xyz", b"012xyz6789"),
        ("bytes=8-", b"xyz", b"01234567xyz"),
        ("bytes=-2", b"xyz", b"01234567xyz"),
        ("bytes=10-", b"xyz", b"0123456789xyz"),
        ("append", b"xyz", b"0123456789xyz"),
        ("Bytes = 0-", b"", b"0123456789"),
    ],
)
async def test_what_comes_out(both_sites: Site, where: str, data: bytes, expected: bytes) -> None:
    laptop, phone = both_sites.ivanov, both_sites.ivanov
    before = (await laptop.request("PUT", FILE, b"0123456789")).headers["etag"]
    done = await patch(laptop, where, data, If_Match=before)
    assert done.status == 204
    seen = await phone.request("GET", FILE)
    assert (seen.body, seen.headers["etag"]) == (expected, done.headers["etag"])
    assert seen.headers["content-type"] == "text/plain"


async def test_a_large_file(site: Site) -> None:
    data = bytes(range(256)) * 2000
    await site.ivanov.request("PUT", FILE, data)
    assert (await patch(site.ivanov, "bytes=100000-", b"here")).status == 204
    assert (await site.ivanov.request("GET", FILE)).body == data[:100000] + b"here" + data[100004:]


async def test_what_is_refused(site: Site) -> None:
    client = site.ivanov
    assert (await patch(client, "append", b"x")).status == 404
    etag = (await client.request("PUT", FILE, b"0123456789")).headers["etag"]
    assert (await patch(client, "append", b"x", Content_Type="text/plain")).status == 415
    for where, status in (("bytes=11-", 416), ("bytes=0-1", 416), ("bytes=-11", 416), ("lines=1", 400)):
        assert (await patch(client, where, b"x")).status == status
    assert (await patch(client, "append", b"x", If_Match='"other"')).status == 412
    assert (await patch(site.petrova, "append", b"x")).status == 404
    assert (await client.request("GET", FILE)).headers["etag"] == etag
    options = await client.request("OPTIONS", FILE)
    assert "sabredav-partialupdate" in options.headers["dav"] and "PATCH" in options.headers["allow"]
    assert options.headers["accept-patch"] == MEDIA_TYPE


async def test_the_size_and_the_quota_hold(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, file_size=2048, quota=1500) as site:
        await site.ivanov.request("PUT", FILE, b"x" * 1000)
        assert (await patch(site.ivanov, "append", b"x" * 1100)).status == 413
        assert (await patch(site.ivanov, "append", b"x" * 600)).status == 507
        assert len((await site.ivanov.request("GET", FILE)).body) == 1000


@given(st.text(max_size=20), st.integers(0, 100), st.integers(0, 100))
def test_any_header_gives_a_place_in_the_file_or_a_refusal(text: str, size: int, length: int) -> None:
    for header in (text, f"bytes={text}", f"bytes=-{size}", None):
        try:
            assert 0 <= parse_update_range(header, size, length) <= size
        except DavError as refused:
            assert refused.status in (400, 416)
