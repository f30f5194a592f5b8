# SPDX-License-Identifier: Apache-2.0
"""The life of a principal: changed, disabled, enabled, deleted."""

from __future__ import annotations

import pytest

from armgs_server.directory import Change
from armgs_server.errors import Conflict, Denied, Invalid, NotFound
from armgs_server.storage import accounts, collections
from tests.directory.conftest import PASSWORD, Workplace


async def test_a_change_touches_what_it_names_alone(workplace: Workplace) -> None:
    directory, petrova = workplace.directory, workplace.petrova
    changed = await directory.update(petrova.id, Change(post="Lead", head=True, data={"mobile": "+7 900"}))
    assert (changed.name, changed.post, changed.head, changed.unit) == ("Петрова", "Lead", True, petrova.unit)
    assert changed.data == {"telephone": "+7 495 1", "mobile": "+7 900"}
    assert await directory.by_address("petrova@digital.example") == changed
    cleared = await directory.update(petrova.id, Change(unit=0, data={"mobile": None}))
    assert (cleared.unit, (await directory.by_id(petrova.id)) == cleared) == (0, True)


async def test_a_unit_cannot_be_put_below_itself(workplace: Workplace) -> None:
    directory = workplace.directory
    for parent in (workplace.web.id, workplace.tests.id):
        with pytest.raises(Conflict):
            await directory.update(workplace.web.id, Change(unit=parent))
    moved = await directory.update(workplace.tests.id, Change(unit=0))
    assert moved.unit == 0


async def test_who_is_disabled_is_kicked_and_may_come_back(workplace: Workplace) -> None:
    directory, kicked = workplace.directory, list[bytes]()
    workplace.store.bus.subscribe("kick", kicked.append)
    assert (await directory.disable(workplace.ivanov.id)).disabled
    assert kicked == [b"%d" % workplace.ivanov.id]
    assert not (await directory.enable(workplace.ivanov.id)).disabled
    assert len(kicked) == 1
    with pytest.raises(NotFound):
        await directory.disable(workplace.digital.id)


async def test_a_deleted_person_leaves_nothing_behind(workplace: Workplace) -> None:
    directory, ivanov, kicked = workplace.directory, workplace.ivanov, list[bytes]()
    group = await directory.create_group("all@digital.example", "All", [ivanov.id])
    await directory.add_alias(ivanov, "boss@digital.example")
    workplace.store.bus.subscribe("kick", kicked.append)
    await directory.delete(ivanov.id)
    assert kicked == [b"%d" % ivanov.id]
    assert await directory.by_id(ivanov.id) is None
    assert await directory.by_address("boss@digital.example") is None
    assert await directory.members(group) == []
    assert await workplace.store.read(lambda tx: collections.roots(tx, ivanov.id)) == []
    with pytest.raises(NotFound):
        await workplace.store.read(lambda tx: accounts.usage(tx, ivanov.id))
    with pytest.raises(Denied):
        await directory.auth.login("imap", "192.0.2.1", True, "ivanov@digital.example", PASSWORD)


async def test_units_and_departments_are_deleted_empty(workplace: Workplace) -> None:
    directory = workplace.directory
    with pytest.raises(Conflict):
        await directory.delete(workplace.finance.id)
    with pytest.raises(Conflict):
        await directory.delete(workplace.web.id)
    await directory.delete(workplace.sidorov.id)
    await directory.delete(workplace.finance.id)
    assert not directory.is_local("finance.example")


async def test_a_new_password_ends_the_old_one(workplace: Workplace) -> None:
    directory, auth, kicked = workplace.directory, workplace.directory.auth, list[bytes]()
    name = "ivanov@digital.example"
    await auth.login("imap", "192.0.2.1", True, name, PASSWORD)
    workplace.store.bus.subscribe("kick", kicked.append)
    await directory.set_password(workplace.ivanov.id, "another-password")
    assert kicked == [b"%d" % workplace.ivanov.id]
    with pytest.raises(Denied):
        await auth.login("imap", "192.0.2.1", True, name, PASSWORD)
    assert await auth.login("imap", "192.0.2.1", True, name, "another-password") == workplace.ivanov
    with pytest.raises(NotFound):
        await directory.set_password(workplace.digital.id, "another-password")
    with pytest.raises(Invalid):
        await directory.set_password(workplace.ivanov.id, "")
