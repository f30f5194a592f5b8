# SPDX-License-Identifier: Apache-2.0
"""Who may invite, and what an invitation is good for, on each engine."""

from __future__ import annotations

import pytest

from armgs_server.directory import Principal
from armgs_server.directory.administrators import set_administrators
from armgs_server.errors import AlreadyExists, Denied, Invalid, NotFound
from armgs_server.storage.tx import Tx
from tests.directory.conftest import PASSWORD, Workplace


async def nothing(tx: Tx, person: Principal, inviter: Principal) -> None:
    """No contacts are made."""
    assert await tx.value("SELECT 1 FROM principal WHERE id = ?", person.id)


async def test_off_then_administrators_then_everybody(workplace: Workplace) -> None:
    invitations, ivanov = workplace.directory.invitations, workplace.ivanov
    assert await invitations.policy("digital.example") == ""
    with pytest.raises(Denied):
        await invitations.invite(ivanov, account=True)
    await invitations.set_policy("цифра.example", "administrators")  # another domain of the same department
    assert not await invitations.may_invite(ivanov)
    await set_administrators(workplace.directory, workplace.digital, [ivanov.id])
    assert await invitations.may_invite(ivanov)
    assert not await invitations.may_invite(workplace.petrova)
    await invitations.set_policy("digital.example", "people")
    assert await invitations.may_invite(workplace.petrova)
    assert not await invitations.may_invite(workplace.sidorov)  # of another department
    with pytest.raises(Invalid):
        await invitations.set_policy("digital.example", "friends")
    with pytest.raises(NotFound):
        await invitations.set_policy("elsewhere.example", "people")


async def test_one_account_for_one_token(workplace: Workplace) -> None:
    invitations, ivanov = workplace.directory.invitations, workplace.ivanov
    await invitations.set_policy("digital.example", "people")
    token, expires = await invitations.invite(ivanov, account=True, local="Orlova")
    found = await invitations.find(token)
    assert found is not None
    assert (found[0].local, found[0].domain, found[0].expires, found[1]) == (
        "orlova",
        "digital.example",
        expires,
        ivanov,
    )
    with pytest.raises(AlreadyExists):
        await invitations.invite(ivanov, account=True, local="orlova")
    with pytest.raises(Denied):
        await invitations.register(token, "another", PASSWORD, nothing)
    made = await invitations.register(token, "orlova", PASSWORD, nothing)
    assert (made.address, made.unit, made.department) == ("orlova@digital.example", 0, ivanov.department)
    assert await invitations.find(token) is None
    with pytest.raises(NotFound):
        await invitations.register(token, "orlova", PASSWORD, nothing)
    assert await workplace.directory.auth.login("xmpp", "192.0.2.1", True, made.address, PASSWORD) == made


async def test_nothing_is_good_of_who_is_shut_out(workplace: Workplace) -> None:
    invitations, ivanov = workplace.directory.invitations, workplace.ivanov
    token, _ = await invitations.invite(ivanov, account=False)
    assert await invitations.find(token) is not None
    await workplace.directory.disable(ivanov.id)
    assert await invitations.find(token) is None


async def test_a_contact_is_accepted_once_and_of_the_inviter_alone(workplace: Workplace) -> None:
    invitations, ivanov, petrova = workplace.directory.invitations, workplace.ivanov, workplace.petrova
    token, _ = await invitations.invite(ivanov, account=False)

    async def accept(inviter: Principal) -> bool:
        return await workplace.store.write(lambda tx: invitations.accept_contact(tx, token, inviter.id))

    assert not await accept(petrova)
    assert await accept(ivanov)
    assert not await accept(ivanov)
    with pytest.raises(NotFound):
        await invitations.register(token, "orlova", PASSWORD, nothing)
