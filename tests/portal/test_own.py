# SPDX-License-Identifier: Apache-2.0
"""A person's own pages: devices, password, absence, space, log-ins, rights; and what others see of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from armgs_server.directory import delegation
from armgs_server.directory.access import READ_ONLY, put_account_grant, put_grant
from armgs_server.directory.model import Principal
from armgs_server.errors import Denied, Invalid
from armgs_server.portal import moments
from armgs_server.rules.away import TEXT_LIMIT
from armgs_server.storage import absences, accounts, clock, collections, items
from armgs_server.storage.tx import Tx
from tests.portal.browser import Browser
from tests.world import IVANOV, PASSWORD, PETROVA, SIDOROV, World

PATHS = ("/me", "/me/devices", "/me/password", "/me/absence", "/me/space", "/me/logins", "/me/rights")
NASTY = "<script>alert(1)</script>\"'&"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


async def person(world: World, address: str = IVANOV) -> Principal:
    found = await world.directory.by_address(address)
    assert found is not None
    return found


async def signed_in(world: World, address: str = IVANOV, language: str = "en") -> Browser:
    browser = Browser(world, language)
    await browser.sign_in(address)
    assert browser.path == "/me"
    return browser


async def test_every_page_in_both_languages(world: World) -> None:
    for language in ("ru", "en"):
        browser = await signed_in(world, language=language)
        for path in PATHS:
            page = await browser.get(path)
            assert (page.status, browser.path) == (200, path)
            assert f'<html lang="{language}">' in page.text
            assert page.text.count("<h1") == 1 and "<script" not in page.text
            assert f'href="{path}" aria-current="page"' in page.text
            assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
            labelled = set(re.findall(r'<label for="([\w-]+)"', page.text))
            inputs = set(re.findall(r'<(?:input|textarea|select|meter) id="([\w-]+)"', page.text))
            assert inputs <= labelled
        assert (await browser.get("/me/nothing")).status == 404
        assert (await browser.get("/me/devices/x")).status == 404


async def test_nobody_sees_them_without_signing_in(world: World) -> None:
    for path in PATHS:
        browser = Browser(world)
        page = await browser.get(path)
        assert browser.path == "/signin" and "Иванов" not in page.text


async def test_a_name_is_no_markup(world: World) -> None:
    await world.directory.create_person("x@digital.example", NASTY, password=PASSWORD, post=NASTY)
    browser = await signed_in(world, "x@digital.example")
    for path in PATHS:
        page = await browser.get(path)
        assert "<script" not in page.text and "&lt;script&gt;" in page.text


# Devices


async def test_a_password_for_a_program(world: World) -> None:
    browser = await signed_in(world)
    await browser.get("/me/devices")
    page = await browser.submit("/me/devices", {"program": ""}, program="phone <b>")
    shown = re.search(r'class="secret">([a-z2-7-]+)<', page.text)
    assert shown is not None and "phone &lt;b&gt;" in page.text
    auth = world.directory.auth
    assert (await auth.login("imap", "::1", True, IVANOV, shown[1])).address == IVANOV
    page = await browser.get("/me/devices")
    assert shown[1] not in page.text
    assert (await browser.submit("/me/devices", {"program": ""}, program="phone <b>")).status == 400
    await browser.get("/me/devices")
    assert (await browser.submit("/me/devices", {"program": ""}, program="x\x07")).status == 400
    await browser.get("/me/devices")
    assert (await browser.submit("/me/devices", {"remove": "phone <b>"})).status == 200
    with pytest.raises(Denied):
        await auth.login("imap", "::1", True, IVANOV, shown[1])
    token = browser.form("/signout").fields["token"]
    again = await browser.post("/me/devices", {"token": token, "remove": "phone <b>"})
    assert again.status == 200  # gone already
    assert (await browser.post("/me/devices", {"token": token})).status == 400


async def test_browsers_are_signed_out(world: World) -> None:
    first, second, third = [await signed_in(world) for _ in range(3)]
    page = await first.get("/me/devices")
    assert page.text.count("this browser") == 1
    await first.submit("/me/devices", {"browser": "others"})
    await second.get("/me")
    await third.get("/me")
    assert (second.path, third.path) == ("/signin", "/signin")
    second = await signed_in(world)
    page = await first.get("/me/devices")
    own = re.findall(r'name="browser" value="(\w{16})"', page.text)
    petrova = await signed_in(world, PETROVA)
    await petrova.get("/me/devices")
    token = petrova.form("/signout").fields["token"]
    await petrova.post("/me/devices", {"token": token, "browser": own[0]})
    await second.get("/me")
    assert second.path == "/me"  # another's cannot be ended
    await first.submit("/me/devices", {"browser": own[0]})
    await second.get("/me")
    assert second.path == "/signin"


# Password


async def test_the_password_is_changed(world: World) -> None:
    browser, other = await signed_in(world), await signed_in(world)
    good = "a long enough one"
    for fields, status in (
        ({"old": "wrong", "new": good, "again": good}, 403),
        ({"old": PASSWORD, "new": "short", "again": "short"}, 400),
        ({"old": PASSWORD, "new": good, "again": good + "x"}, 400),
        ({"old": PASSWORD, "new": PASSWORD, "again": PASSWORD}, 400),
        ({"old": PASSWORD, "new": IVANOV, "again": IVANOV}, 400),
        ({"old": PASSWORD, "new": "x" * 2000, "again": "x" * 2000}, 400),
    ):
        await browser.get("/me/password")
        page = await browser.submit("/me/password", {"old": ""}, **fields)
        assert page.status == status and 'role="alert"' in page.text
        assert good not in page.text
    before = dict(browser.cookies)
    await browser.get("/me/password")
    await browser.submit("/me/password", {"old": ""}, old=PASSWORD, new=good, again=good)
    assert browser.path == "/me" and browser.cookies != before
    await other.get("/me")
    assert other.path == "/signin"
    assert (await Browser(world).sign_in(IVANOV)).status == 403
    assert (await Browser(world).sign_in(IVANOV, good)).status == 200


async def test_where_passwords_are_not_changed_here(tmp_path: Path) -> None:
    async with World(tmp_path, settings={"security": {"change_password": False}}) as world:
        browser = await signed_in(world)
        assert (await browser.get("/me/password")).status == 404


# Absence


async def test_an_absence(world: World) -> None:
    browser, owner = await signed_in(world), await person(world)
    first, last = date.today() + timedelta(days=1), date.today() + timedelta(days=3)
    good = {
        "first": first.isoformat(),
        "last": last.isoformat(),
        "inside": f"away {NASTY}",
        "outside": "",
        "deputy": PETROVA,
    }
    for wrong in (
        {"first": "x"},
        {"last": "0001-01-01"},
        {"last": "2020-01-01", "first": "2020-01-01"},
        {"first": last.isoformat(), "last": first.isoformat()},
        {"deputy": "nobody@digital.example"},
        {"deputy": IVANOV},
        {"inside": " "},
        {"last": "2099-01-01"},
    ):
        await browser.get("/me/absence")
        page = await browser.submit("/me/absence", {"first": date.today().isoformat()}, **{**good, **wrong})
        assert page.status == 400 and 'role="alert"' in page.text, wrong
    await browser.get("/me/absence")
    page = await browser.submit("/me/absence", {"first": date.today().isoformat()}, **good)
    assert f"You are away: {first.isoformat()} – {last.isoformat()}" in page.text
    assert "<script" not in page.text
    found = await world.store.read(lambda tx: absences.of(tx, owner.id))
    assert found is not None and found.deputy == (await person(world, PETROVA)).id
    assert (found.starts, found.ends) == (moments.start_of(first), moments.end_of(last))
    await browser.submit("/me/absence", {"clear": "1"})
    assert await world.store.read(lambda tx: absences.of(tx, owner.id)) is None


async def test_texts_of_an_absence_as_long_as_they_may_be(world: World) -> None:
    browser, owner = await signed_in(world), await person(world)
    day, text = (date.today() + timedelta(days=1)).isoformat(), "ы" * TEXT_LIMIT
    await browser.get("/me/absence")
    fields = {"first": day, "last": day, "inside": text, "outside": text}
    page = await browser.submit("/me/absence", {"first": date.today().isoformat()}, **fields)
    assert page.status == 200 and "You are away" in page.text
    found = await world.store.read(lambda tx: absences.of(tx, owner.id))
    assert found is not None and found.inside == found.outside == text


# Space


async def test_what_fills_the_space(world: World) -> None:
    owner = await person(world)
    refs = [await world.store.blobs.put(bytes(size)) for size in (3000, 200_000, 50)]

    async def work(tx: Tx) -> None:
        await accounts.set_quota(tx, owner.id, 1_000_000)
        root = await collections.by_role(tx, owner.id, "files", "root")
        assert root is not None
        folder = await collections.create(tx, owner.id, "files", NASTY, parent=root.id)
        for number, ref in enumerate(refs):
            await items.add(tx, folder, ref, name=f"{number} {NASTY}")

    await world.store.write(work)
    browser = await signed_in(world)
    page = await browser.get("/me/space")
    assert "198.3 KiB of 976.6 KiB (20 %)" in page.text
    assert "<script" not in page.text
    names = re.findall(r'<th scope="row">(\d) &lt;script', page.text)
    assert names == ["1", "0", "2"]
    russian = await (await signed_in(world, language="ru")).get("/me/space")
    assert "198,3 КиБ из 976,6 КиБ" in russian.text


# Log-ins


async def test_log_ins_and_guesses_are_shown(world: World) -> None:
    with pytest.raises(Denied):
        await world.directory.auth.login("imap", "198.51.100.7", True, IVANOV, "wrong")
    browser = await signed_in(world)
    await world.directory.auth.logins.flush()
    page = await browser.get("/me/logins")
    assert "198.51.100.7" in page.text and "refused" in page.text
    assert "127.0.0.1" in page.text and "web" in page.text
    petrova = await (await signed_in(world, PETROVA)).get("/me/logins")
    assert "198.51.100.7" not in petrova.text


# Rights


async def test_rights_are_shown_and_taken_back(world: World) -> None:
    owner, petrova, sidorov = [await person(world, each) for each in (IVANOV, PETROVA, SIDOROV)]

    async def work(tx: Tx) -> int:
        inbox = await collections.by_role(tx, owner.id, "mail", "inbox")
        assert inbox is not None
        await put_grant(tx, inbox, petrova.id, READ_ONLY)
        await put_account_grant(tx, owner.id, sidorov.id, READ_ONLY)
        await delegation.delegate(tx, owner, petrova, "on-behalf")
        return inbox.id

    inbox = await world.store.write(work)
    browser, theirs = await signed_in(world), await signed_in(world, PETROVA)
    page = await browser.get("/me/rights")
    for text in ("mail: INBOX", PETROVA, SIDOROV, "everything", "write on my behalf"):
        assert text in page.text
    assert "mail: INBOX" in (await theirs.get("/me/rights")).text
    token = theirs.form("/signout").fields["token"]
    stolen = {"token": token, "collection": str(inbox), "grantee": str(petrova.id)}
    assert (await theirs.post("/me/rights", stolen)).status in (200, 404)
    assert "mail: INBOX" in (await browser.get("/me/rights")).text  # only the owner's own are touched
    await browser.submit("/me/rights", {"collection": str(inbox), "grantee": str(petrova.id)})
    assert "mail: INBOX" not in (await theirs.get("/me/rights")).text
    await browser.submit("/me/rights", {"collection": "0", "grantee": str(sidorov.id)})
    page = await browser.submit("/me/rights", {"sends": "1", "grantee": str(petrova.id)})
    assert "Nobody but you." in page.text
    assert not await world.directory.may_send_for(petrova, IVANOV)
    bad = {"token": browser.form("/signout").fields["token"], "collection": "x", "grantee": "1"}
    assert (await browser.post("/me/rights", bad)).status == 400


# Words


def test_moments_days_and_sizes() -> None:
    found = date(2026, 11, 22)
    assert moments.iso_day(moments.start_of(found)) == "2026-11-22"
    assert moments.end_of(found) - moments.start_of(found) == clock.DAY
    assert moments.day(moments.start_of(found), "ru") == "22.11.2026"
    assert moments.moment(moments.start_of(found), "en") == "2026-11-22 00:00"
    assert moments.moment(0, "en") == moments.day(0, "ru") == ""
    assert [moments.size(each, "en") for each in (0, 1023, 1024, 5 << 40, 5 << 50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 TiB",
        "5120.0 TiB",
    ]
    for wrong in ("", "x", "2026-13-01", "1969-01-01", "9999-12-31"):
        with pytest.raises(Invalid):
            moments.parse_day(wrong)
