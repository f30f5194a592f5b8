# SPDX-License-Identifier: Apache-2.0
"""Policies: what a department says, what it inherits, and what log-in makes of it, on both engines."""

from __future__ import annotations

import pytest

from armgs_server.directory import duties, policy
from armgs_server.directory.administrators import set_administrators
from armgs_server.directory.exchange import Failure, Success
from armgs_server.directory.model import Expired
from armgs_server.directory.people import Change
from armgs_server.directory.policy import Policy
from armgs_server.errors import Denied
from armgs_server.storage import accounts, clock
from tests.directory.conftest import PASSWORD, Workplace
from tests.directory.test_exchange import Client, begin

IVANOV = "ivanov@digital.example"
BASE = Policy(0, 8, 0, 0, "nobody", False)


async def set_policy(workplace: Workplace, **said: object) -> None:
    await workplace.directory.update(workplace.digital.id, Change(data={"policy": said or None}))


async def login(workplace: Workplace, password: str, service: str = "imap") -> int:
    return (await workplace.directory.auth.login(service, "192.0.2.1", True, IVANOV, password)).id


async def scram_login(workplace: Workplace, name: str, password: str) -> Success | Failure:
    return await Client(name, password).run(begin(workplace), "SCRAM-SHA-256")


async def grow_old(workplace: Workplace, days: int) -> None:
    moment = clock.now() - days * clock.DAY
    await workplace.store.write(lambda tx: tx.execute("UPDATE credential SET created = ?", moment))


async def test_a_department_says_what_it_says_and_inherits_the_rest(workplace: Workplace) -> None:
    config = workplace.directory.config
    assert policy.of(config, workplace.digital) == policy.inherited(config)
    await set_policy(workplace, password_length=14, second_factor="everybody", nonsense=1)
    found = await policy.of_person(workplace.directory, workplace.ivanov)
    assert (found.password_length, found.second_factor) == (14, "everybody")
    assert found.person_quota == config.limits.quota
    assert await policy.of_person(workplace.directory, workplace.sidorov) == policy.inherited(config)


@pytest.mark.parametrize(
    ("changed", "than", "field"),
    [
        ({}, {}, ""),
        ({"password_length": 9}, {}, ""),
        ({"password_length": 7}, {}, "password_length"),
        ({"password_history": 1}, {"password_history": 2}, "password_history"),
        ({"password_days": 30}, {"password_days": 90}, ""),
        ({"password_days": 91}, {"password_days": 90}, "password_days"),
        ({"password_days": 0}, {"password_days": 90}, "password_days"),
        ({"second_factor": "administrators"}, {"second_factor": "everybody"}, "second_factor"),
        ({"second_factor": "everybody"}, {"second_factor": "administrators"}, ""),
        ({"app_passwords": False}, {"app_passwords": True}, "app_passwords"),
        ({"app_passwords": True}, {}, ""),
    ],
)
def test_what_is_laxer(changed: dict[str, object], than: dict[str, object], field: str) -> None:
    base = {name: getattr(BASE, name) for name in policy.FIELDS}
    assert policy.is_laxer(Policy(**{**base, **changed}), Policy(**{**base, **than})) == field  # type: ignore[arg-type]


async def test_an_old_password_opens_the_pages_alone(workplace: Workplace) -> None:
    await workplace.directory.set_password(workplace.ivanov.id, PASSWORD)
    app = await workplace.directory.add_app_password(workplace.ivanov.id, "phone")
    await grow_old(workplace, 31)
    assert await login(workplace, PASSWORD)
    await set_policy(workplace, password_days=30)
    assert await duties.is_expired(workplace.directory, workplace.ivanov)
    for _ in range(2):  # one that was found right a moment ago, too
        with pytest.raises(Expired):
            await login(workplace, PASSWORD)
    with pytest.raises(Denied) as wrong:
        await login(workplace, "another-password")
    assert not isinstance(wrong.value, Expired)  # who does not know it learns nothing
    assert await login(workplace, PASSWORD, "web") and await login(workplace, app)
    answer = await scram_login(workplace, IVANOV, PASSWORD)
    assert isinstance(answer, Failure) and answer.condition == "credentials-expired"
    await workplace.directory.set_password(workplace.ivanov.id, "a newer password")
    assert await login(workplace, "a newer password")
    assert isinstance(await scram_login(workplace, IVANOV, "a newer password"), Success)


async def test_app_passwords_alone(workplace: Workplace) -> None:
    await workplace.directory.set_password(workplace.ivanov.id, PASSWORD)
    app = await workplace.directory.add_app_password(workplace.ivanov.id, "phone")
    await set_policy(workplace, app_passwords=True)
    for service in ("imap", "dav", "ldap", "api"):
        with pytest.raises(Denied):
            await login(workplace, PASSWORD, service)
    assert isinstance(await scram_login(workplace, IVANOV, PASSWORD), Failure)
    assert await login(workplace, PASSWORD, "web") and await login(workplace, app)
    await set_policy(workplace)
    assert isinstance(await scram_login(workplace, IVANOV, PASSWORD), Success)


async def test_who_must_have_a_second_factor(workplace: Workplace) -> None:
    directory = workplace.directory

    async def needed() -> tuple[bool, bool]:
        return (
            await duties.needs_second_factor(directory, workplace.ivanov),
            await duties.needs_second_factor(directory, workplace.petrova),
        )

    assert await needed() == (False, False)
    await set_administrators(directory, workplace.digital, [workplace.petrova.id])
    await set_policy(workplace, second_factor="administrators")
    assert await needed() == (False, True)
    await set_policy(workplace, second_factor="everybody")
    assert await needed() == (True, True)
    assert not await duties.needs_second_factor(directory, workplace.sidorov)


async def test_a_newcomer_has_the_quota_of_the_department(workplace: Workplace) -> None:
    await set_policy(workplace, person_quota=77)
    here = await workplace.directory.create_person("new@digital.example")
    there = await workplace.directory.create_person("new@finance.example")
    found = [
        (await workplace.store.read(lambda tx, id_=each.id: accounts.usage(tx, id_))).quota  # type: ignore[misc]
        for each in (here, there)
    ]
    assert found == [77, workplace.directory.config.limits.quota]
