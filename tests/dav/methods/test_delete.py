# SPDX-License-Identifier: Apache-2.0
"""DELETE: all or nothing, and not what belongs to the account."""

from __future__ import annotations

from tests.dav.client import Client
from tests.dav.conftest import FILES, Site, without_trash
from tests.dav.methods.test_lock import take


async def test_a_tree_goes_as_a_whole(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    await ivanov.request("MKCOL", f"{FILES}/a")
    await ivanov.request("MKCOL", f"{FILES}/a/b")
    await ivanov.request("PUT", f"{FILES}/a/b/c", b"x")
    assert (await ivanov.request("DELETE", f"{FILES}/a/", headers={"Depth": "0"})).status == 400
    assert (await ivanov.request("DELETE", f"{FILES}/a/")).status == 204
    assert (await phone.request("GET", f"{FILES}/a/b/c")).status == 404
    left = (await phone.request("PROPFIND", f"{FILES}/", headers={"Depth": "1"})).hrefs
    assert left == [f"{FILES}/", f"{FILES}/.trash/"]
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


async def listed(client: Client, path: str) -> list[str]:
    answer = await client.request("PROPFIND", path, headers={"Depth": "1"})
    assert answer.status == 207
    return [href.removeprefix(path) for href in answer.hrefs[1:]]


async def test_what_was_deleted_comes_back_from_the_trash(both_sites: Site) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    await ivanov.request("MKCOL", f"{FILES}/d/")
    await ivanov.request("PUT", f"{FILES}/d/inner.txt", b"inner")
    patch = '<propertyupdate xmlns="DAV:"><set><prop><x xmlns="u:">kept</x></prop></set></propertyupdate>'
    for number in range(2):  # twice the same name on one day
        await ivanov.request("PUT", f"{FILES}/a.txt", f"{number}".encode())
        await ivanov.request("PROPPATCH", f"{FILES}/a.txt", patch)
        assert (await ivanov.request("DELETE", f"{FILES}/a.txt")).status == 204
    assert (await ivanov.request("DELETE", f"{FILES}/d/")).status == 204
    trash = f"{FILES}/.trash/"
    (day,) = await listed(phone, trash)
    assert sorted(await listed(phone, trash + day)) == ["a%20(2).txt", "a.txt", "d/"]
    assert (await both_sites.petrova.request("PROPFIND", trash)).status == 404
    back = {"Destination": f"{FILES}/a.txt"}
    assert (await phone.request("MOVE", f"{trash}{day}a%20(2).txt", headers=back)).status == 201
    assert (await ivanov.request("GET", f"{FILES}/a.txt")).body == b"1"
    ask = '<propfind xmlns="DAV:"><prop><x xmlns="u:"/></prop></propfind>'
    assert b">kept<" in (await ivanov.request("PROPFIND", f"{FILES}/a.txt", ask, {"Depth": "0"})).body
    await phone.request("MOVE", f"{trash}{day}d/", headers={"Destination": f"{FILES}/d/"})
    assert (await ivanov.request("GET", f"{FILES}/d/inner.txt")).body == b"inner"
    # In the trash a DELETE is final, of the trash itself, too.
    assert (await phone.request("DELETE", f"{trash}{day}a.txt")).status == 204
    assert await listed(phone, trash + day) == []
    assert (await phone.request("DELETE", trash)).status == 204
    assert (await phone.request("PROPFIND", trash)).status == 404


async def test_a_shared_folder_has_a_trash_of_its_own(site: Site) -> None:
    await site.ivanov.request("PUT", "/dav/files/shared/a", b"1")
    assert (await site.petrova.request("DELETE", "/dav/files/shared/a")).status == 204
    (day,) = await listed(site.ivanov, "/dav/files/shared/.trash/")
    assert await listed(site.petrova, f"/dav/files/shared/.trash/{day}") == ["a"]


async def test_the_trash_can_be_switched_off_and_its_name_be_taken(site: Site) -> None:
    client = site.ivanov
    await client.request("PUT", f"{FILES}/.trash", b"a file of that name")
    assert (await client.request("DELETE", f"{FILES}/.trash")).status == 204
    without_trash(site)
    await client.request("PUT", f"{FILES}/a", b"1")
    assert (await client.request("DELETE", f"{FILES}/a")).status == 204
    assert await listed(client, f"{FILES}/") == []
