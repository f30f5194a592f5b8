# SPDX-License-Identifier: Apache-2.0
"""The second factor over the directory, on both engines: codes, guesses, and the passwords of programs."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from armgs_server.directory import totp
from armgs_server.directory.second_factor import SecondFactor
from armgs_server.errors import Conflict, Denied, Throttled
from armgs_server.storage.tx import Tx
from tests.directory.conftest import PASSWORD, Workplace

PEER = "192.0.2.1"
STRANGER = "198.51.100.1"


def code_now(key: bytes) -> str:
    return totp.code_of(key, totp.step_at(int(time.time())))


async def turned_on(workplace: Workplace) -> tuple[SecondFactor, bytes, list[str]]:
    factor, ivanov = SecondFactor(workplace.directory), workplace.ivanov
    key = await factor.begin(ivanov)
    assert not await factor.is_on(ivanov)
    codes = await factor.confirm(ivanov, code_now(key), PEER, b"")
    assert codes is not None and await factor.is_on(ivanov)
    return factor, key, codes


async def test_its_life(workplace: Workplace) -> None:
    ivanov = workplace.ivanov
    factor, _, codes = await turned_on(workplace)
    assert len(set(codes)) == await factor.left(ivanov) == workplace.directory.config.oauth.recovery_codes
    assert all(re.fullmatch(r"(?:[a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in codes)
    assert await factor.pending(ivanov) is None
    with pytest.raises(Conflict):
        await factor.begin(ivanov)
    assert await factor.check(ivanov, codes[0], PEER)
    assert not await factor.check(ivanov, codes[0], PEER)
    assert await factor.left(ivanov) == len(codes) - 1
    assert not await factor.check(workplace.petrova, codes[1], PEER)
    renewed = await factor.renew(ivanov)
    assert not set(renewed) & set(codes) and await factor.left(ivanov) == len(renewed)
    await factor.remove(ivanov)
    assert not await factor.is_on(ivanov) and await factor.left(ivanov) == 0
    assert await factor.begin(ivanov)


async def test_an_unconfirmed_key_is_replaced_and_asks_nobody(workplace: Workplace) -> None:
    factor, ivanov = SecondFactor(workplace.directory), workplace.ivanov
    first = await factor.begin(ivanov)
    second = await factor.begin(ivanov)
    assert await factor.pending(ivanov) == second != first
    assert await factor.confirm(ivanov, code_now(first), PEER, b"") is None
    assert not await factor.check(ivanov, code_now(second), PEER)  # it is no factor yet
    auth = workplace.directory.auth
    assert (await auth.login("imap", PEER, True, ivanov.address, PASSWORD)).id == ivanov.id
    assert await factor.confirm(workplace.petrova, "123456", PEER, b"") is None


async def test_the_password_is_none_for_programs(workplace: Workplace) -> None:
    ivanov, auth = workplace.ivanov, workplace.directory.auth
    await auth.login("imap", PEER, True, ivanov.address, PASSWORD)
    factor, _, _ = await turned_on(workplace)
    for service in ("imap", "smtp", "dav", "ldap", "http"):
        with pytest.raises(Denied):
            await auth.login(service, PEER, True, ivanov.address, PASSWORD)
    auth.attempts.succeeded(str(ivanov.id), PEER)
    assert (await auth.login("web", PEER, True, ivanov.address, PASSWORD)).id == ivanov.id
    with pytest.raises(Denied):  # what was right on the pages is not remembered for programs
        await auth.login("imap", PEER, True, ivanov.address, PASSWORD)
    app = await workplace.directory.add_app_password(ivanov.id, "Phone")
    assert (await auth.login("imap", PEER, True, ivanov.address, app)).id == ivanov.id
    await factor.remove(ivanov)
    assert (await auth.login("imap", PEER, True, ivanov.address, PASSWORD)).id == ivanov.id


async def test_a_code_is_good_once_whoever_comes_at_the_same_time(workplace: Workplace) -> None:
    """RFC 6238 §5.2."""
    ivanov = workplace.ivanov
    factor, key, _ = await turned_on(workplace)

    async def forget(tx: Tx) -> None:
        await tx.execute("UPDATE second_factor SET last_step = 0 WHERE kind = 'totp'")

    for _ in range(5):
        await workplace.store.write(forget)
        workplace.directory.auth.attempts.succeeded(f"code:{ivanov.id}", PEER)
        code = code_now(key)
        uses = (factor.check(ivanov, code, PEER) for _ in range(3))
        answers = await asyncio.gather(*uses, return_exceptions=True)
        assert [each for each in answers if each is True] == [True]


async def test_guesses_are_counted_for_each_person(workplace: Workplace) -> None:
    ivanov = workplace.ivanov
    factor, key, codes = await turned_on(workplace)

    async def forget(tx: Tx) -> None:
        await tx.execute("UPDATE second_factor SET last_step = 0 WHERE kind = 'totp'")

    await workplace.store.write(forget)
    with pytest.raises(Throttled):
        for number in range(10):
            assert not await factor.check(ivanov, f"x{number}", STRANGER)
    with pytest.raises(Throttled):
        await factor.check(ivanov, code_now(key), STRANGER)
    # From where a code was right before, the owner is not kept out by strangers.
    assert await factor.check(ivanov, codes[0], PEER)


async def test_it_goes_with_the_person(workplace: Workplace) -> None:
    await turned_on(workplace)
    await workplace.directory.delete(workplace.ivanov.id)
    sql = "SELECT COUNT(*) FROM second_factor"
    assert await workplace.store.read(lambda tx: tx.value(sql)) == 0
