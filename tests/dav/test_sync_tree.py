# SPDX-License-Identifier: Apache-2.0
"""sync-level infinite: a device that follows a whole tree has what PROPFIND of infinite depth shows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, Site, run_site


async def sync(client: Client, token: str, limit: int = 0) -> Answer:
    bound = f"<limit><nresults>{limit}</nresults></limit>" if limit else ""
    body = (
        f'<sync-collection xmlns="DAV:"><sync-token>{token}</sync-token><sync-level>infinite</sync-level>'
        f"{bound}<prop><getetag/></prop></sync-collection>"
    )
    return await client.request("REPORT", f"{FILES}/", body)


class Device:
    """What a device knows: URL to entity tag ('' for a folder)."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.token = ""
        self.known: dict[str, str] = {}

    async def follow(self, limit: int = 0) -> None:
        for _ in range(200):
            answer = await sync(self.client, self.token, limit)
            if answer.status == 403 and answer.condition == "valid-sync-token" and self.token:
                self.token, self.known = "", {}  # a folder has taken the place of another
                continue
            assert answer.status == 207
            is_cut = False
            for response in answer.find("/D:multistatus/D:response"):
                href = response.findtext("{DAV:}href") or ""
                status = response.findtext("{DAV:}status") or ""
                if " 507 " in status:
                    is_cut = True
                elif " 404 " in status:
                    gone = [
                        each
                        for each in self.known
                        if each == href or (href.endswith("/") and each.startswith(href))
                    ]
                    for each in gone:
                        del self.known[each]
                else:
                    self.known[href] = response.findtext(".//{DAV:}getetag") or ""
            self.token = answer.texts("/D:multistatus/D:sync-token")[0]
            if not is_cut:
                return
        raise AssertionError("it never ends")


async def listed(client: Client) -> dict[str, str]:
    ask = '<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>'
    answer = await client.request("PROPFIND", f"{FILES}/", ask, {"Depth": "infinity"})
    found = {
        response.findtext("{DAV:}href") or "": response.findtext(".//{DAV:}getetag") or ""
        for response in answer.find("/D:multistatus/D:response")
    }
    del found[f"{FILES}/"]
    return found


async def change(client: Client, chance: random.Random, number: int) -> None:
    """Something happens somewhere; refusals (a folder into itself …) are part of the game."""
    every = sorted(await listed(client))
    folders = [f"{FILES}/", *(each for each in every if each.endswith("/"))]
    target = chance.choice(folders) + f"n{number}"
    kind = chance.choice(("PUT", "PUT", "MKCOL", "MOVE", "COPY", "DELETE"))
    if kind in ("PUT", "MKCOL") or not every:
        await client.request("PUT" if not every else kind, target, f"{number}" if kind == "PUT" else "")
    elif kind == "DELETE":
        await client.request("DELETE", chance.choice(every))
    else:
        await client.request(kind, chance.choice(every), headers={"Destination": target})


@pytest.mark.parametrize("seed", range(2))
async def test_a_device_that_follows_has_everything(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    laptop, phone, slow = site.ivanov, Device(site.ivanov), Device(site.ivanov)
    for number in range(60):
        await change(laptop, chance, number)
        if chance.random() < 0.3:
            await phone.follow()
            assert phone.known == await listed(laptop)
    await slow.follow(limit=3)
    assert slow.known == await listed(laptop)
    for number in range(60, 90):
        await change(laptop, chance, number)
    await slow.follow(limit=2)
    assert slow.known == await listed(laptop)


async def test_a_page_may_be_cut_anywhere(both_sites: Site) -> None:
    client = both_sites.ivanov
    for path in ("a/", "a/b/", "c/"):
        await client.request("MKCOL", f"{FILES}/{path}")
    for number in range(5):
        for path in ("a/", "a/b/", ""):
            await client.request("PUT", f"{FILES}/{path}{number}", "x")
    device = Device(both_sites.ivanov)
    await device.follow(limit=1)
    assert device.known == await listed(client)
    await client.request("DELETE", f"{FILES}/a/b/1")
    await client.request("MOVE", f"{FILES}/a/b/", headers={"Destination": f"{FILES}/c/b/"})
    await device.follow(limit=1)
    assert device.known == await listed(client)


async def test_too_large_a_tree(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, sync_collections=2) as site:
        client = site.ivanov
        await client.request("MKCOL", f"{FILES}/a/")
        await Device(client).follow()
        await client.request("MKCOL", f"{FILES}/b/")
        refused = await sync(client, "")
        assert (refused.status, refused.condition) == (403, "sync-traversal-supported")
