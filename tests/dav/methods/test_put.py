# SPDX-License-Identifier: Apache-2.0
"""PUT: new bytes, never half of them, and who is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.dav.client import read_answer
from tests.dav.conftest import FILES, PETROVA, Site, run_site


async def test_new_and_replaced_with_the_etag_of_the_bytes(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    made = await ivanov.request("PUT", f"{FILES}/a.txt", b"one")
    assert made.status == 201
    seen = await phone.request("GET", f"{FILES}/a.txt")
    assert (seen.status, seen.body, seen.headers["etag"]) == (200, b"one", made.headers["etag"])
    assert seen.headers["content-type"] == "text/plain"
    replaced = await phone.request("PUT", f"{FILES}/a.txt", b"two", {"Content-Type": "text/x-own"})
    assert replaced.status == 204
    assert replaced.headers["etag"] != made.headers["etag"]
    seen = await ivanov.request("GET", f"{FILES}/a.txt")
    assert (seen.body, seen.headers["content-type"]) == (b"two", "text/x-own")


async def test_a_chunked_body_larger_than_what_is_kept_inline(site: Site) -> None:
    data = bytes(range(256)) * 2000
    chunks = b"".join(b"%x\r\n%s\r\n" % (10000, data[at : at + 10000]) for at in range(0, 510000, 10000))
    chunks += b"%x\r\n%s\r\n0\r\n\r\n" % (len(data) - 510000, data[510000:])
    client = site.ivanov
    head = (
        f"PUT {FILES}/big HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        f"X-Expected-Entity-Length: {len(data)}\r\nAuthorization: Basic {client._authorization}\r\n\r\n"
    )
    answer = await client.send(head.encode(), chunks, "PUT")
    assert answer.status == 201
    assert (await client.request("GET", f"{FILES}/big")).body == data


async def test_expect_100_continue_is_answered_or_refused_before_the_body(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    fields = f"Host: x\r\nAuthorization: Basic {site.ivanov._authorization}\r\nExpect: 100-continue\r\n"
    writer.write(f"PUT {FILES}/e HTTP/1.1\r\n{fields}Content-Length: 3\r\n\r\n".encode())
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"abc")
    assert (await asyncio.wait_for(read_answer(reader, "PUT"), 5)).status == 201
    writer.write(f"PUT {FILES}/no/e HTTP/1.1\r\n{fields}Content-Length: 3\r\n\r\n".encode())
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 409 ")
    writer.close()
    await writer.wait_closed()


async def test_a_broken_off_body_leaves_the_old_bytes(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a.txt", b"old")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"PUT {FILES}/a.txt HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {client._authorization}\r\n"
    writer.write(f"{head}Content-Length: 500000\r\n\r\n".encode() + b"x" * 300000)
    await writer.drain()
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    assert (await client.request("GET", f"{FILES}/a.txt")).body == b"old"


async def test_refusals(site: Site) -> None:
    client = site.ivanov
    assert (await client.request("PUT", f"{FILES}/no/such/a.txt", b"x")).status == 409
    assert (await client.request("PUT", f"{FILES}/", b"x")).status == 405
    assert (await client.request("MKCOL", f"{FILES}/dir")).status == 201
    assert (await client.request("PUT", f"{FILES}/dir", b"x")).status == 405
    partial = await client.request("PUT", f"{FILES}/a", b"x", {"Content-Range": "bytes 0-0/1"})
    assert partial.status == 400
    assert (await client.request("PUT", f"{FILES}/{'n' * 256}", b"x")).status == 400
    assert (await client.request("PUT", f"{FILES}/a%00b", b"x")).status == 400
    assert (await client.request("PUT", f"{FILES}/..%2fetc", b"x")).status == 400
    assert (await client.request("PUT", f"/dav/files/{PETROVA}/a", b"x")).status == 404
    assert (await client.request("PUT", "/dav/x", b"x")).status == 404
    assert (await client.request("PUT", f"/dav/calendars/{PETROVA}/x", b"x")).status == 404
    assert (await client.request("GET", f"{FILES}/a")).status == 404


async def test_conditions(site: Site) -> None:
    client = site.ivanov
    etag = (await client.request("PUT", f"{FILES}/a", b"1", {"If-None-Match": "*"})).headers["etag"]
    assert (await client.request("PUT", f"{FILES}/a", b"2", {"If-None-Match": "*"})).status == 412
    assert (await client.request("PUT", f"{FILES}/b", b"2", {"If-Match": "*"})).status == 412
    assert (await client.request("PUT", f"{FILES}/a", b"2", {"If-Match": '"other"'})).status == 412
    assert (await client.request("PUT", f"{FILES}/a", b"2", {"If": f"([{etag}])"})).status == 204
    assert (await client.request("PUT", f"{FILES}/a", b"3", {"If": f"([{etag}])"})).status == 412
    assert (await client.request("PUT", f"{FILES}/a", b"3", {"If": "(broken"})).status == 400
    assert (await client.request("GET", f"{FILES}/a")).body == b"2"


async def test_limits_are_checked_with_and_without_a_length(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, file_size=200_000, quota=300_000) as site:
        client = site.ivanov
        assert (await client.request("PUT", f"{FILES}/a", b"x" * 200_001)).status == 413
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (250_000, b"x" * 250_000)
        head = f"PUT {FILES}/a HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {client._authorization}\r\n"
        chunked = await site.ivanov.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), body, "PUT")
        assert chunked.status == 413
        assert (await client.request("PUT", f"{FILES}/a", b"x" * 180_000)).status == 201
        full = await client.request("PUT", f"{FILES}/b", b"x" * 180_000)
        assert (full.status, full.condition) == (507, "quota-not-exceeded")
        small = await client.request("PUT", f"{FILES}/c", b"x" * 60_000)
        assert small.status == 201
        assert (await client.request("PUT", f"{FILES}/c", b"x" * 60_001)).status == 204
        assert (await client.request("PUT", f"{FILES}/d", b"x" * 60_000)).status == 507
        # Making it smaller is always possible, and gives room.
        assert (await client.request("PUT", f"{FILES}/a", b"x")).status == 204
        assert (await client.request("PUT", f"{FILES}/d", b"x" * 60_000)).status == 201


async def test_names_are_the_same_in_both_unicode_forms(site: Site) -> None:
    client = site.ivanov
    assert (await client.request("PUT", f"{FILES}/%D0%B8%CC%86.txt", b"nfd")).status == 201  # и + ̆
    assert (await client.request("GET", f"{FILES}/%D0%B9.txt")).body == b"nfd"  # й
    assert (await client.request("PUT", f"{FILES}/%D0%B9.txt", b"nfc")).status == 204
    names = (await client.request("PROPFIND", f"{FILES}/", headers={"Depth": "1"})).hrefs
    assert names == [f"{FILES}/", f"{FILES}/.versions/", f"{FILES}/%D0%B9.txt"]


async def test_the_shared_folder_of_the_department(both_sites: Site) -> None:
    ivanov, petrova, sidorov = both_sites.ivanov, both_sites.petrova, both_sites.sidorov
    assert (await ivanov.request("PUT", "/dav/files/shared/plan.txt", b"1")).status == 201
    assert (await petrova.request("GET", "/dav/files/shared/plan.txt")).body == b"1"
    assert (await petrova.request("PUT", "/dav/files/shared/plan.txt", b"2")).status == 204
    assert (await ivanov.request("GET", "/dav/files/shared/plan.txt")).body == b"2"
    assert (await sidorov.request("GET", "/dav/files/shared/plan.txt")).status == 404
    assert (await ivanov.request("DELETE", "/dav/files/shared/")).status == 403
