# SPDX-License-Identifier: Apache-2.0
"""Dates as text, against the standard library."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.properties import http_date, iso_date
from tests.dav.conftest import FILES, Site


@given(st.integers(0, 4102444800 * 1_000_000))
def test_dates(moment: int) -> None:
    seconds = moment // 1_000_000
    assert http_date(moment) == formatdate(seconds, usegmt=True)
    assert iso_date(moment) == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_resource_id_stays_when_it_is_renamed(site: Site) -> None:
    client = site.ivanov
    body = '<propfind xmlns="DAV:"><prop><resource-id/></prop></propfind>'
    await client.request("PUT", f"{FILES}/a", b"x")
    before = (await client.request("PROPFIND", f"{FILES}/a", body)).texts("//D:resource-id")
    await client.request("MOVE", f"{FILES}/a", headers={"Destination": f"{FILES}/b"})
    after = (await client.request("PROPFIND", f"{FILES}/b", body)).texts("//D:resource-id")
    assert before == after and uuid.UUID(before[0].removeprefix("urn:uuid:"))


async def test_the_root_of_files_is_called_by_its_address(site: Site) -> None:
    body = '<propfind xmlns="DAV:"><prop><displayname/></prop></propfind>'
    seen = await site.ivanov.request("PROPFIND", "/dav/files/", body, {"Depth": "1"})
    assert seen.texts("//D:displayname") == ["files", "ivanov@digital.example", "shared"]
