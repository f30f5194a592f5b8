# SPDX-License-Identifier: Apache-2.0
"""Uploads that break off and go on, over sockets that are really cut."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

from armgs_server.storage import clock, partial_uploads
from tests.dav.client import TIMEOUT, Answer, Client, read_answer
from tests.dav.conftest import FILES, IVANOV, PASSWORD, Site, run_site

BIG = f"{FILES}/big.bin"
DATA = bytes(range(256)) * 2000  # above what lies in the database
PART = "application/partial-upload"
TOLD = "Upload-Complete: ?1\r\nUpload-Draft-Interop-Version: 8"


async def create(client: Client, body: bytes = b"", complete: str = "?0", **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("PUT", BIG, body, {"Upload-Complete": complete, **fields})


async def append(
    client: Client, place: str, offset: int, body: bytes, complete: str, **headers: str
) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"Content-Type": PART, "Upload-Offset": str(offset), "Upload-Complete": complete, **fields}
    return await client.request("PATCH", place, body, {"Content-Length": str(len(body)), **fields})


async def begun(site: Site, head: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose content is not all sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    secret = base64.b64encode(f"{IVANOV}:{PASSWORD}".encode()).decode()
    fields = f"Host: 127.0.0.1\r\nAuthorization: Basic {secret}\r\nContent-Length: {len(DATA)}\r\n\r\n"
    writer.write(f"{head}\r\n{fields}".encode() + body)
    await writer.drain()
    return reader, writer


async def interim(reader: asyncio.StreamReader) -> dict[str, str]:
    lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)).decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 104 Upload Resumption Supported"
    fields = dict(line.split(": ", 1) for line in lines[1:] if line)
    assert fields["Upload-Draft-Interop-Version"] == "8"
    return fields


async def offset_of(client: Client, place: str, least: int = 0) -> int:
    """How much is there; asked until it is as much as must come."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            answer = await client.request("HEAD", place)
            assert answer.status == 204, answer
            offset = int(answer.headers["upload-offset"])
            if offset >= least:
                return offset
            await asyncio.sleep(0.05)


async def test_an_upload_in_parts(both_sites: Site) -> None:
    client = both_sites.ivanov
    made = await create(client, Upload_Length=str(len(DATA)), Content_Type="image/png")
    assert made.status == 201 and made.headers["upload-complete"] == "?0"
    assert made.headers["upload-offset"] == "0" and "max-size=" in made.headers["upload-limit"]
    place = made.headers["location"]
    half = len(DATA) // 2
    part = await append(client, place, 0, DATA[:half], "?0")
    assert (part.status, part.headers["upload-complete"], part.headers["upload-offset"]) == (
        204,
        "?0",
        str(half),
    )
    assert (await client.request("GET", BIG)).status == 404
    state = await client.request("HEAD", place)
    assert (state.status, state.headers["upload-length"]) == (204, str(len(DATA)))
    assert state.headers["upload-offset"] == str(half) and state.headers["cache-control"] == "no-store"
    last = await append(client, place, half, DATA[half:], "?1")
    assert (last.status, last.headers["upload-complete"]) == (201, "?1")
    got = await client.request("GET", BIG)
    assert got.body == DATA and got.headers["content-type"] == "image/png"
    assert got.headers["etag"] == last.headers["etag"]
    # The answer was lost: the client asks, and may ask for it again.
    assert (await client.request("HEAD", place)).headers["upload-complete"] == "?1"
    again = await append(client, place, len(DATA), b"", "?1")
    assert (again.status, again.headers["etag"]) == (201, got.headers["etag"])
    assert (await append(client, place, len(DATA), b"x", "?0")).status == 400


async def test_a_put_that_breaks_off_is_resumed(both_sites: Site) -> None:
    client, site = both_sites.ivanov, both_sites
    await client.request("PUT", BIG, b"before")
    half = len(DATA) // 2
    reader, writer = await begun(site, f"PUT {BIG} HTTP/1.1\r\n{TOLD}", DATA[:half])
    place = (await interim(reader))["Location"]
    writer.transport.abort()
    there = await offset_of(client, place)
    assert 0 <= there <= half
    assert (await client.request("GET", BIG)).body == b"before"
    done = await append(client, place, there, DATA[there:], "?1")
    assert (done.status, done.headers["upload-complete"]) == (204, "?1")
    assert (await client.request("GET", BIG)).body == DATA


async def test_a_connection_that_died_silently_does_not_hold_the_upload(site: Site) -> None:
    """The client asks on a new one while the server still waits on the old one, and what came counts."""
    client = site.ivanov
    half = len(DATA) // 2
    reader, writer = await begun(site, f"PUT {BIG} HTTP/1.1\r\n{TOLD}", DATA[:half])
    place = (await interim(reader))["Location"]
    there = await offset_of(client, place)
    late = await asyncio.wait_for(read_answer(reader, "PUT"), TIMEOUT)
    assert (late.status, late.headers["upload-offset"]) == (201, str(there))
    writer.close()
    assert (await append(client, place, there, DATA[there:], "?1")).status == 201
    assert (await client.request("GET", BIG)).body == DATA


