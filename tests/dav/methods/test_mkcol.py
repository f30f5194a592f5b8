# SPDX-License-Identifier: Apache-2.0
"""MKCOL, plain and extended."""

from __future__ import annotations

from tests.dav.conftest import FILES, PETROVA, Site
from tests.dav.methods.test_lock import take


def extended(props: str, kind: str = "<collection/>") -> str:
    return f'<mkcol xmlns="DAV:"><set><prop><resourcetype>{kind}</resourcetype>{props}</prop></set></mkcol>'


async def test_a_folder(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    assert (await ivanov.request("MKCOL", f"{FILES}/a/")).status == 201
    assert (await phone.request("PROPFIND", f"{FILES}/", headers={"Depth": "1"})).hrefs == [
        f"{FILES}/",
        f"{FILES}/a/",
    ]
    again = await ivanov.request("MKCOL", f"{FILES}/a/")
    assert again.status == 405
    await ivanov.request("PUT", f"{FILES}/f", b"")
    assert (await ivanov.request("MKCOL", f"{FILES}/f")).status == 405
    assert (await ivanov.request("MKCOL", f"{FILES}/f/below")).status == 409
    assert (await ivanov.request("MKCOL", f"{FILES}/x/y")).status == 409


async def test_bodies(site: Site) -> None:
    ivanov = site.ivanov
    assert (await ivanov.request("MKCOL", f"{FILES}/a", "x", {"Content-Type": "text/plain"})).status == 415
    assert (await ivanov.request("MKCOL", f"{FILES}/a", "<x/>", {"Content-Type": "text/xml"})).status == 415
    made = await ivanov.request("MKCOL", f"{FILES}/a", extended("<displayname>Отчёты</displayname>"))
    assert made.status == 201
    seen = await ivanov.request("PROPFIND", f"{FILES}/a/", headers={"Depth": "0"})
    assert seen.prop(f"{FILES}/a/", "D:displayname") == "Отчёты"


async def test_a_property_that_cannot_be_set_undoes_all(site: Site) -> None:
    ivanov = site.ivanov
    answer = await ivanov.request("MKCOL", f"{FILES}/a", extended('<getetag>x</getetag><y xmlns="u:">1</y>'))
    assert answer.status == 424
    assert answer.texts("/D:mkcol-response/D:propstat/D:status") == [
        "HTTP/1.1 403 Forbidden",
        "HTTP/1.1 424 Failed Dependency",
    ]
    assert (await ivanov.request("PROPFIND", f"{FILES}/a/", headers={"Depth": "0"})).status == 404


async def test_types_that_do_not_lie_here(site: Site) -> None:
    ivanov = site.ivanov
    answer = await ivanov.request("MKCOL", f"{FILES}/a", extended("", '<collection/><odd xmlns="u:"/>'))
    assert (answer.status, answer.condition) == (403, "valid-resourcetype")
    assert (await ivanov.request("MKCOL", f"/dav/files/{PETROVA}/a")).status == 404
    assert (await ivanov.request("MKCOL", "/dav/files/new")).status == 404
    assert (await ivanov.request("MKCOL", "/dav/files/")).status == 405


async def test_a_locked_parent(site: Site) -> None:
    token = await take(site.petrova, "/dav/files/shared/")
    assert (await site.ivanov.request("MKCOL", "/dav/files/shared/a")).status == 423
    tagged = {"If": f"</dav/files/shared/> (<{token}>)"}
    assert (await site.petrova.request("MKCOL", "/dav/files/shared/a", headers=tagged)).status == 201
