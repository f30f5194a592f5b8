# SPDX-License-Identifier: Apache-2.0
"""The pages of administration: who may see them, what a form shows before it does it, what is refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.administration import VERBS
from armgs_server.directory.administrators import set_administrators
from armgs_server.directory.structure import create_group
from armgs_server.portal.administration import SECTIONS
from armgs_server.portal.texts_administration import NAMES, TITLES
from tests.portal.browser import Browser
from tests.portal.client import without_number
from tests.world import IVANOV, PETROVA, SIDOROV, World

NASTY = "<script>alert(1)</script>"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path, settings={"security": {"administrators": (IVANOV,)}}) as world:
        sidorov = await world.directory.by_address(SIDOROV)
        departments = await world.directory.departments()
        [finance] = [each for each in departments if each.address == "finance.example"]
        assert sidorov is not None
        await set_administrators(world.directory, finance, [sidorov.id])
        yield world


async def signed_in(world: World, address: str = IVANOV, language: str = "en") -> Browser:
    browser = Browser(world, language)
    await browser.sign_in(address)
    return browser


def status(browser: Browser) -> int:
    assert browser.page is not None
    return browser.page.status


async def send(browser: Browser, verb: str, **fields: str) -> None:
    await browser.submit("/admin/do", {"verb": verb}, **fields)


async def test_every_section_in_both_languages(world: World) -> None:
    for language in ("ru", "en"):
        browser = await signed_in(world, language=language)
        for name in SECTIONS:
            page = await browser.get(f"/admin/{name}")
            assert (page.status, f'<html lang="{language}">' in page.text) == (200, True), name
            assert NAMES[language][name] in page.text and "<script" not in page.text
            labelled = re.findall(r'<label for="([^"]+)"', page.text)
            shown = re.findall(r'<(?:input|textarea|select) id="([^"]+)"', page.text)
            assert sorted(labelled) == sorted(shown) and len(set(shown)) == len(shown)
        for path in (f"/admin/people/{PETROVA}", "/admin/departments/digital.example"):
            assert (await browser.get(path)).status == 200
        for path in (
            "/admin/nothing",
            "/admin/holds/x",
            "/admin/people/nobody@digital.example",
            "/admin/a/b/c",
        ):
            assert (await browser.get(path)).status == 404, path


async def test_a_change_is_shown_and_then_done(world: World) -> None:
    browser = await signed_in(world)
    assert '<a href="/admin">Administration</a>' in browser.text
    await browser.get("/admin/units")
    await send(browser, "units.create", domain="digital.example", name="Отдел")
    assert status(browser) == 200 and "What will change" in browser.text
    await send(browser, "units.create")
    assert ">Done<" in browser.text
    departments = await world.directory.departments()
    [unit] = await world.directory.units(departments[0].id)
    await browser.get(f"/admin/people/{PETROVA}")
    await send(browser, "people.change", unit=str(unit.id), post="Инженер")
    assert f"unit-{unit.id}@conference.digital.example" in browser.text
    before = await world.directory.by_address(PETROVA)
    assert before is not None and before.unit == 0
    confirm = browser.form("/admin/do", verb="people.change").fields
    await browser.post("/admin/do", confirm)
    after = await world.directory.by_address(PETROVA)
    assert after is not None and (after.unit, after.post) == (unit.id, "Инженер")
    await browser.post("/admin/do", confirm)  # by now it would change nothing
    assert status(browser) == 409


async def test_who_administers_nothing_sees_nothing(world: World) -> None:
    browser = await signed_in(world, PETROVA)
    assert "/admin" not in browser.text
    for path in ("/admin", "/admin/people", "/admin/nothing"):
        assert (await browser.get(path)).status == 403
    stranger = Browser(world)
    await stranger.get("/admin/people")
    assert stranger.path.startswith("/signin")


async def test_one_department_shows_nothing_of_another(world: World) -> None:
    browser = await signed_in(world, SIDOROV)
    for name in SECTIONS:
        page = await browser.get(f"/admin/{name}")
        assert "digital.example" not in page.text, name
    hidden = await browser.get(f"/admin/people/{PETROVA}")
    unknown = await browser.get("/admin/people/nobody1@digital.example")
    assert hidden.status == unknown.status == 404
    assert without_number(hidden.text).replace("petrova", "nobody1") == without_number(unknown.text)
    await browser.get("/admin/people")
    await send(browser, "people.create", address="new@digital.example")
    assert status(browser) == 404


async def test_another_site_can_send_nothing(world: World) -> None:
    browser = await signed_in(world)
    await browser.get(f"/admin/people/{PETROVA}")
    await send(browser, "people.suspend", token="0" * 32)
    assert status(browser) == 403
    found = await world.directory.by_address(PETROVA)
    assert found is not None and not found.disabled


async def test_names_are_no_markup(world: World) -> None:
    await world.directory.apply(lambda tx: create_group(tx, "all@digital.example", f"All {NASTY}", [], {}))
    browser = await signed_in(world)
    for path in ("/admin/groups", "/admin/groups/all@digital.example"):
        page = await browser.get(path)
        assert NASTY not in page.text and "&lt;script&gt;" in page.text
    await browser.get("/admin/people")
    await send(browser, "people.create", address="x@digital.example", name=NASTY)
    assert status(browser) == 200 and NASTY not in browser.text


async def test_what_is_wrong_is_said_and_the_form_is_there_again(world: World) -> None:
    browser = await signed_in(world)
    await browser.get("/admin/people")
    await send(browser, "people.create", address="new@elsewhere.example", unit="x")
    assert status(browser) == 400 and "no number" in browser.text
    assert browser.form("/admin/do", verb="people.create").fields["address"] == "new@elsewhere.example"
    await send(browser, "people.create", unit="", data="telephone")
    assert status(browser) == 400 and "NAME=VALUE" in browser.text


async def test_a_password_for_a_device_is_shown_once(world: World) -> None:
    browser = await signed_in(world)
    await browser.get(f"/admin/people/{PETROVA}")
    await send(browser, "app-passwords.add", name="phone")
    found = re.search(r"<dt>Password</dt><dd>([^<]+)</dd>", browser.text)
    assert found is not None
    assert await world.directory.auth.login("imap", "127.0.0.1", True, PETROVA, found[1])


def test_every_verb_and_argument_has_its_words() -> None:
    assert {verb.name for verb in VERBS} == TITLES.keys()
    for names in NAMES.values():
        assert {name for verb in VERBS for name in verb.arguments} <= names.keys()
