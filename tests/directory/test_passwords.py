# SPDX-License-Identifier: Apache-2.0
"""Hashes of passwords, and app passwords."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from armgs_server.directory.passwords import Passwords, load_secret
from armgs_server.directory.scram import parse_keys
from armgs_server.errors import Invalid, Temporary
from armgs_server.storage import Store
from tests.directory.conftest import SECURITY


def nothing() -> None:
    return None


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(SECURITY)
    made.open(b"k" * 32)
    yield made
    made.close()


async def test_what_is_kept_of_a_password(passwords: Passwords) -> None:
    argon2, sha_1, sha_256 = await passwords.credentials("correct horse")
    assert (argon2.kind, sha_1.kind, sha_256.kind) == ("argon2", "scram-sha-1", "scram-sha-256")
    assert argon2.value.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert (parse_keys(sha_1.value).iterations, len(parse_keys(sha_256.value).stored_key)) == (4096, 32)
    assert await passwords.is_password("correct horse", argon2.value, nothing)
    assert not await passwords.is_password("correct horsf", argon2.value, nothing)
    assert not passwords.is_outdated(argon2.value)


async def test_passwords_that_look_alike_are_the_same(passwords: Passwords) -> None:
    argon2, *_ = await passwords.credentials("\u2168 пароль\u00ad")
    assert await passwords.is_password("IX пароль", argon2.value, nothing)


@pytest.mark.parametrize("password", ["", "x" * 1025, "bell\x07bell", "\u00ad" * 8])
async def test_passwords_that_may_not_be_set(passwords: Passwords, password: str) -> None:
    with pytest.raises(Invalid):
        await passwords.credentials(password)


async def test_nobody_has_no_password(passwords: Passwords) -> None:
    assert not await passwords.is_password("anything", None, nothing)
    assert not await passwords.is_password("bell\x07", None, nothing)
    assert not await passwords.is_password("x" * 2000, None, nothing)


async def test_a_hash_of_other_settings_is_outdated(passwords: Passwords) -> None:
    argon2, *_ = await passwords.credentials("correct horse")
    stronger = Passwords(replace(SECURITY, argon2_passes=2))
    assert stronger.is_outdated(argon2.value)
    stronger.close()


async def test_more_than_the_bound_do_not_wait() -> None:
    narrow = Passwords(replace(SECURITY, hashes_at_once=1, hashes_waiting=1))
    first = asyncio.ensure_future(narrow.credentials("correct horse"))
    await asyncio.sleep(0)
    with pytest.raises(Temporary):
        await narrow.credentials("battery staple")
    assert len(await first) == 3
    narrow.close()


def test_an_app_password_is_26_characters_in_groups(passwords: Passwords) -> None:
    shown, credential = passwords.new_app_password(7, "phone")
    assert len(shown.replace("-", "")) == 26
    assert (credential.kind, credential.name) == ("app", "phone")
    for typed in (shown, shown.replace("-", ""), shown.replace("-", " ").upper()):
        assert passwords.app_hash(7, typed) == credential.value
    assert passwords.app_hash(8, shown) != credential.value
    assert passwords.app_hash(7, "no app password") is None


@pytest.mark.parametrize("name", ["", "x" * 201, "two\nlines"])
def test_a_device_needs_a_name(passwords: Passwords, name: str) -> None:
    with pytest.raises(Invalid):
        passwords.new_app_password(7, name)


def test_made_up_keys_are_the_same_each_time_and_other_for_each_name(passwords: Passwords) -> None:
    one, again, other = (passwords.fake_keys(name, 20) for name in ("a", "a", "b"))
    assert one.salt == again.salt != other.salt
    assert (len(one.salt), one.iterations, len(one.stored_key)) == (16, 4096, 20)


async def test_the_stores_secret_stays(store: Store) -> None:
    secret = await store.write(lambda tx: load_secret(tx, "login_secret"))
    assert len(secret) == 32
    assert await store.write(lambda tx: load_secret(tx, "login_secret")) == secret
