# SPDX-License-Identifier: Apache-2.0
"""DELETE: all or nothing, and not what belongs to the account."""

from __future__ import annotations

from tests.dav.conftest import FILES, Site
from tests.dav.methods.test_lock import take


async def test_a_tree_goes_as_a_whole(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    await ivanov.request("MKCOL", f"{FILES}/a")
    await ivanov.request("MKCOL", f"{FILES}/a/b")
    await ivanov.request("PUT", f"{FILES}/a/b/c", b"x")
    assert (await ivanov.request("DELETE", f"{FILES}/a/", headers={"Depth": "0"})).status == 400
    assert (await ivanov.request("DELETE", f"{FILES}/a/")).status == 204
    assert (await phone.request("GET", f"{FILES}/a/b/c")).status == 404
    assert (await phone.request("PROPFIND", f"{FILES}/", headers={"Depth": "1"})).hrefs == [f"{FILES}/"]
    assert (await ivanov.request("DELETE", f"{FILES}/a/")).status == 404


async def test_a_lock_below_keeps_everything(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    shared = "/dav/files/shared"
    await ivanov.request("MKCOL", f"{shared}/a")
    await ivanov.request("PUT", f"{shared}/a/x", b"x")
    await ivanov.request("PUT", f"{shared}/a/y", b"y")
    token = await take(petrova, f"{shared}/a/x")
    answer = await ivanov.request("DELETE", f"{shared}/a/")
    assert (answer.status, answer.hrefs) == (207, [f"{shared}/a/x"])
    assert answer.texts("//D:response/D:status") == ["HTTP/1.1 423 Locked"]
    assert (await petrova.request("GET", f"{shared}/a/y")).body == b"y"
    # Her own token lets her delete what she locked; it does not let him, who does not own it.
    condition = {"If": f"<{shared}/a/x> (<{token}>)"}
    assert (await ivanov.request("DELETE", f"{shared}/a/", headers=condition)).status == 207
    assert (await petrova.request("DELETE", f"{shared}/a/", headers=condition)).status == 204


async def test_what_belongs_to_the_account_stays(site: Site) -> None:
    assert (await site.ivanov.request("DELETE", f"{FILES}/")).status == 403
    assert (await site.ivanov.request("DELETE", "/dav/")).status == 405
    assert (await site.petrova.request("DELETE", f"{FILES}/")).status == 404


async def test_conditions(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/a", b"1")
    assert (await client.request("DELETE", f"{FILES}/a", headers={"If-Match": '"x"'})).status == 412
    assert (await client.request("DELETE", f"{FILES}/a#b")).status == 400
    assert (await client.request("GET", f"{FILES}/a")).status == 200
