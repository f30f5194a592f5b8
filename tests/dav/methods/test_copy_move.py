# SPDX-License-Identifier: Apache-2.0
"""COPY and MOVE: by reference, whole trees, between owners, all or nothing."""

from __future__ import annotations

import pytest

from armgs_server.storage import accounts
from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site
from tests.dav.methods.test_proppatch import ask, patch

SHARED = "/dav/files/shared"


async def transfer(client: Client, method: str, source: str, target: str, **headers: str) -> Answer:
    return await client.request(method, source, headers={"Destination": target, **headers})


async def tree(client: Client, path: str = f"{FILES}/") -> list[str]:
    return (await client.request("PROPFIND", path)).hrefs


async def plant(client: Client) -> None:
    await client.request("MKCOL", f"{FILES}/a")
    await client.request("MKCOL", f"{FILES}/a/b")
    await client.request("PUT", f"{FILES}/a/b/f", b"text")
    await patch(client, f"{FILES}/a/b/f", '<y xmlns="w:">1</y>')
    await patch(client, f"{FILES}/a/b/", '<z xmlns="w:">2</z>')


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
async def test_a_file(both_sites: Site, method: str) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    await plant(ivanov)
    assert (await transfer(ivanov, method, f"{FILES}/a/b/f", f"{FILES}/g")).status == 201
    assert (await phone.request("GET", f"{FILES}/g")).body == b"text"
    assert (await ask(phone, f"{FILES}/g", '<y xmlns="w:"/>')).prop(f"{FILES}/g", "*") == "1"
    assert (await phone.request("GET", f"{FILES}/a/b/f")).status == (200 if method == "COPY" else 404)
    await ivanov.request("PUT", f"{FILES}/h", b"other")
    refused = await transfer(ivanov, method, f"{FILES}/h", f"{FILES}/g", Overwrite="F")
    assert refused.status == 412
    assert (await transfer(ivanov, method, f"{FILES}/h", f"{FILES}/g")).status == 204
    assert (await phone.request("GET", f"{FILES}/g")).body == b"other"
    assert (await ask(phone, f"{FILES}/g", '<y xmlns="w:"/>')).prop(f"{FILES}/g", "*") is None


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
async def test_a_tree(both_sites: Site, method: str) -> None:
    ivanov, phone = both_sites.ivanov, both_sites.ivanov
    await plant(ivanov)
    before = [f"{FILES}/", f"{FILES}/a/", f"{FILES}/a/b/", f"{FILES}/a/b/f"]
    assert await tree(phone) == before
    assert (await transfer(ivanov, method, f"{FILES}/a/", f"{FILES}/c/")).status == 201
    after = [f"{FILES}/c/", f"{FILES}/c/b/", f"{FILES}/c/b/f"]
    assert sorted(await tree(phone)) == sorted([*(before if method == "COPY" else before[:1]), *after])
    assert (await ask(phone, f"{FILES}/c/b/f", '<y xmlns="w:"/>')).prop(f"{FILES}/c/b/f", "*") == "1"
    assert (await ask(phone, f"{FILES}/c/b/", '<z xmlns="w:"/>')).prop(f"{FILES}/c/b/", "*") == "2"


@pytest.mark.parametrize("method", ["COPY", "MOVE"])
async def test_between_owners(both_sites: Site, method: str) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await plant(ivanov)
    assert (await transfer(ivanov, method, f"{FILES}/a/", f"{SHARED}/a/")).status == 201
    assert (await petrova.request("GET", f"{SHARED}/a/b/f")).body == b"text"
    assert (await petrova.request("GET", f"{FILES}/a/b/f")).status == 404
    person = both_sites.people[IVANOV]
    used = await both_sites.store.read(lambda tx: accounts.usage(tx, person.id))
    shared = await both_sites.store.read(lambda tx: accounts.usage(tx, person.department))
    assert used.bytes == (4 if method == "COPY" else 0)
    assert shared.bytes - 4 >= 0
    # And into a place without rights: it is not there.
    assert (await transfer(petrova, method, f"{SHARED}/a/b/f", f"{FILES}/x")).status == 404
    assert (await transfer(petrova, method, f"{SHARED}/a/b/f", f"/dav/files/{PETROVA}/x")).status == 201


