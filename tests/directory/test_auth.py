# SPDX-License-Identifier: Apache-2.0
"""Log-in by name and password: what is asked, remembered, forgotten, logged."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from armgs_server.config import Config
from armgs_server.directory import Auth, Directory
from armgs_server.directory.model import Disabled
from armgs_server.directory.people import Change
from armgs_server.errors import Denied, Throttled
from tests.directory.conftest import PASSWORD, SECURITY, Workplace

NAME = "ivanov@digital.example"
PEER = "192.0.2.1"


@pytest.fixture
def store_url() -> str:
    """One engine is enough: the SQL behind this is tried elsewhere."""
    return "sqlite"


async def login(auth: Auth, name: str = NAME, password: str = PASSWORD, peer: str = PEER) -> str:
    return (await auth.login("imap", peer, True, name, password)).address


async def test_the_name_is_any_address_of_the_person(workplace: Workplace) -> None:
    auth = workplace.directory.auth
    await workplace.directory.add_alias(workplace.ivanov, "boss@digital.example")
    for name in (NAME, "IVANOV@Digital.Example", "boss@digital.example"):
        assert await login(auth, name) == NAME


@pytest.mark.parametrize(
    "name",
    [
        "petrova@digital.example",
        "nobody@digital.example",
        "ivanov+x@digital.example",
        "web@digital.example",
        "digital.example",
        "ivanov\udcff@digital.example",
        "",
        "a@b@c",
    ],
)
async def test_nobody_else_gets_in(workplace: Workplace, name: str) -> None:
    with pytest.raises(Denied, match="the name or the password is wrong"):
        await login(workplace.directory.auth, name)


async def test_an_account_of_named_hosts_logs_in_from_there_only(workplace: Workplace) -> None:
    """Also by SCRAM, and when the password was found right a moment ago."""
    directory = workplace.directory
    await directory.update(workplace.ivanov.id, Change(data={"hosts": ["127.0.0.1"]}))
    assert await login(directory.auth, peer="127.0.0.1") == NAME
    for _ in range(2):
        with pytest.raises(Denied, match="the name or the password is wrong"):
            await login(directory.auth)
    assert await login(directory.auth, peer="127.0.0.1") == NAME
    person = await directory.by_address(NAME)
    assert person is not None
    with pytest.raises(Denied):
        directory.auth.admit("xmpp", "SCRAM-SHA-256", PEER, True, person)


async def test_without_tls_it_takes_the_setting(workplace: Workplace, tmp_path: Path) -> None:
    with pytest.raises(Denied, match="TLS"):
        await workplace.directory.auth.login("imap", PEER, False, NAME, PASSWORD)
    config = Config(directory=tmp_path, security=replace(SECURITY, allow_plaintext=True))
    open_one = await Directory.open(workplace.store, config)
    assert (await open_one.auth.login("imap", PEER, False, NAME, PASSWORD)).address == NAME
    passwords = ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN")
    assert tuple(name for name in open_one.auth.mechanisms(False) if "OAUTH" not in name) == passwords
    await open_one.close()


async def test_a_right_password_is_hashed_once(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    auth, checked = workplace.directory.auth, list[str]()
    is_password = auth.passwords.is_password

    async def counted(password, hashed, still):  # type: ignore[no-untyped-def]
        def turn() -> None:
            still()
            checked.append(password)

        return await is_password(password, hashed, turn)

    monkeypatch.setattr(auth.passwords, "is_password", counted)
    await asyncio.gather(*(login(auth) for _ in range(20)))
    assert 1 <= len(checked) <= SECURITY.hashes_at_once
    await login(auth)
    assert len(checked) <= SECURITY.hashes_at_once


async def test_who_is_disabled_is_forgotten_at_once(workplace: Workplace) -> None:
    auth = workplace.directory.auth
    await login(auth)
    await workplace.directory.disable(workplace.ivanov.id)
    with pytest.raises(Disabled):
        await login(auth)
    with pytest.raises(Denied, match="wrong"):
        await login(auth, password="wrong")
    await workplace.directory.enable(workplace.ivanov.id)
    assert await login(auth) == NAME


async def test_nothing_is_remembered_where_that_is_switched_off(workplace: Workplace, tmp_path: Path) -> None:
    config = Config(directory=tmp_path, security=replace(SECURITY, verified_passwords=0))
    forgetful = await Directory.open(workplace.store, config)
    assert await login(forgetful.auth) == NAME
    await workplace.store.write(
        lambda tx: tx.execute("DELETE FROM credential WHERE principal = ?", workplace.ivanov.id)
    )
    with pytest.raises(Denied):
        await login(forgetful.auth)
    await forgetful.close()


async def test_guessing_is_throttled_and_the_right_password_with_it(workplace: Workplace) -> None:
    auth = workplace.directory.auth
    await login(auth, peer="203.0.113.1")
    for number in range(3):
        with pytest.raises(Denied):
            await login(auth, password=f"wrong {number}")
    with pytest.raises(Throttled):
        await login(auth)
    assert await login(auth, peer="203.0.113.2") == NAME  # a network from which ivanov came before


async def test_the_same_wrong_password_is_no_new_guess(workplace: Workplace) -> None:
    auth = workplace.directory.auth
    for _ in range(20):
        with pytest.raises(Denied, match="wrong"):
            await login(auth, password="the old password")
    assert await login(auth) == NAME
    await workplace.directory.set_password(workplace.ivanov.id, "the old password")
    assert await login(auth, password="the old password") == NAME


async def test_a_password_is_hashed_anew_under_new_settings(workplace: Workplace, tmp_path: Path) -> None:
    async def argon2() -> str:
        value = await workplace.store.read(
            lambda tx: tx.value(
                "SELECT value FROM credential WHERE principal = ? AND kind = 'argon2'", workplace.ivanov.id
            )
        )
        return str(value)

    assert "t=1" in await argon2()
    config = Config(directory=tmp_path, security=replace(SECURITY, argon2_passes=2))
    stronger = await Directory.open(workplace.store, config)
    assert await login(stronger.auth) == NAME
    assert "t=2" in await argon2()
    assert await login(workplace.directory.auth) == NAME
    await stronger.close()


async def test_the_log_names_the_account_and_no_secret(workplace: Workplace) -> None:
    auth, records = workplace.directory.auth, list[logging.LogRecord]()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, collector = logging.getLogger("armgs_server.login"), Collector()
    logger.addHandler(collector)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        await login(auth)
        with pytest.raises(Denied):
            await login(auth, password="wrong-secret")
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
    fields = [(record.getMessage(), record.fields) for record in records]  # type: ignore[attr-defined]
    common = {"service": "imap", "mechanism": "password", "peer": PEER, "account": NAME}
    assert fields == [("log-in", {**common, "tls": 1}), ("log-in refused", common)]
