# SPDX-License-Identifier: Apache-2.0
"""Earlier states of files: seen, read, brought back and removed by ordinary clients."""

from __future__ import annotations

from pathlib import Path

from armgs_server.storage import holds, keeping
from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, Site, run_site

PLAN = f"{FILES}/plan.txt"
VERSIONS = f"{FILES}/.versions/"
HISTORY = f"{VERSIONS}plan.txt/"
TREE = (
    '<D:version-tree xmlns:D="DAV:"><D:prop><D:version-name/><D:getcontentlength/></D:prop></D:version-tree>'
)


async def written(client: Client, path: str, *texts: str) -> None:
    for text in texts:
        assert (await client.request("PUT", path, text)).status in (201, 204)


async def listed(client: Client, path: str, *, depth: str = "1") -> list[str]:
    """What lies in a folder."""
    answer = await client.request("PROPFIND", path, headers={"Depth": depth})
    assert answer.status == 207, answer.body
    return [href for href in answer.hrefs if href != path]


async def bring_back(client: Client, method: str, source: str, target: str, **headers: str) -> Answer:
    return await client.request(method, source, headers={"Destination": target, **headers})


async def contents(client: Client, hrefs: list[str]) -> list[bytes]:
    return [(await client.request("GET", href)).body for href in hrefs]


