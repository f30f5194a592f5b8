# SPDX-License-Identifier: Apache-2.0
"""The URL space, and that who has no rights finds nothing in it."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from armgs_server.dav.resources import UnmappedResource
from armgs_server.directory.access import Rights
from armgs_server.errors import NotFound
from armgs_server.storage import collections
from tests.dav.conftest import FILES, IVANOV, PETROVA, ROOM, SIDOROV, Site


async def hrefs(site: Site, path: str, user: str = IVANOV) -> list[str]:
    return (await site.client(user).request("PROPFIND", path, headers={"Depth": "1"})).hrefs


async def test_every_parent_of_a_drive_answers(site: Site) -> None:
    assert await hrefs(site, "/") == ["/", "/dav/"]
    assert await hrefs(site, "/dav/") == [
        "/dav/",
        "/dav/principals/",
        "/dav/directory/",
        "/dav/calendars/",
        "/dav/addressbooks/",
        "/dav/files/",
    ]
    assert await hrefs(site, "/dav/files/") == ["/dav/files/", f"/dav/files/{IVANOV}/", "/dav/files/shared/"]
    assert await hrefs(site, "/dav/principals/") == [
        "/dav/principals/",
        "/dav/principals/people/",
        "/dav/principals/groups/",
        "/dav/principals/resources/",
    ]
    assert await hrefs(site, "/dav/principals/people/") == [
        "/dav/principals/people/",
        f"/dav/principals/people/{IVANOV}/",
    ]


async def test_principals_are_under_their_kind(site: Site) -> None:
    client = site.ivanov
    for path, status in (
        (f"people/{PETROVA}", 207),
        (f"people/{SIDOROV}", 207),
        (f"resources/{ROOM}", 207),
        (f"people/{ROOM}", 404),
        (f"groups/{IVANOV}", 404),
        ("people/nobody@digital.example", 404),
    ):
        assert (
            await client.request("PROPFIND", f"/dav/principals/{path}/", headers={"Depth": "0"})
        ).status == status


@pytest.mark.parametrize("area", ["calendars", "addressbooks"])
async def test_homes_of_others_are_empty(site: Site, area: str) -> None:
    assert await hrefs(site, f"/dav/{area}/{PETROVA}/") == [f"/dav/{area}/{PETROVA}/"]
    client = site.ivanov
    assert (await client.request("PROPFIND", f"/dav/{area}/{PETROVA}/default/")).status == 404
    assert (await client.request("PROPFIND", f"/dav/{area}/{PETROVA}/none/")).status == 404
    assert (await client.request("PROPFIND", f"/dav/{area}/nobody@x.example/")).status == 404


async def test_a_shared_calendar_shows_in_the_home_of_who_may_see_it(site: Site) -> None:
    ivanov, petrova = site.people[IVANOV], site.people[PETROVA]
    access = site.core.directory.access
    engine = site.service.engine
    calendar = await site.store.read(lambda tx: collections.find(tx, ivanov.id, "calendar", "default"))
    assert calendar is not None
    path = ("dav", "calendars", IVANOV, "default")
    with pytest.raises(NotFound):
        await engine.locate(petrova, path)
    await site.store.write(lambda tx: access.grant(tx, calendar, petrova.id, Rights.LOOKUP | Rights.READ))
    resource = await engine.locate(petrova, path)
    assert resource.href == f"/dav/calendars/{IVANOV}/default/"
    alias = f"default_shared_by_{IVANOV}"
    shown = await hrefs(site, f"/dav/calendars/{PETROVA}/", PETROVA)
    assert f"/dav/calendars/{PETROVA}/{alias}/" in shown
    resource = await engine.locate(petrova, ("dav", "calendars", PETROVA, alias))
    assert resource.href == f"/dav/calendars/{PETROVA}/{alias}/"
    denied = await site.petrova.request("PUT", f"/dav/calendars/{PETROVA}/{alias}/x.ics", b"x")
    assert denied.status == 403
    await site.store.write(lambda tx: access.grant(tx, calendar, petrova.id, Rights(0)))
    with pytest.raises(NotFound):
        await engine.locate(petrova, path)


async def test_the_departments_book_is_in_every_persons_home(site: Site) -> None:
    path = f"/dav/addressbooks/{IVANOV}/directory/"
    assert path in await hrefs(site, f"/dav/addressbooks/{IVANOV}/")
    cards = await hrefs(site, path)
    assert len(cards) == 1 + 3  # two people and a room
    refused = await site.ivanov.request("DELETE", cards[1])
    assert refused.status == 403
    assert refused.condition == "need-privileges"


async def test_what_is_missing_in_the_own_home_may_be_made(site: Site) -> None:
    engine, person = site.service.engine, site.people[IVANOV]
    resource = await engine.locate(person, ("dav", "calendars", IVANOV, "new"))
    assert isinstance(resource, UnmappedResource) and resource.parent is not None
    resource = await engine.locate(person, ("dav", "calendars", IVANOV, "new", "x.ics"))
    assert isinstance(resource, UnmappedResource) and resource.parent is None


LOCK = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'


async def test_a_folder_that_is_shared_lies_beside_the_own_files(both_sites: Site) -> None:
    ivanov, petrova = both_sites.ivanov, both_sites.petrova
    for path in ("a/", "a/план/", "a/план/b/", "план/"):
        assert (await ivanov.request("MKCOL", f"{FILES}/{quote(path)}")).status == 201
    ace = (
        f"<ace><principal><href>/dav/principals/people/{PETROVA}/</href></principal><grant>"
        "<privilege><read/></privilege><privilege><write/></privilege></grant></ace>"
    )
    for path in ("a/план/", "план/"):
        answer = await ivanov.request("ACL", f"{FILES}/{quote(path)}", f'<acl xmlns="DAV:">{ace}</acl>')
        assert answer.status == 200
    listed = await petrova.request("PROPFIND", "/dav/files/", headers={"Depth": "1"})
    shared = [href for href in listed.hrefs if "_shared_by_" in href]
    assert len(shared) == 2 and all(quote("план") in href for href in shared)
    first = f"/dav/files/{quote('план')}_shared_by_{IVANOV}/"
    assert first in shared
    assert (await petrova.request("PUT", f"{first}b/new", b"hers")).status == 201
    assert (await ivanov.request("GET", f"{FILES}/{quote('a/план/b/new')}")).body == b"hers"
    below = await petrova.request("PROPFIND", first, headers={"Depth": "infinity"})
    assert below.hrefs == [first, f"{first}b/", f"{first}b/new"]
    # A lock above the shared part covers it, too.
    token = (await ivanov.request("LOCK", f"{FILES}/a/", LOCK, {"Depth": "infinity"})).headers["lock-token"]
    assert (await petrova.request("PUT", f"{first}b/new", b"again")).status == 423
    assert (await ivanov.request("UNLOCK", f"{FILES}/a/", headers={"Lock-Token": token})).status == 204
    assert (await petrova.request("DELETE", f"{first}b/new")).status == 204
    assert (
        b"new" in (await ivanov.request("PROPFIND", f"{FILES}/.trash/", headers={"Depth": "infinity"})).body
    )
    assert (await both_sites.sidorov.request("PROPFIND", first)).status == 404
    # What its owner deletes is shared no longer.
    for path in (f"{FILES}/a/", f"{FILES}/{quote('план')}/"):
        await ivanov.request("PUT", f"{path}kept", b"1")
        assert (await ivanov.request("DELETE", path)).status == 204
    listed = await petrova.request("PROPFIND", "/dav/files/", headers={"Depth": "1"})
    assert not [href for href in listed.hrefs if "_shared_by_" in href]
    assert (await petrova.request("PROPFIND", first)).status == 404
