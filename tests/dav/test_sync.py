# SPDX-License-Identifier: Apache-2.0
"""sync-collection: two devices stay in step, in pages too, and tokens of other times are refused."""

from __future__ import annotations

import re

from armgs_server.dav.sync_tree import PAGE
from armgs_server.storage import collections, items
from armgs_server.storage.tx import Tx
from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site, without_trash


async def sync(
    client: Client, token: str = "", *, path: str = f"{FILES}/", limit: int = 0, depth: str = "0"
) -> Answer:
    bound = f"<limit><nresults>{limit}</nresults></limit>" if limit else ""
    body = (
        f'<sync-collection xmlns="DAV:"><sync-token>{token}</sync-token><sync-level>1</sync-level>{bound}'
        "<prop><getetag/></prop></sync-collection>"
    )
    return await client.request("REPORT", path, body, {"Depth": depth})


def token_of(answer: Answer) -> str:
    return answer.texts("/D:multistatus/D:sync-token")[0]


def names(answer: Answer, status: str) -> list[str]:
    path = f"//D:response[contains(D:status, '{status}')]/D:href"
    return [href.removeprefix(f"{FILES}/") for href in answer.texts(path)]


def changed(answer: Answer) -> list[str]:
    return [href.removeprefix(f"{FILES}/") for href in answer.texts("//D:response[D:propstat]/D:href")]


async def test_a_second_device_follows(both_sites: Site) -> None:
    without_trash(both_sites)
    laptop, phone = both_sites.ivanov, both_sites.ivanov
    await laptop.request("PUT", f"{FILES}/a", b"1")
    await laptop.request("PUT", f"{FILES}/b", b"1")
    first = await sync(phone)
    assert changed(first) == ["a", "b"]
    assert first.prop(f"{FILES}/a", "D:getetag") == (await phone.request("GET", f"{FILES}/a")).headers["etag"]
    await laptop.request("PUT", f"{FILES}/b", b"2")
    await laptop.request("DELETE", f"{FILES}/a")
    await laptop.request("MKCOL", f"{FILES}/d")
    await laptop.request("MOVE", f"{FILES}/b", headers={"Destination": f"{FILES}/c"})
    second = await sync(phone, token_of(first))
    assert sorted(changed(second)) == ["c", "d/"]
    assert sorted(names(second, "404")) == ["a", "b"]
    third = await sync(phone, token_of(second))
    assert third.hrefs == [] and token_of(third) == token_of(second)
    await laptop.request("DELETE", f"{FILES}/d/")
    assert names(await sync(phone, token_of(third)), "404") == ["d/"]
    # The same place is asked by PROPFIND: token and ctag agree with the report.
    ask = '<propfind xmlns="DAV:"><prop><sync-token/><getctag xmlns="http://calendarserver.org/ns/"/></prop></propfind>'
    seen = await phone.request("PROPFIND", f"{FILES}/", ask, {"Depth": "0"})
    assert seen.prop(f"{FILES}/", "D:sync-token") == token_of(await sync(phone, token_of(third)))


async def test_pages(both_sites: Site) -> None:
    without_trash(both_sites)
    laptop, phone = both_sites.ivanov, both_sites.ivanov
    for number in range(7):
        await laptop.request("PUT", f"{FILES}/{number}", b"x")
    await laptop.request("DELETE", f"{FILES}/3")
    found: list[str] = []
    token, pages = "", 0
    while True:
        answer = await sync(phone, token, limit=2)
        assert answer.status == 207
        found += changed(answer)
        token, pages = token_of(answer), pages + 1
        if not answer.find("//D:number-of-matches-within-limits"):
            break
        assert answer.texts("//D:response[D:error]/D:href") == [f"{FILES}/"]
        assert answer.texts("//D:response[D:error]/D:status") == ["HTTP/1.1 507 Insufficient Storage"]
        assert pages < 10
    assert found == ["0", "1", "2", "4", "5", "6"] and pages >= 3


async def test_many_changes_are_read_in_pages_and_come_in_one_answer(site: Site) -> None:
    owner = site.people[IVANOV].id

    async def work(tx: Tx) -> None:
        root = await collections.by_role(tx, owner, "files", "root")
        assert root is not None
        for number in range(2 * PAGE + 7):
            await items.add(tx, root, site.store.blobs.small(b""), name=f"{number:05}")

    await site.store.write(work)
    client = site.ivanov
    every = await sync(client)
    assert changed(every) == [f"{number:05}" for number in range(2 * PAGE + 7)]
    assert every.find("//D:error") == []
    part = await sync(client, limit=PAGE + 3)
    assert changed(part) == [f"{number:05}" for number in range(PAGE + 3)]
    assert len(part.find("//D:error")) == 1
    assert len(changed(await sync(client, token_of(part)))) == PAGE + 4


async def test_tokens_of_elsewhere_and_of_another_time(site: Site) -> None:
    client = site.ivanov
    await client.request("MKCOL", f"{FILES}/d")
    inner = token_of(await sync(client, path=f"{FILES}/d/"))
    outer = token_of(await sync(client))
    future = re.sub(r"-(\d+)$", lambda match: f"-{int(match[1]) + 100}", outer)
    await client.request("DELETE", f"{FILES}/d/")
    await client.request("MKCOL", f"{FILES}/d")
    for path, token in (
        (f"{FILES}/d/", inner),
        (f"{FILES}/", inner),
        (f"{FILES}/", future),
        (f"{FILES}/", "x"),
    ):
        answer = await sync(client, token, path=path)
        assert (answer.status, answer.condition) == (403, "valid-sync-token")


async def test_levels_limits_and_rights(site: Site) -> None:
    client = site.ivanov
    # COMPAT: Thunderbird sends Depth: 1.
    assert (await sync(client, depth="1")).status == 207
    body = '<sync-collection xmlns="DAV:"><sync-token/><sync-level>{}</sync-level><prop/></sync-collection>'
    assert (await client.request("REPORT", f"{FILES}/", body.format("infinite"))).status == 207
    assert (await client.request("REPORT", f"{FILES}/", body.format("2"))).status == 400
    assert (await sync(client, limit=-1)).status == 400
    assert (await sync(client, path=f"/dav/files/{PETROVA}/")).status == 404
    assert (await sync(client, path="/dav/files/")).status == 403
