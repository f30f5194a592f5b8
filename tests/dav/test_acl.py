# SPDX-License-Identifier: Apache-2.0
"""Rights in DAV's words."""

from __future__ import annotations

from armgs_server.directory.access import READ_ONLY
from armgs_server.storage import collections
from tests.dav.client import Answer, Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site
from tests.dav.methods.test_lock import BODY

ASK = (
    '<propfind xmlns="DAV:"><prop><owner/><acl/><current-user-privilege-set/><supported-privilege-set/>'
    "<acl-restrictions/></prop></propfind>"
)


async def ask(client: Client, path: str) -> Answer:
    return await client.request("PROPFIND", path, ASK, {"Depth": "0"})


def granted(answer: Answer) -> set[str]:
    found = answer.find("//D:current-user-privilege-set/D:privilege/*")
    return {each.tag.removeprefix("{DAV:}") for each in found}


async def test_the_owner(site: Site) -> None:
    seen = await ask(site.ivanov, f"{FILES}/")
    assert seen.prop(f"{FILES}/", "D:owner") == f"/dav/principals/people/{IVANOV}/"
    assert "all" in granted(seen)
    assert len(seen.find("//D:acl/D:ace[D:protected]")) == 1
    assert seen.find("//D:acl-restrictions/D:grant-only")
    assert seen.find("//D:supported-privilege-set//D:privilege/D:write-content")


async def test_a_grant_shows_to_both_sides(site: Site) -> None:
    ivanov, petrova = site.people[IVANOV], site.people[PETROVA]
    await site.ivanov.request("MKCOL", f"{FILES}/d")
    access = site.core.directory.access
    root = await site.store.read(lambda tx: collections.by_role(tx, ivanov.id, "files", "root"))
    assert root is not None
    folder = await site.store.read(lambda tx: collections.find(tx, ivanov.id, "files", "d", root.id))
    assert folder is not None
    await site.store.write(lambda tx: access.grant(tx, folder, petrova.id, READ_ONLY))
    seen = await ask(site.petrova, f"{FILES}/d/")
    assert granted(seen) == {"read", "read-current-user-privilege-set"}
    assert seen.prop(f"{FILES}/d/", "D:acl") is None  # not hers to read
    assert (await ask(site.petrova, f"{FILES}/")).status == 404
    own = await ask(site.ivanov, f"{FILES}/d/")
    assert own.texts("//D:acl/D:ace/D:principal/D:href") == [f"/dav/principals/people/{PETROVA}/"]
    for method, path in (("PUT", "d/x"), ("MKCOL", "d/x"), ("DELETE", "d/"), ("LOCK", "d/")):
        body = ""
        if method == "LOCK":
            body = BODY.format(scope="shared")
        refused = await site.petrova.request(method, f"{FILES}/{path}", body)
        assert (refused.status, refused.condition) == (403, "need-privileges")


async def test_what_a_department_owns_has_no_owner_to_show(site: Site) -> None:
    seen = await ask(site.ivanov, "/dav/files/shared/")
    assert seen.prop("/dav/files/shared/", "D:owner") == ""
    assert {"read", "write", "bind", "unbind"} <= granted(seen) and "all" not in granted(seen)


async def test_folders_without_data_and_principals(site: Site) -> None:
    assert granted(await ask(site.ivanov, "/dav/")) == {"read", "read-current-user-privilege-set"}
    assert "bind" in granted(await ask(site.ivanov, f"/dav/calendars/{IVANOV}/"))
    assert "bind" not in granted(await ask(site.ivanov, f"/dav/calendars/{PETROVA}/"))
