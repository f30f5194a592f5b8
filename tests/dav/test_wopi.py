# SPDX-License-Identifier: Apache-2.0
"""Documents in an office editor: what it asks, as it asks, while others work on them over WebDAV."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from armgs_server.dav import wopi_tokens
from armgs_server.dav.wopi_tokens import Claim
from tests.dav.conftest import FILES, IVANOV, Site, run_site
from tests.dav.office import EPOCH, Office, Session, new_key, running_office, signature

REPORT = f"{FILES}/отчёт.odt"
EDIT = REPORT.replace("/dav/", "/edit/", 1)
HISTORY = f"{FILES}/.versions/отчёт.odt/"
LOCK = "cool-lock4b8e-6"
LOCKINFO = (
    '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    "<D:locktype><D:write/></D:locktype><D:owner>LibreOffice</D:owner></D:lockinfo>"
)
DISCOVER = '<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>'


def path(text: str) -> str:
    return quote(text, safe="/@")


@dataclass
class Desk:
    """A site whose people have an editor, and a document open in it."""

    site: Site
    office: Office
    open: Session


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with running_office() as office, run_site("sqlite", tmp_path, editor_url=office.url) as site:
        yield await laid_out(site, office)


@pytest.fixture
async def both_desks(store_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with running_office() as office, run_site(store_url, tmp_path, editor_url=office.url) as site:
        yield await laid_out(site, office)


async def laid_out(site: Site, office: Office) -> Desk:
    ivanov = site.ivanov
    assert (await ivanov.request("PUT", path(REPORT), b"first")).status == 201
    page = await ivanov.request("GET", path(EDIT))
    assert page.status == 200, page.body
    return Desk(site, office, office.session(site.client(), page.body))


async def test_the_page_gives_the_editor_a_token_and_nobody_else(desk: Desk) -> None:
    ivanov, petrova = desk.site.ivanov, desk.site.petrova
    page = await ivanov.request("GET", path(EDIT))
    policy = page.headers["content-security-policy"]
    assert f"form-action {desk.office.url};" in policy and "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert desk.open.token not in desk.open.source
    assert (await desk.site.client().request("GET", path(EDIT))).status == 401
    assert (await petrova.request("GET", path(EDIT))).status == 404
    assert (await ivanov.request("POST", path(EDIT))).status == 405
    await ivanov.request("PUT", f"{FILES}/a.zip", b"x")
    for other in ("a.zip", "none.odt", ""):
        assert (await ivanov.request("GET", f"/edit/files/{IVANOV}/{other}")).status == 404, other


async def test_folders_show_what_the_editor_opens(desk: Desk) -> None:
    ivanov = desk.site.ivanov
    await ivanov.request("PUT", f"{FILES}/a.zip", b"x")
    page = (await ivanov.request("GET", f"{FILES}/")).body.decode()
    assert f'href="{path(EDIT)}"' in page and "/edit/files/" in page
    assert f"/edit/files/{IVANOV}/a.zip" not in page


async def test_check_file_info_and_get_file(desk: Desk) -> None:
    answer = await desk.open.request("GET")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    info = json.loads(answer.body)
    assert info["BaseFileName"] == "отчёт.odt" and info["Size"] == 5
    assert info["UserFriendlyName"] == "Иванов Иван"
    assert info["UserCanWrite"] and info["SupportsLocks"] and info["SupportsUpdate"]
    assert info["SHA256"] == base64.b64encode(hashlib.sha256(b"first").digest()).decode()
    got = await desk.open.request("GET", "/contents")
    assert (got.status, got.body) == (200, b"first")
    assert got.headers["x-wopi-itemversion"] == info["Version"]
    assert (
        await desk.open.request("GET", "/contents", headers={"X-WOPI-MaxExpectedSize": "4"})
    ).status == 412


async def test_a_session_from_lock_to_unlock(both_desks: Desk) -> None:
    """What Collabora sends while a document is opened, changed, saved twice and closed."""
    desk = both_desks
    loaded = json.loads((await desk.open.request("GET")).body)["LastModifiedTime"]
    assert (await desk.open.override("LOCK", LOCK)).status == 200
    assert (await desk.open.override("GET_LOCK")).headers["x-wopi-lock"] == LOCK
    saved = await desk.open.save(b"second", LOCK, X_COOL_WOPI_Timestamp=loaded)
    assert saved.status == 200
    loaded = json.loads(saved.body)["LastModifiedTime"]
    assert (await desk.open.override("REFRESH_LOCK", LOCK)).status == 200
    assert (await desk.open.save(b"third", LOCK, X_COOL_WOPI_Timestamp=loaded)).status == 200
    assert (await desk.open.override("UNLOCK", LOCK)).status == 200
    assert (await desk.open.override("GET_LOCK")).headers["x-wopi-lock"] == ""
    ivanov = desk.site.ivanov
    assert (await ivanov.request("GET", path(REPORT))).body == b"third"
    states = await ivanov.request("PROPFIND", path(HISTORY), headers={"Depth": "1"})
    assert len(states.hrefs) == 3


async def test_locks_are_the_same_as_webdavs(desk: Desk) -> None:
    ivanov = desk.site.ivanov
    assert (await desk.open.override("LOCK", LOCK)).status == 200
    assert (await ivanov.request("PUT", path(REPORT), b"over")).status == 423
    assert (await ivanov.request("LOCK", path(REPORT), LOCKINFO)).status == 423
    assert (await ivanov.request("DELETE", path(REPORT))).status == 423
    shown = await ivanov.request("PROPFIND", path(REPORT), DISCOVER, {"Depth": "0"})
    assert IVANOV in "".join(shown.texts("//D:activelock/D:owner"))
    # Who took it, or an administrator, may take it away with WebDAV's UNLOCK.
    (token,) = shown.texts("//D:activelock/D:locktoken/D:href")
    assert (await ivanov.request("UNLOCK", path(REPORT), headers={"Lock-Token": f"<{token}>"})).status == 204
    lost = await desk.open.save(b"late", LOCK)
    assert lost.status == 409 and lost.headers["x-wopi-lock"] == ""
    # And the other way round.
    token = (await ivanov.request("LOCK", path(REPORT), LOCKINFO)).headers["lock-token"]
    for answer in (
        await desk.open.override("LOCK", LOCK),
        await desk.open.override("REFRESH_LOCK", LOCK),
        await desk.open.override("UNLOCK", LOCK),
        await desk.open.override("RENAME_FILE", LOCK, X_WOPI_RequestedName="x"),
        await desk.open.save(b"over", LOCK),
    ):
        assert answer.status == 409 and answer.headers["x-wopi-lock"] == ""
    assert (await ivanov.request("UNLOCK", path(REPORT), headers={"Lock-Token": token})).status == 204
    assert (await ivanov.request("GET", path(REPORT))).body == b"first"


async def test_mismatches_name_the_lock_that_is_there(desk: Desk) -> None:
    for operation in ("UNLOCK", "REFRESH_LOCK"):
        answer = await desk.open.override(operation, LOCK)
        assert (answer.status, answer.headers["x-wopi-lock"]) == (409, "")
    relock = {"X_WOPI_OldLock": "none"}
    assert (await desk.open.override("LOCK", LOCK, **relock)).status == 409
    unlocked = await desk.open.save(b"without a lock")
    assert (unlocked.status, unlocked.headers["x-wopi-lock"]) == (409, "")
    assert (await desk.open.override("LOCK", LOCK)).status == 200
    assert (await desk.open.override("LOCK", LOCK)).status == 200  # a refresh
    for answer in (
        await desk.open.override("LOCK", "other"),
        await desk.open.override("LOCK", "other", **relock),
        await desk.open.override("UNLOCK", "other"),
        await desk.open.override("REFRESH_LOCK", "other"),
        await desk.open.override("RENAME_FILE", "other", X_WOPI_RequestedName="x"),
        await desk.open.save(b"over", "other"),
    ):
        assert (answer.status, answer.headers["x-wopi-lock"]) == (409, LOCK)
    assert (await desk.open.override("LOCK", "new lock", X_WOPI_OldLock=LOCK)).status == 200
    assert (await desk.open.override("GET_LOCK")).headers["x-wopi-lock"] == "new lock"
    for bad in ("", "x" * 1025):
        assert (await desk.open.override("LOCK", bad)).status == 400
    for unknown in ("COBALT", "DELETE", ""):
        assert (await desk.open.override(unknown, LOCK)).status == 501
    assert (await desk.open.request("PUT", "/contents", b"x")).status == 405


async def test_a_file_changed_behind_the_editor(desk: Desk) -> None:
    loaded = json.loads((await desk.open.request("GET")).body)["LastModifiedTime"]
    await desk.site.ivanov.request("PUT", path(REPORT), b"from elsewhere")
    await desk.open.override("LOCK", LOCK)
    answer = await desk.open.save(b"mine", LOCK, X_COOL_WOPI_Timestamp=loaded)
    assert answer.status == 409 and json.loads(answer.body)["COOLStatusCode"] == 1010
    assert (await desk.open.save(b"mine all the same", LOCK)).status == 200


async def test_save_as(both_desks: Desk) -> None:
    desk = both_desks
    ivanov = desk.site.ivanov
    first = await relative(desk.open, b"pdf", X_WOPI_SuggestedTarget=".pdf")
    assert json.loads(first.body)["Name"] == "отчёт.pdf"
    second = await relative(desk.open, b"pdf 2", X_WOPI_SuggestedTarget="+BD4EQgRHBFEEQg-.pdf")
    assert json.loads(second.body)["Name"] == "отчёт (2).pdf"
    copy = await relative(desk.open, b"copy", X_WOPI_RelativeTarget="copy.odt")
    made = json.loads(copy.body)
    assert made["Name"] == "copy.odt"
    source, _, token = made["Url"].partition("?access_token=")
    opened = Session(desk.office, desk.open.client, source, token)
    assert (await opened.request("GET", "/contents")).body == b"copy"
    assert (await relative(desk.open, b"x", X_WOPI_RelativeTarget="copy.odt")).status == 409
    over = {"X_WOPI_RelativeTarget": "copy.odt", "X_WOPI_OverwriteRelativeTarget": "true"}
    assert (await relative(desk.open, b"again", **over)).status == 200
    assert (await opened.override("LOCK", "held")).status == 200
    refused = await relative(desk.open, b"x", **over)
    assert (refused.status, refused.headers["x-wopi-lock"]) == (409, "held")
    assert (await ivanov.request("GET", f"{FILES}/copy.odt")).body == b"again"
    for name in ("a/b.odt", "..", "+2AA-x", "x" * 300, ".versions", ".trash"):
        assert (await relative(desk.open, b"x", X_WOPI_RelativeTarget=name)).status == 400, name
    both = {"X_WOPI_RelativeTarget": "a.odt", "X_WOPI_SuggestedTarget": "b.odt"}
    assert (await relative(desk.open, b"x", **both)).status == 501
    assert (await relative(desk.open, b"x")).status == 400


async def relative(session: Session, body: bytes, **headers: str):  # type: ignore[no-untyped-def]
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return await session.request("POST", "", body, {"X-WOPI-Override": "PUT_RELATIVE", **fields})


async def test_rename(both_desks: Desk) -> None:
    desk = both_desks
    ivanov = desk.site.ivanov
    await ivanov.request("PUT", f"{FILES}/plan.odt", b"there")
    await desk.open.override("LOCK", LOCK)
    answer = await desk.open.override("RENAME_FILE", LOCK, X_WOPI_RequestedName="plan")
    assert (answer.status, json.loads(answer.body)["Name"]) == (200, "plan (2)")
    assert json.loads((await desk.open.request("GET")).body)["BaseFileName"] == "plan (2).odt"
    shown = await ivanov.request("PROPFIND", f"{FILES}/plan%20(2).odt", DISCOVER, {"Depth": "0"})
    (root,) = shown.texts("//D:activelock/D:lockroot/D:href")
    assert root in (f"{FILES}/plan%20(2).odt", f"{FILES}/plan%20%282%29.odt")
    bad = await desk.open.override("RENAME_FILE", LOCK, X_WOPI_RequestedName="a/b")
    assert bad.status == 400 and bad.headers["x-wopi-invalidfilenameerror"]


async def test_tokens_are_for_one_person_one_file_and_a_time(desk: Desk) -> None:
    session = desk.open
    source, token = session.source, session.token
    for wrong in ("", "x", token[:-2], token[:-4] + "AAAA", "%C3%A9", "a" * 5_000):
        session.token = wrong
        assert (await session.request("GET", headers={"X-WOPI-Proof": ""})).status == 401, wrong
    session.token = token
    session.source = source[:-1] + "9"
    assert (await session.request("GET")).status == 404
    session.source = source
    await desk.site.core.directory.disable(desk.site.people[IVANOV].id)
    assert (await session.request("GET")).status == 404
    await desk.site.core.directory.enable(desk.site.people[IVANOV].id)
    assert (await session.request("GET")).status == 200
    await desk.site.ivanov.request("DELETE", path(REPORT))
    assert (await session.request("GET")).status == 404


def test_a_token_ends() -> None:
    claim = Claim(1, 2, 3, 4, True, 1000)
    token = wopi_tokens.serialise(claim, b"secret")
    assert wopi_tokens.parse(token, b"secret", 999) == claim
    assert wopi_tokens.parse(token, b"secret", 1000) is None
    assert wopi_tokens.parse(token, b"other", 999) is None


async def test_who_may_only_read(desk: Desk) -> None:
    site = desk.site
    ivanov, petrova = site.ivanov, site.petrova
    await ivanov.request("MKCOL", f"{FILES}/shown/")
    await ivanov.request("PUT", f"{FILES}/shown/a.odt", b"read")
    grant = (
        '<D:acl xmlns:D="DAV:"><D:ace><D:principal><D:href>/dav/principals/people/petrova@digital.example/'
        "</D:href></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>"
    )
    assert (await ivanov.request("ACL", f"{FILES}/shown/", grant)).status == 200
    page = await petrova.request("GET", f"/edit/files/shown_shared_by_{IVANOV}/a.odt")
    session = desk.office.session(site.client(), page.body)
    info = json.loads((await session.request("GET")).body)
    assert info["ReadOnly"] and not info["UserCanWrite"] and info["UserCanNotWriteRelative"]
    assert (await session.request("GET", "/contents")).body == b"read"
    assert (await session.override("LOCK", LOCK)).status == 404
    assert (await session.save(b"x", LOCK)).status == 404
    own = await ivanov.request("GET", f"/edit/files/{IVANOV}/shown/a.odt")
    assert (await desk.office.session(site.client(), own.body).override("LOCK", LOCK)).status == 200
    assert (await session.override("GET_LOCK")).headers["x-wopi-lock"] == LOCK
    assert (await session.override("UNLOCK", LOCK)).status == 404
    assert (await session.override("REFRESH_LOCK", LOCK)).status == 404
    assert (await session.override("RENAME_FILE", LOCK, X_WOPI_RequestedName="x")).status == 404
    assert (await relative(session, b"x", X_WOPI_SuggestedTarget=".pdf")).status == 404


async def test_only_the_editor_asks(desk: Desk) -> None:
    session = desk.open
    for headers in (
        {"X-WOPI-Proof": "", "X-WOPI-ProofOld": ""},
        {"X-WOPI-TimeStamp": ""},
        {"X-WOPI-TimeStamp": "9" * 30},
        {"X-WOPI-Proof": "AAAA", "X-WOPI-ProofOld": "?"},
        {"X-WOPI-TimeStamp": str(EPOCH + time.time_ns() // 100 + 1)},
    ):
        assert (await session.request("GET", headers=headers)).status == 500, headers
    ticks = EPOCH + time.time_ns() // 100 - 21 * 60 * 10_000_000
    target = f"{session.source}?access_token={session.token}"
    assert desk.office.key is not None
    proof = signature(desk.office.key, session.token, target, ticks)
    late = {"X-WOPI-TimeStamp": str(ticks), "X-WOPI-Proof": proof}
    assert (await session.request("GET", headers=late)).status == 500
    assert (await session.request("GET")).status == 200


async def test_the_editor_changes_its_key(desk: Desk) -> None:
    """Its discovery was read before: what is signed with the new key says so with the old one as well."""
    before = desk.office.key
    assert before is not None
    desk.office.key, desk.office.old_key = new_key(), before
    session = desk.open
    ticks = EPOCH + time.time_ns() // 100
    old = signature(before, session.token, f"{session.source}?access_token={session.token}", ticks)
    new = signature(desk.office.key, session.token, f"{session.source}?access_token={session.token}", ticks)
    headers = {"X-WOPI-TimeStamp": str(ticks), "X-WOPI-Proof": new, "X-WOPI-ProofOld": old}
    assert (await session.request("GET", headers=headers)).status == 200


async def test_an_editor_without_a_key_and_one_that_is_away(tmp_path: Path) -> None:
    async with running_office() as office, run_site("sqlite", tmp_path, editor_url=office.url) as site:
        office.key = None
        desk = await laid_out(site, office)
        assert (await desk.open.request("GET")).status == 200
        assert office.asked == 1
    away = tmp_path / "away"
    away.mkdir()
    async with run_site("sqlite", away, editor_url=office.url) as site:
        await site.ivanov.request("PUT", path(REPORT), b"x")
        assert (await site.ivanov.request("GET", path(EDIT))).status == 503
    none = tmp_path / "none"
    none.mkdir()
    async with run_site("sqlite", none) as site:
        await site.ivanov.request("PUT", path(REPORT), b"x")
        assert (await site.ivanov.request("GET", path(EDIT))).status == 404
        assert (await site.client().request("GET", "/wopi/files/1-1-1")).status == 401
