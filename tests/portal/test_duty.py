# SPDX-License-Identifier: Apache-2.0
"""What somebody must do first: no other page until a password is changed, a second factor turned on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from armgs_server.directory.people import Change
from armgs_server.storage import clock
from tests.portal.browser import Browser
from tests.world import IVANOV, PASSWORD, World

NEW = "quite another one"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


async def set_policy(world: World, **said: object) -> None:
    person = await world.directory.by_address(IVANOV)
    assert person is not None
    await world.directory.update(person.department, Change(data={"policy": said}))


async def test_an_old_password_is_changed_first(world: World) -> None:
    await set_policy(world, password_days=30, password_length=10, password_history=2)
    then = clock.now() - 31 * clock.DAY
    await world.store.write(lambda tx: tx.execute("UPDATE credential SET created = ?", then))
    browser = Browser(world, "ru")
    await browser.sign_in(IVANOV)
    assert browser.path == "/me/password"
    for path in ("/me", "/me/devices", "/people", "/news", "/me/passwords"):
        await browser.get(path)
        assert browser.path == "/me/password"
    page = await browser.get("/me/password")
    assert "Срок пароля истёк" in page.text and "Знаков не меньше: 10" in page.text
    assert "Не из последних паролей: 2" in page.text
    for new, words in (
        ("short one", "слишком короткий"),
        ("ivanov@digital", "повторяет адрес"),
        (PASSWORD, "уже был"),
    ):
        await browser.get("/me/password")
        page = await browser.submit("/me/password", {"old": ""}, old=PASSWORD, new=new, again=new)
        assert page.status == 400 and words in page.text
    await browser.get("/me/password")
    await browser.submit("/me/password", {"old": ""}, old=PASSWORD, new=NEW, again=NEW)
    assert browser.path == "/me"
    page = await browser.get("/me/password")
    assert browser.path == "/me/password" and "Сменить до" in page.text


async def test_a_second_factor_is_turned_on_first(world: World) -> None:
    browser = Browser(world, "en")
    await browser.sign_in(IVANOV)
    assert browser.path == "/me"
    await set_policy(world, second_factor="everybody")
    for path in ("/me", "/people", "/me/password"):
        await browser.get(path)
        assert browser.path == "/me/second-factor"
    await browser.submit("/signout", {})
    assert browser.path == "/"
    await set_policy(world, second_factor="administrators")
    await browser.sign_in(IVANOV)
    assert browser.path == "/me"


async def test_where_nobody_changes_passwords_nobody_is_sent_there(tmp_path: Path) -> None:
    settings = {"security": {"change_password": False, "password_days": 1}}
    async with World(tmp_path, settings=settings) as world:
        await world.store.write(lambda tx: tx.execute("UPDATE credential SET created = 1"))
        browser = Browser(world, "en")
        await browser.sign_in(IVANOV)
        assert browser.path == "/me"