async def test_what_was_overwritten_is_seen_and_read(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    await written(ivanov, PLAN, "one", "two", "three")
    assert VERSIONS in await listed(ivanov, f"{FILES}/")
    assert await listed(ivanov, VERSIONS) == [HISTORY]
    states = await listed(ivanov, HISTORY)
    assert [href.endswith(f"Z%20%28{n}%29.txt") or href.endswith(f"Z%20({n}).txt") for n, href in
            enumerate(states, 1)] == [True, True]  # fmt: skip
    assert await contents(ivanov, states) == [b"one", b"two"]
    assert (await ivanov.request("GET", states[1], headers={"Range": "bytes=1-"})).body == b"wo"
    shown = await ivanov.request("PROPFIND", states[0], headers={"Depth": "0"})
    assert shown.prop(states[0], "D:getcontentlength") == "3"
    page = await ivanov.request("GET", HISTORY)
    assert page.status == 200 and states[0].encode() in page.body


async def test_copied_back_onto_the_file(both_sites: Site) -> None:
    ivanov = both_sites.ivanov
    await written(ivanov, PLAN, "one", "two")
    (state,) = await listed(ivanov, HISTORY)
    assert (await bring_back(ivanov, "COPY", state, PLAN)).status == 204
    assert (await ivanov.request("GET", PLAN)).body == b"one"
    assert await contents(ivanov, await listed(ivanov, HISTORY)) == [b"one", b"two"]


async def test_moved_onto_the_file_or_beside_it(site: Site) -> None:
    ivanov = site.ivanov
    await written(ivanov, PLAN, "one", "two", "three")
    first, second = await listed(ivanov, HISTORY)
    assert (await bring_back(ivanov, "MOVE", first, PLAN)).status == 204
    assert (await ivanov.request("GET", first)).status == 404
    assert (await bring_back(ivanov, "MOVE", second, f"{FILES}/beside.txt")).status == 201
    assert (await ivanov.request("GET", f"{FILES}/beside.txt")).body == b"two"
    assert await contents(ivanov, await listed(ivanov, HISTORY)) == [b"three"]


async def test_conditions_and_locks_hold(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await written(ivanov, PLAN, "one", "two")
    (state,) = await listed(ivanov, HISTORY)
    assert (await bring_back(ivanov, "COPY", state, PLAN, Overwrite="F")).status == 412
    lock = '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>' \
        "<D:locktype><D:write/></D:locktype></D:lockinfo>"  # fmt: skip
    token = (await ivanov.request("LOCK", PLAN, lock)).headers["lock-token"]
    assert (await bring_back(ivanov, "COPY", state, PLAN)).status == 423
    header = f"<http://127.0.0.1:{ivanov.port}{PLAN}> ({token})"
    assert (await bring_back(ivanov, "COPY", state, PLAN, If=header)).status == 204
    assert (await petrova.request("GET", state)).status == 404
    assert (await petrova.request("PROPFIND", VERSIONS, headers={"Depth": "1"})).status == 404
    assert (await bring_back(petrova, "COPY", state, "/dav/files/petrova@digital.example/x")).status == 404
    for target in (f"{FILES}/", "/dav/calendars/", state, f"/dav/calendars/{IVANOV}/default/x.ics"):
        assert (await bring_back(ivanov, "COPY", state, target)).status in (403, 405), target


async def test_nothing_is_put_there(site: Site) -> None:
    ivanov = site.ivanov
    await written(ivanov, PLAN, "one", "two")
    (state,) = await listed(ivanov, HISTORY)
    assert (await ivanov.request("PUT", state, "x")).status == 405
    assert (await ivanov.request("PUT", f"{VERSIONS}x", "x")).status == 404
    assert (await ivanov.request("MKCOL", f"{FILES}/.versions")).status == 405
    assert (await ivanov.request("DELETE", VERSIONS)).status == 405
    assert (await bring_back(ivanov, "MOVE", PLAN, f"{VERSIONS}x")).status == 404
    for path in (
        ".versions/.versions/",
        ".versions/none/",
        ".versions/plan.txt/x",
        ".versions/plan.txt/x%20(1)",
    ):
        assert (await ivanov.request("GET", f"{FILES}/{path}")).status == 404, path


async def test_states_follow_their_file(site: Site) -> None:
    ivanov = site.ivanov
    for folder in ("a", "a/b"):
        assert (await ivanov.request("MKCOL", f"{FILES}/{folder}")).status == 201
    await written(ivanov, PLAN, "one", "two")
    assert (await bring_back(ivanov, "MOVE", PLAN, f"{FILES}/a/b/p.txt")).status == 201
    assert await listed(ivanov, VERSIONS) == [f"{VERSIONS}a/"]
    assert await listed(ivanov, f"{FILES}/a/.versions/b/") == [f"{FILES}/a/.versions/b/p.txt/"]
    assert ".versions" not in str(await listed(ivanov, f"{FILES}/a/"))
    (state,) = await listed(ivanov, f"{FILES}/a/b/.versions/p.txt/")
    assert (await ivanov.request("GET", state)).body == b"one"
    # Thrown away and brought back, they are still its own.
    assert (await ivanov.request("DELETE", f"{FILES}/a/b/p.txt")).status == 204
    (day,) = await listed(ivanov, f"{FILES}/.trash/")
    assert (await bring_back(ivanov, "MOVE", f"{day}p.txt", PLAN)).status == 201
    assert await contents(ivanov, await listed(ivanov, HISTORY)) == [b"one"]


async def test_a_file_moved_over_another_has_its_past(site: Site) -> None:
    """How many programs save: a new file beside the old one, then its name."""
    ivanov = site.ivanov
    await written(ivanov, PLAN, "one", "two")
    await written(ivanov, f"{FILES}/plan.tmp", "three")
    assert (await bring_back(ivanov, "MOVE", f"{FILES}/plan.tmp", PLAN)).status == 204
    assert await contents(ivanov, await listed(ivanov, HISTORY)) == [b"one", b"two"]
    await written(ivanov, f"{FILES}/other", "four")
    assert (await bring_back(ivanov, "COPY", f"{FILES}/other", PLAN)).status == 204
    assert await contents(ivanov, await listed(ivanov, HISTORY)) == [b"one", b"two", b"three"]


async def test_office_on_a_drive_saves_in_steps(site: Site) -> None:
    """A new file, the old one to a temporary name, the new one to its name, and the old one is deleted."""
    ivanov = site.ivanov
    await written(ivanov, PLAN, "one", "two")
    await written(ivanov, f"{FILES}/~WRD0000.tmp", "three")
    assert (await bring_back(ivanov, "MOVE", PLAN, f"{FILES}/~WRL0001.tmp")).status == 201
    assert (await bring_back(ivanov, "MOVE", f"{FILES}/~WRD0000.tmp", PLAN)).status == 201
    assert (await ivanov.request("DELETE", f"{FILES}/~WRL0001.tmp")).status == 204
    assert (await ivanov.request("GET", PLAN)).body == b"three"
    assert await contents(ivanov, await listed(ivanov, HISTORY)) == [b"one", b"two"]
    # Who gives the old file a name of its own means it.
    await written(ivanov, f"{FILES}/new.txt", "four")
    assert (await bring_back(ivanov, "MOVE", PLAN, f"{FILES}/old plan.txt")).status == 201
    assert (await bring_back(ivanov, "MOVE", f"{FILES}/new.txt", PLAN)).status == 201
    assert await listed(ivanov, HISTORY) == []
    old = f"{VERSIONS}old%20plan.txt/"
    assert await contents(ivanov, await listed(ivanov, old)) == [b"one", b"two"]


async def test_empty_and_equal_bytes_are_no_state(site: Site) -> None:
    ivanov = site.ivanov
    await written(ivanov, PLAN, "", "one", "one")
    assert await listed(ivanov, HISTORY) == []
    assert VERSIONS not in await listed(ivanov, f"{FILES}/")


async def test_report_and_properties(site: Site) -> None:
    ivanov = site.ivanov
    await written(ivanov, PLAN, "one", "three")
    (state,) = await listed(ivanov, HISTORY)
    tree = await ivanov.request("REPORT", PLAN, TREE)
    assert tree.prop(state, "D:version-name") == "1" and tree.prop(state, "D:getcontentlength") == "3"
    asked = '<D:propfind xmlns:D="DAV:"><D:prop><D:version-history/><D:version-set/></D:prop></D:propfind>'
    found = await ivanov.request("PROPFIND", PLAN, asked, {"Depth": "0"})
    assert found.prop(PLAN, "D:version-history") == HISTORY
    found = await ivanov.request("PROPFIND", HISTORY, asked, {"Depth": "0"})
    assert found.prop(HISTORY, "D:version-set") == state


async def test_in_what_others_share(site: Site) -> None:
    ivanov, petrova = site.ivanov, site.petrova
    await written(ivanov, "/dav/files/shared/rules.txt", "one", "two")
    assert "/dav/files/shared/.versions/" in await listed(petrova, "/dav/files/shared/")
    (state,) = await listed(petrova, "/dav/files/shared/.versions/rules.txt/")
    assert (await bring_back(petrova, "COPY", state, "/dav/files/shared/rules.txt")).status == 204
    assert (await site.sidorov.request("GET", state)).status == 404


async def test_as_many_as_are_set_and_within_the_quota(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, version_count=3, quota=100) as site:
        ivanov = site.ivanov
        await written(ivanov, PLAN, *"123456")
        assert len(await listed(ivanov, HISTORY)) == 3
        await written(ivanov, PLAN, "a" * 90, "b" * 90, "c" * 90)
        states = await contents(ivanov, await listed(ivanov, HISTORY))
        assert states[-1] == b"b" * 90 and sum(map(len, states)) <= 100
        used = await ivanov.request("PROPFIND", f"{FILES}/", headers={"Depth": "0"}, body=QUOTA)
        assert used.prop(f"{FILES}/", "D:quota-used-bytes") == "90"


QUOTA = '<D:propfind xmlns:D="DAV:"><D:prop><D:quota-used-bytes/></D:prop></D:propfind>'


async def test_counted_in_the_quota(tmp_path: Path) -> None:
    async with run_site("sqlite", tmp_path, version_quota=True, quota=100) as site:
        ivanov = site.ivanov
        await written(ivanov, PLAN, "a" * 40, "b" * 40)
        used = await ivanov.request("PROPFIND", f"{FILES}/", headers={"Depth": "0"}, body=QUOTA)
        assert used.prop(f"{FILES}/", "D:quota-used-bytes") == "80"
        await written(ivanov, PLAN, "c" * 40)  # the oldest goes
        assert await contents(ivanov, await listed(ivanov, HISTORY)) == [b"b" * 40]
        assert (await ivanov.request("PUT", PLAN, "d" * 101)).status == 507
        (state,) = await listed(ivanov, HISTORY)
        assert (await ivanov.request("DELETE", state)).status == 204
        used = await ivanov.request("PROPFIND", f"{FILES}/", headers={"Depth": "0"}, body=QUOTA)
        assert used.prop(f"{FILES}/", "D:quota-used-bytes") == "40"


async def test_under_a_hold_nothing_is_lost(both_sites: Site) -> None:
    site, ivanov = both_sites, both_sites.ivanov
    owner = site.people[IVANOV].id
    await written(ivanov, PLAN, "one", "two")
    await site.store.write(lambda tx: holds.put_hold(tx, owner, "case"))
    assert (await ivanov.request("DELETE", HISTORY)).status == 204
    assert await listed(ivanov, HISTORY) == []
    (kept,) = await site.store.read(lambda tx: keeping.removed(tx, owner))
    assert (kept.kind, kept.name) == ("files", "plan.txt")
    assert await site.store.blobs.read(kept.blob) == b"one"