async def test_depth_0_copies_the_folder_alone(site: Site) -> None:
    ivanov = site.ivanov
    await plant(ivanov)
    assert (await transfer(ivanov, "COPY", f"{FILES}/a/b/", f"{FILES}/c/", Depth="0")).status == 201
    assert await tree(ivanov, f"{FILES}/c/") == [f"{FILES}/c/"]
    assert (await transfer(ivanov, "MOVE", f"{FILES}/a/b/", f"{FILES}/d/", Depth="0")).status == 400
    assert (await transfer(ivanov, "COPY", f"{FILES}/a/b/", f"{FILES}/d/", Depth="1")).status == 400


async def test_a_file_over_a_folder_and_back(site: Site) -> None:
    ivanov = site.ivanov
    await plant(ivanov)
    await ivanov.request("PUT", f"{FILES}/f", b"file")
    assert (await transfer(ivanov, "COPY", f"{FILES}/f", f"{FILES}/a")).status == 204
    assert (await ivanov.request("GET", f"{FILES}/a")).body == b"file"
    await ivanov.request("MKCOL", f"{FILES}/d")
    assert (await transfer(ivanov, "MOVE", f"{FILES}/d/", f"{FILES}/a")).status == 204
    assert sorted(await tree(ivanov)) == [f"{FILES}/", f"{FILES}/a/", f"{FILES}/f"]


async def test_refusals_change_nothing(site: Site) -> None:
    ivanov = site.ivanov
    await plant(ivanov)
    before = await tree(ivanov)
    for source, target, status in (
        ("a/b/f", f"{FILES}/a/b/f", 403),
        ("a/", f"{FILES}/a/b/c/", 403),
        ("a/b/", f"{FILES}/a/", 403),
        ("a/b/f", f"{FILES}/x/y", 409),
        ("a/", f"{FILES}/a/b/f/x", 403),
        ("a/b/f", "/dav/", 403),
        ("a/b/f", "/dav/principals/", 403),
        ("a/b/f", f"/dav/files/{PETROVA}/x", 404),
        ("a/b/f", "/elsewhere", 404),
        ("a/b/f", "http://other.example/x", 502),
        ("a/b/f", "", 400),
        ("none", f"{FILES}/x", 404),
        ("", f"{FILES}/x", 403),
    ):
        for method in ("COPY", "MOVE"):
            if not source and method == "COPY":
                continue  # a copy of everything into itself is refused for another reason, above
            answer = await transfer(ivanov, method, f"{FILES}/{source}", target)
            assert answer.status == status, (method, source, target)
    assert await tree(ivanov) == before


async def test_an_absolute_destination_with_another_port(site: Site) -> None:
    # COMPAT: clients behind a proxy name the address they know.
    ivanov = site.ivanov
    await ivanov.request("PUT", f"{FILES}/a", b"1")
    assert (await transfer(ivanov, "MOVE", f"{FILES}/a", f"https://127.0.0.1{FILES}/b%20c")).status == 201
    assert (await ivanov.request("GET", f"{FILES}/b%20c")).body == b"1"


async def test_a_copy_is_bounded_and_all_or_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ivanov = site.ivanov
    await plant(ivanov)
    before = await tree(ivanov)
    monkeypatch.setattr("armgs_server.dav.methods.transfer.MAX_COPIED", 2)  # there are three
    assert (await transfer(ivanov, "COPY", f"{FILES}/a/", f"{FILES}/c/")).status == 403
    assert (await transfer(ivanov, "MOVE", f"{FILES}/a/", f"{SHARED}/c/")).status == 403
    assert await tree(ivanov) == before
    assert (await ivanov.request("PROPFIND", f"{SHARED}/c/")).status == 404
    assert (await transfer(ivanov, "MOVE", f"{FILES}/a/", f"{FILES}/c/")).status == 201
