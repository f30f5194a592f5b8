# SPDX-License-Identifier: Apache-2.0
"""The directory as a whole: app passwords, what is durable, what follows a renamed unit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from armgs_server.config import Config
from armgs_server.directory import Change, Directory
from armgs_server.directory.directory import CARDS_AT_ONCE
from armgs_server.directory.model import Disabled
from armgs_server.errors import Denied, Invalid, NotFound
from armgs_server.storage import Store
from tests.directory.conftest import PASSWORD, SECURITY, Workplace
from tests.twin_bus import twins


async def test_app_passwords_come_and_go(workplace: Workplace) -> None:
    directory, auth, ivanov = workplace.directory, workplace.directory.auth, workplace.ivanov
    password = await directory.add_app_password(ivanov.id, "phone")
    [(name, created, last_used)] = await directory.app_passwords(ivanov.id)
    assert (name, created > 0, last_used) == ("phone", True, 0)
    assert await auth.login("dav", "192.0.2.1", True, ivanov.address, password) == ivanov
    [(_, _, last_used)] = await directory.app_passwords(ivanov.id)
    assert last_used >= created
    again = await directory.add_app_password(ivanov.id, "phone")
    with pytest.raises(Denied):
        await auth.login("dav", "192.0.2.1", True, ivanov.address, password)
    assert await auth.login("dav", "192.0.2.1", True, ivanov.address, again) == ivanov
    await directory.remove_app_password(ivanov.id, "phone")
    with pytest.raises(Denied):
        await auth.login("dav", "192.0.2.1", True, ivanov.address, again)
    with pytest.raises(NotFound):
        await directory.remove_app_password(ivanov.id, "phone")
    with pytest.raises(NotFound):
        await directory.add_app_password(9999, "phone")


async def test_an_app_password_is_one_persons(workplace: Workplace) -> None:
    password = await workplace.directory.add_app_password(workplace.ivanov.id, "phone")
    with pytest.raises(Denied):
        await workplace.directory.auth.login("dav", "192.0.2.1", True, "petrova@digital.example", password)


async def test_what_returned_is_there_when_opened_anew(workplace: Workplace) -> None:
    anew = await Directory.open(workplace.store, workplace.directory.config)
    assert await anew.by_address("ivanov@digital.example") == workplace.ivanov
    assert anew.domains == workplace.directory.domains
    await anew.close()


async def test_the_cards_follow_a_renamed_unit(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("armgs_server.directory.directory.CARDS_AT_ONCE", 1)
    assert CARDS_AT_ONCE > 1
    await workplace.directory.update(workplace.web.id, Change(name="Порталы"))
    rows = await workplace.store.read(
        lambda tx: tx.rows(
            "SELECT b.data FROM item i JOIN blob b ON b.hash = i.blob WHERE i.owner = ?", workplace.digital.id
        )
    )
    cards = [bytes(row[0]).decode() for row in rows]
    assert len(cards) == 4
    assert sum("ORG:Digital;Порталы\r\n" in card for card in cards) == 2


async def test_a_person_is_refused_before_the_password_is_hashed(workplace: Workplace) -> None:
    with pytest.raises(Invalid):
        await workplace.directory.create_person("not an address", password="x")


async def test_after_a_gap_everything_is_read_anew(tmp_path: Path) -> None:
    here_bus, there_bus = twins()
    stores = [await Store.open("sqlite", tmp_path / "store", bus=bus) for bus in (here_bus, there_bus)]
    config = Config(directory=tmp_path, security=SECURITY)
    here, there = [await Directory.open(store, config) for store in stores]
    digital = await here.create_department("Digital", ["digital.example"])
    ivanov = await here.create_person("ivanov@digital.example", password=PASSWORD)
    await asyncio.sleep(0)  # the message is on its way
    assert await there.by_address("ivanov@digital.example") == ivanov
    assert await there.auth.login("imap", "192.0.2.1", True, ivanov.address, PASSWORD) == ivanov
    here_bus.is_cut = True
    await here.disable(ivanov.id)
    await here.add_domain(digital, "new.example")
    assert (await there.by_id(ivanov.id)) == ivanov
    there_bus.mend()
    assert await there.by_id(ivanov.id) != ivanov
    with pytest.raises(Disabled):
        await there.auth.login("imap", "192.0.2.1", True, ivanov.address, PASSWORD)
    assert there._reload is not None
    await there._reload
    assert there.is_local("new.example")
    for directory in (here, there):
        await directory.close()
    for store in stores:
        await store.close()
