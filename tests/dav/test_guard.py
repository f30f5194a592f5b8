# SPDX-License-Identifier: Apache-2.0
"""Conditions and locks are held in the transaction that writes: of many at once exactly one wins."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.dav.client import Client
from tests.dav.conftest import FILES, PETROVA, SIDOROV, Site
from tests.dav.methods.test_lock import BODY, SHARED, take

MANY = 8


async def race(clients: list[Client], method: str, path: str, **headers: str) -> Counter[int]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"PUT": "x", "LOCK": BODY.format(scope="exclusive")}.get(method, "")
    answers = await asyncio.gather(*(client.request(method, path, body, fields) for client in clients))
    return Counter(answer.status for answer in answers)


async def test_one_of_many_wins(both_sites: Site) -> None:
    clients = [both_sites.ivanov for _ in range(MANY)]
    await asyncio.gather(*(client.request("OPTIONS", "/dav/") for client in clients))
    assert await race(clients, "PUT", f"{FILES}/a", If_None_Match="*") == {201: 1, 412: MANY - 1}
    etag = (await clients[0].request("HEAD", f"{FILES}/a")).headers["etag"]
    assert await race(clients, "MKCOL", f"{FILES}/d") == {201: 1, 405: MANY - 1}
    assert await race(clients, "LOCK", f"{FILES}/a", Depth="0") == {200: 1, 423: MANY - 1}
    assert await race(clients, "LOCK", f"{FILES}/new", Depth="0") == {201: 1, 423: MANY - 1}
    moved = await race(clients, "MOVE", f"{FILES}/d", Destination=f"{FILES}/e")
    assert moved[201] == 1 and moved.total() - moved[404] == 1
    assert etag == (await clients[0].request("HEAD", f"{FILES}/a")).headers["etag"]


async def test_tagged_conditions_look_at_other_resources(both_sites: Site) -> None:
    client = both_sites.ivanov
    etag = (await client.request("PUT", f"{FILES}/a", b"1")).headers["etag"]
    for condition, status in (
        (f"<{FILES}/a> ([{etag}])", 201),
        (f"<http://127.0.0.1{FILES}/a> ([{etag}])", 204),
        (f"<{FILES}/a> (Not [{etag}])", 412),
        (f"<{FILES}/none> ([{etag}])", 412),
        (f"<{FILES}/none> (Not [{etag}])", 204),
        ("</elsewhere/> (<x:y>)", 412),
        ("<ftp://x/> (Not <x:y>)", 204),
        ("(Not <DAV:no-lock>)", 204),
        ("(<DAV:no-lock>)", 412),
    ):
        answer = await client.request("PUT", f"{FILES}/b", b"2", {"If": condition})
        assert answer.status == status, condition
    many = "".join(f"</{number}> (Not <x:y>)" for number in range(101))
    assert (await client.request("PUT", f"{FILES}/b", b"2", {"If": many})).status == 400


async def test_what_is_locked_by_others_is_not_found_out_by_conditions(site: Site) -> None:
    # A token of somebody else's lock holds as a state, but gives no right.
    token = await take(site.petrova, f"{SHARED}/a", status=201)
    answer = await site.ivanov.request("PUT", f"{SHARED}/a", b"x", {"If": f"(<{token}>)"})
    assert answer.status == 423
    # In another department the same header finds nothing at all.
    tagged = {"If": f"<{SHARED}/a> (<{token}>)"}
    mine = f"/dav/files/{SIDOROV}/x"
    assert (await site.sidorov.request("PUT", mine, b"x", tagged)).status == 412


async def test_the_content_of_what_is_not_shared_is_not_found_out_by_conditions(site: Site) -> None:
    etag = (await site.ivanov.request("PUT", f"{FILES}/a", b"secret")).headers["etag"]
    for number, condition in enumerate((f"<{FILES}/a> ([{etag}])", f'<{FILES}/a> (["other"])')):
        mine = f"/dav/files/{PETROVA}/{number}"
        assert (await site.petrova.request("PUT", mine, b"x", {"If": condition})).status == 412, condition
