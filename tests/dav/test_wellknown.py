# SPDX-License-Identifier: Apache-2.0
"""RFC 6764: from the host's name alone to the person's principal."""

from __future__ import annotations

import pytest

from tests.dav.conftest import IVANOV, Site


@pytest.mark.parametrize("service", ["caldav", "carddav"])
async def test_any_method_is_sent_to_the_context_path(site: Site, service: str) -> None:
    client = site.client()
    for method in ("GET", "PROPFIND", "OPTIONS"):
        answer = await client.request(method, f"/.well-known/{service}")
        assert (answer.status, answer.headers["location"]) == (307, "/dav/")
    body = '<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'
    seen = await site.ivanov.request("PROPFIND", "/dav/", body, {"Depth": "0"})
    assert seen.prop("/dav/", "D:current-user-principal") == f"/dav/principals/people/{IVANOV}/"
