# SPDX-License-Identifier: Apache-2.0
"""RFC 4331: what is used and what is left, and to whom it is told."""

from __future__ import annotations

from pathlib import Path

from tests.dav.conftest import FILES, IVANOV, PETROVA, Site, run_site

ASK = '<propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>'


async def test_used_and_available(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, quota=1_000_000) as site:
        client = site.ivanov
        await client.request("PUT", f"{FILES}/a", b"x" * 1000)
        await client.request("COPY", f"{FILES}/a", headers={"Destination": f"{FILES}/b"})
        for path in (f"{FILES}/", f"/dav/calendars/{IVANOV}/"):
            seen = await client.request("PROPFIND", path, ASK, {"Depth": "0"})
            assert seen.prop(path, "D:quota-used-bytes") == "2000"
            assert seen.prop(path, "D:quota-available-bytes") == "998000"
        other = await client.request("PROPFIND", f"/dav/calendars/{PETROVA}/", ASK, {"Depth": "0"})
        assert other.texts("//D:status") == ["HTTP/1.1 404 Not Found"]
        whole = await client.request("PROPFIND", f"{FILES}/", headers={"Depth": "0"})
        assert whole.find("//D:quota-used-bytes") == []  # §3: not in allprop


async def test_without_a_limit_there_is_nothing_to_say(site: Site) -> None:
    seen = await site.ivanov.request("PROPFIND", f"{FILES}/", ASK, {"Depth": "0"})
    assert seen.prop(f"{FILES}/", "D:quota-used-bytes") == "0"
    assert seen.prop(f"{FILES}/", "D:quota-available-bytes") is None
