# SPDX-License-Identifier: Apache-2.0
"""OPTIONS: computed, and what Windows and Office look for."""

from __future__ import annotations

import pytest

from tests.dav.conftest import FILES, Site


@pytest.mark.parametrize(
    "path", ["/", "/dav/", "/dav/files/", f"{FILES}/", f"{FILES}/none", "/dav/principals/"]
)
async def test_every_parent_says_what_it_can(site: Site, path: str) -> None:
    answer = await site.ivanov.request("OPTIONS", path)
    assert answer.status == 200
    assert answer.headers["dav"].split(", ")[:4] == ["1", "2", "3", "access-control"]
    assert {"extended-mkcol", "calendar-access", "addressbook"} <= set(answer.headers["dav"].split(", "))
    assert answer.headers["ms-author-via"] == "DAV"


async def test_allow_is_what_is_not_refused_with_405(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a", b"x")
    for path in (f"{FILES}/", f"{FILES}/a", f"{FILES}/none", "/dav/"):
        allowed = (await client.request("OPTIONS", path)).headers["allow"].split(", ")
        for method in ("GET", "PUT", "MKCOL", "COPY", "MOVE", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK"):
            answer = await client.request(method, path, headers={"If-Match": '"never"'})
            assert (answer.status != 405) >= (method in allowed), (method, path)
        assert "OPTIONS" in allowed
