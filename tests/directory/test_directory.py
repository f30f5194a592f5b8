# SPDX-License-Identifier: Apache-2.0
"""The directory as a whole: app passwords, what is durable, what follows a renamed unit."""

from __future__ import annotations

import pytest

from armgs_server.directory import Change, Directory
from armgs_server.directory.directory import CARDS_AT_ONCE
from armgs_server.errors import Denied, Invalid, NotFound
from tests.directory.conftest import Workplace


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
