# SPDX-License-Identifier: Apache-2.0
"""LOCK and UNLOCK: who is kept out, what a lock covers, refreshes as Office sends them."""

from __future__ import annotations

import asyncio

from armgs_server.directory.administrators import set_administrators
from armgs_server.storage import clock
from tests.dav.client import Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site

SHARED = "/dav/files/shared"
BODY = (
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype>'
    "<D:owner>Иванов &amp; Ко</D:owner></D:lockinfo>"
)


async def take(
    client: Client, path: str, *, scope: str = "exclusive", depth: str = "0", status: int = 200
) -> str:
    """Locks and returns the token."""
    answer = await client.request(
        "LOCK", path, BODY.format(scope=scope), {"Depth": depth, "Timeout": "Second-600"}
    )
    assert answer.status == status, answer.body
    return answer.headers.get("lock-token", "").strip("<>")


async def test_an_exclusive_lock_keeps_others_out(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await ivanov.request("PUT", f"{SHARED}/a", b"1")
    token = await take(petrova, f"{SHARED}/a")
    refused = await ivanov.request("PUT", f"{SHARED}/a", b"2")
    assert (refused.status, refused.condition) == (423, "lock-token-submitted")
    assert refused.texts("//D:lock-token-submitted/D:href") == [f"{SHARED}/a"]
    for method, headers in (
        ("DELETE", {}),
        ("MOVE", {"Destination": f"{SHARED}/b"}),
        ("PROPPATCH", {}),
        ("LOCK", {}),
    ):
        body = BODY.format(scope="shared") if method == "LOCK" else ""
        if method == "PROPPATCH":
            body = '<propertyupdate xmlns="DAV:"><set><prop><x xmlns="u:"/></prop></set></propertyupdate>'
        assert (await ivanov.request(method, f"{SHARED}/a", body, headers)).status == 423
    # A token counts only for who took the lock.
    assert (await ivanov.request("PUT", f"{SHARED}/a", b"2", {"If": f"(<{token}>)"})).status == 423
    # Whoever holds the lock must still say so.
    assert (await petrova.request("PUT", f"{SHARED}/a", b"2")).status == 423
    assert (await petrova.request("PUT", f"{SHARED}/a", b"2", {"If": f"(<{token}>)"})).status == 204
    assert (await ivanov.request("GET", f"{SHARED}/a")).body == b"2"
    assert (await ivanov.request("COPY", f"{SHARED}/a", headers={"Destination": f"{SHARED}/c"})).status == 201
    assert (await ivanov.request("UNLOCK", f"{SHARED}/a", headers={"Lock-Token": f"<{token}>"})).status == 403
    assert (
        await petrova.request("UNLOCK", f"{SHARED}/a", headers={"Lock-Token": f"<{token}>"})
    ).status == 204
    assert (await ivanov.request("PUT", f"{SHARED}/a", b"3")).status == 204


async def test_shared_locks_live_together(site: Site) -> None:
    ivanov, petrova, third = site.ivanov, site.petrova, site.ivanov
    await ivanov.request("PUT", f"{SHARED}/a", b"1")
    mine = await take(ivanov, f"{SHARED}/a", scope="shared")
    hers = await take(petrova, f"{SHARED}/a", scope="shared")
    assert mine != hers
    await take(ivanov, f"{SHARED}/a", status=423)
    assert (await third.request("PUT", f"{SHARED}/a", b"2")).status == 423
    assert (await third.request("PUT", f"{SHARED}/a", b"2", {"If": f"(<{mine}>)"})).status == 204


async def test_what_lockdiscovery_shows_to_whom(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await ivanov.request("PUT", f"{SHARED}/a", b"1")
    token = await take(ivanov, f"{SHARED}/a")
    ask = '<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>'
    own = await ivanov.request("PROPFIND", f"{SHARED}/a", ask, {"Depth": "0"})
    assert own.texts("//D:locktoken/D:href") == [token]
    seen = await petrova.request("PROPFIND", f"{SHARED}/a", ask, {"Depth": "0"})
    assert seen.find("//D:locktoken") == []
    assert seen.texts("//D:activelock/D:owner") == ["Иванов & Ко"]
    assert seen.texts("//D:lockroot/D:href") == [f"{SHARED}/a"]
    assert seen.texts("//D:activelock/D:depth") == ["0"]
    assert 500 < int(seen.texts("//D:timeout")[0].removeprefix("Second-")) <= 600


async def test_a_deep_lock_covers_what_is_below_and_what_comes(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    await ivanov.request("MKCOL", f"{SHARED}/d")
    await ivanov.request("MKCOL", f"{SHARED}/d/e")
    await ivanov.request("PUT", f"{SHARED}/d/e/a", b"1")
    token = await take(ivanov, f"{SHARED}/d/", depth="infinity")
    for method, path in (
        ("PUT", "e/a"),
        ("PUT", "e/new"),
        ("MKCOL", "f"),
        ("DELETE", "e/a"),
        ("DELETE", "e/"),
    ):
        assert (await petrova.request(method, f"{SHARED}/d/{path}")).status == 423
    await take(petrova, f"{SHARED}/d/e/a", status=423)
    tagged = {"If": f"<{SHARED}/d/> (<{token}>)"}
    assert (await ivanov.request("PUT", f"{SHARED}/d/e/new", b"x", tagged)).status == 201
    # It goes with what it protects.
    assert (await ivanov.request("DELETE", f"{SHARED}/d/", headers=tagged)).status == 204
    assert (await petrova.request("MKCOL", f"{SHARED}/d")).status == 201
    assert (await petrova.request("PUT", f"{SHARED}/d/x", b"x")).status == 201


async def test_a_deep_lock_is_refused_where_something_below_is_locked(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await ivanov.request("MKCOL", f"{SHARED}/d")
    await take(petrova, f"{SHARED}/d/new", status=201)
    answer = await ivanov.request("LOCK", f"{SHARED}/d/", BODY.format(scope="exclusive"))
    assert (answer.status, answer.condition) == (423, "no-conflicting-lock")
    assert answer.texts("//D:href") == [f"{SHARED}/d/new"]
    await take(ivanov, f"{SHARED}/d/", depth="0")
    # Depth 0 on a folder protects its list of members, not their bytes.
    assert (await petrova.request("PUT", f"{SHARED}/d/other", b"x")).status == 423


async def test_a_lock_on_nothing_makes_an_empty_file(site: Site) -> None:
    ivanov = site.ivanov
    token = await take(ivanov, f"{FILES}/new.odt", status=201)
    seen = await site.ivanov.request("GET", f"{FILES}/new.odt")
    assert (seen.status, seen.body) == (200, b"")
    assert (await ivanov.request("PUT", f"{FILES}/new.odt", b"x", {"If": f"(<{token}>)"})).status == 204
    await take(ivanov, f"{FILES}/no/folder", status=409)
    assert (await site.petrova.request("LOCK", f"{FILES}/x", BODY.format(scope="shared"))).status == 404


async def test_refresh(site: Site) -> None:
    ivanov = site.ivanov
    token = await take(ivanov, f"{FILES}/a", status=201)
    refreshed = await ivanov.request(
        "LOCK", f"{FILES}/a", headers={"If": f"(<{token}>)", "Timeout": "Second-1200"}
    )
    assert refreshed.status == 200
    assert int(refreshed.texts("//D:timeout")[0].removeprefix("Second-")) > 1100
    # COMPAT: Office refreshes with an empty body to see whether it holds a lock: 412, not 400.
    for headers in ({}, {"If": "(<opaquelocktoken:unknown>)"}):
        assert (await ivanov.request("LOCK", f"{FILES}/a", headers=headers)).status == 412
    assert (await ivanov.request("LOCK", f"{FILES}/none", headers={"If": f"(<{token}>)"})).status == 412


async def test_a_lock_ends_by_itself(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    answer = await ivanov.request(
        "LOCK", f"{SHARED}/a", BODY.format(scope="exclusive"), {"Timeout": "Second-1", "Depth": "0"}
    )
    begun = clock.now()
    assert answer.status == 201
    while (await petrova.request("PUT", f"{SHARED}/a", b"x")).status == 423:
        assert clock.now() - begun < 10 * clock.SECOND
        await asyncio.sleep(0.1)
    assert clock.now() - begun > clock.SECOND // 2


async def test_unlock_needs_a_token_of_this_resource(site: Site) -> None:
    ivanov = site.ivanov
    token = await take(ivanov, f"{FILES}/a", status=201)
    await ivanov.request("PUT", f"{FILES}/b", b"")
    assert (await ivanov.request("UNLOCK", f"{FILES}/a")).status == 400
    wrong = await ivanov.request("UNLOCK", f"{FILES}/b", headers={"Lock-Token": f"<{token}>"})
    assert (wrong.status, wrong.condition) == (409, "lock-token-matches-request-uri")


async def test_supportedlock_follows_the_rights(site: Site) -> None:
    ask = '<propfind xmlns="DAV:"><prop><supportedlock/></prop></propfind>'
    own = await site.ivanov.request("PROPFIND", f"{FILES}/", ask, {"Depth": "0"})
    assert len(own.find("//D:lockentry")) == 2
    book = await site.ivanov.request("PROPFIND", f"/dav/files/{PETROVA}/", ask, {"Depth": "0"})
    assert book.status == 404


async def test_a_lock_does_not_move_along(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    token = await take(ivanov, f"{SHARED}/a", status=201)
    answer = await ivanov.request(
        "MOVE", f"{SHARED}/a", headers={"Destination": f"{SHARED}/b", "If": f"(<{token}>)"}
    )
    assert answer.status == 201
    assert (await petrova.request("PUT", f"{SHARED}/b", b"x")).status == 204


async def test_depth_1_and_bad_bodies(site: Site) -> None:
    ivanov = site.ivanov
    body = BODY.format(scope="exclusive")
    assert (await ivanov.request("LOCK", f"{FILES}/a", body, {"Depth": "1"})).status == 400
    assert (await ivanov.request("LOCK", f"{FILES}/a", "<lockinfo/>")).status == 400
    assert (await ivanov.request("LOCK", "/dav/", body)).status == 405


DISCOVER = '<propfind xmlns="DAV:"><prop><lockdiscovery/></prop></propfind>'


async def test_an_administrator_of_the_department_may_unlock(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await ivanov.request("PUT", f"{SHARED}/a", b"1")
    token = await take(petrova, f"{SHARED}/a")
    unlock = {"Lock-Token": f"<{token}>"}
    assert (await ivanov.request("UNLOCK", f"{SHARED}/a", headers=unlock)).status == 403
    directory, person = site.core.directory, site.people[IVANOV]
    department = await directory.by_id(person.department)
    assert department is not None
    await set_administrators(directory, department, [person.id])
    assert (await ivanov.request("UNLOCK", f"{SHARED}/a", headers=unlock)).status == 204
    assert (await ivanov.request("PUT", f"{SHARED}/a", b"2")).status == 204


async def test_the_owner_of_a_folder_sees_the_token_of_a_guest_and_may_unlock(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await ivanov.request("MKCOL", f"{FILES}/d/")
    await ivanov.request("PUT", f"{FILES}/d/a", b"1")
    ace = (
        f"<ace><principal><href>/dav/principals/people/{PETROVA}/</href></principal><grant>"
        "<privilege><read/></privilege><privilege><write/></privilege></grant></ace>"
    )
    assert (await ivanov.request("ACL", f"{FILES}/d/", f'<acl xmlns="DAV:">{ace}</acl>')).status == 200
    token = await take(petrova, f"{FILES}/d/a")
    seen = await ivanov.request("PROPFIND", f"{FILES}/d/a", DISCOVER, {"Depth": "0"})
    assert seen.texts("//D:locktoken/D:href") == [token]
    assert (
        await ivanov.request("UNLOCK", f"{FILES}/d/a", headers={"Lock-Token": f"<{token}>"})
    ).status == 204


async def test_a_lock_without_an_owner_says_who_took_it(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await ivanov.request("PUT", f"{SHARED}/a", b"1")
    body = BODY.format(scope="exclusive").replace("<D:owner>Иванов &amp; Ко</D:owner>", "")
    assert (await petrova.request("LOCK", f"{SHARED}/a", body, {"Depth": "0"})).status == 200
    seen = await ivanov.request("PROPFIND", f"{SHARED}/a", DISCOVER, {"Depth": "0"})
    assert seen.texts("//D:activelock/D:owner") == ["Петрова Анна"]