async def test_offsets_and_lengths_that_do_not_fit(site: Site) -> None:
    client = site.ivanov
    place = (await create(client, b"12345", Upload_Length="10")).headers["location"]
    wrong = await append(client, place, 4, b"x", "?0")
    assert (wrong.status, wrong.headers["upload-offset"], wrong.headers["upload-complete"]) == (
        409,
        "5",
        "?0",
    )
    problem = json.loads(wrong.body)
    assert (problem["expected-offset"], problem["provided-offset"]) == (5, 4)
    assert (await append(client, place, 5, b"67", "?1")).status == 400
    assert (await append(client, place, 5, b"67", "?0", Upload_Length="11")).status == 400
    assert (await append(client, place, 5, b"67", "yes")).status == 400
    assert (await append(client, place, 5, b"67", "?0", Upload_Offset="-1")).status == 400
    assert (await append(client, place, 5, b"67", "?0", Content_Type="text/plain")).status == 415
    assert (await append(client, place, 5, b"6789012", "?0")).status == 413
    assert (await client.request("HEAD", place)).status == 404  # what is too long can never become whole
    told = {"Upload_Draft_Interop_Version": "8"}
    assert (await create(client, b"x" * 70_000, "?1", Upload_Length="5", **told)).status == 400
    # Whoever does not know this state of the draft is told nothing between; the PUT is a PUT.
    for version in ("7", "x"):
        whole = await create(client, b"x" * 70_000, "?1", Upload_Draft_Interop_Version=version)
        assert whole.status in (201, 204) and whole.headers["upload-complete"] == "?1"
    assert await site.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM partial_upload")) == 0


async def test_only_its_maker_has_it_and_may_give_it_up(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    place = (await create(ivanov, b"12345")).headers["location"]
    for method in ("HEAD", "PATCH", "DELETE"):
        assert (await petrova.request(method, place)).status == 404, method
    assert (await site.client().request("HEAD", place)).status == 401
    assert (await ivanov.request("POST", place)).status == 405
    assert (await ivanov.request("DELETE", place)).status == 204
    assert (await ivanov.request("HEAD", place)).status == 404
    assert await site.store.read(lambda tx: tx.value("SELECT COUNT(*) FROM partial_piece")) == 0


async def test_the_whole_is_a_put_with_its_conditions(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", BIG, b"first")
    place = (await create(client, b"12345", If_None_Match="*")).headers["location"]
    refused = await append(client, place, 5, b"", "?1")
    assert (refused.status, refused.headers["upload-complete"]) == (412, "?1")
    assert (await client.request("GET", BIG)).body == b"first"
    elsewhere = await client.request("PUT", f"{FILES}/none/x", b"", {"Upload-Complete": "?0"})
    assert elsewhere.status == 409
    theirs = await site.petrova.request("PUT", BIG, b"", {"Upload-Complete": "?0"})
    assert theirs.status == 404
    small = await create(client, b"small", "?1")
    assert (small.status, small.headers["upload-complete"]) == (204, "?1")
    ignored = await create(client, b"not a boolean", "yes")
    assert (ignored.status, ignored.headers.get("upload-complete")) == (204, None)


async def test_limits(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, uploads=2, file_size=1_000_000, quota=300_000) as site:
        client = site.ivanov
        blobs = "SELECT COUNT(*) FROM blob WHERE refs > 0"
        before = await site.store.read(lambda tx: tx.value(blobs))
        options = await client.request("OPTIONS", BIG)
        assert options.headers["upload-limit"] == "max-size=1000000"
        assert "upload-limit" not in (await client.request("OPTIONS", f"{FILES}/")).headers
        assert (await create(client, Upload_Length="1000001")).status == 413
        first = (await create(client)).headers["location"]
        await create(client)
        assert (await create(client)).status == 409
        assert (await append(client, first, 0, b"x" * 200_000, "?0")).status == 204
        assert (await append(client, first, 200_000, b"x" * 200_000, "?0")).status == 507
        end = clock.now() + 25 * clock.HOUR
        await site.store.write(lambda tx: tx.execute("UPDATE partial_upload SET expires = expires - ?", end))
        assert (await client.request("HEAD", first)).status == 404
        assert await site.store.write(partial_uploads.expire) == 2
        assert await site.store.read(lambda tx: tx.value(blobs)) == before
    off = tmp_path / "off"
    off.mkdir()
    async with run_site("sqlite", off, upload_hours=0) as site:
        whole = await create(site.ivanov, b"12345")
        assert (whole.status, whole.headers.get("upload-complete")) == (201, None)
        assert "upload-limit" not in (await site.ivanov.request("OPTIONS", BIG)).headers
