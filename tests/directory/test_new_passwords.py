# SPDX-License-Identifier: Apache-2.0
"""Which new passwords are refused, by which rule, on both engines."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from armgs_server.config import Config
from armgs_server.directory import Directory
from armgs_server.directory.new_passwords import PasswordRefused, is_own
from armgs_server.directory.people import Change
from armgs_server.errors import Denied
from armgs_server.storage import Store
from tests.directory.conftest import PASSWORD, SECURITY, Workplace

IVANOV = "ivanov@digital.example"


async def set_policy(workplace: Workplace, **said: object) -> None:
    await workplace.directory.update(workplace.digital.id, Change(data={"policy": said}))


async def refused(workplace: Workplace, password: str) -> str:
    """The rule, "" where the password was set."""
    try:
        await workplace.directory.set_password(workplace.ivanov.id, password)
    except PasswordRefused as error:
        return error.rule
    return ""


async def test_the_rules(workplace: Workplace) -> None:
    assert await refused(workplace, "sh0rt!!") == "short"
    assert await refused(workplace, "x" * 1025) == "long"
    assert await refused(workplace, IVANOV) == "own"
    assert await refused(workplace, "Ivanov12") == "own"
    assert await refused(workplace, "long enough") == ""
    await set_policy(workplace, password_length=12)
    assert await refused(workplace, "long enough") == "short"
    finance = await workplace.directory.create_person("new@finance.example", password="long enough")
    assert finance.id
    with pytest.raises(PasswordRefused, match="at least 12"):
        await workplace.directory.create_person("new@digital.example", password="long enough")
    # The same whichever domain of the department the address has.
    with pytest.raises(PasswordRefused):
        await workplace.directory.create_person("new@цифра.example", password="long enough")
    taken = await workplace.directory.create_person("new@digital.example", password="x", is_taken_over=True)
    assert await workplace.directory.auth.login("imap", "192.0.2.1", True, taken.address, "x")


async def test_none_is_taken_twice(workplace: Workplace) -> None:
    await set_policy(workplace, password_history=3)
    for number in range(4):
        assert await refused(workplace, f"password number {number}") == ""
    # Three are remembered: the one in use and two before it.
    assert [await refused(workplace, f"password number {number}") for number in (3, 2, 1)] == ["former"] * 3
    rows = await workplace.store.read(
        lambda tx: tx.rows("SELECT kind FROM credential WHERE principal = ?", workplace.ivanov.id)
    )
    assert sorted(kind for (kind,) in rows) == ["argon2", "former", "former", "scram-sha-1", "scram-sha-256"]
    auth = workplace.directory.auth
    assert await auth.login("imap", "192.0.2.1", True, IVANOV, "password number 3")
    with pytest.raises(Denied):
        await auth.login("imap", "192.0.2.1", True, IVANOV, "password number 2")
    assert await refused(workplace, "password number 0") == ""
    # Nothing is kept where nothing is asked.
    await set_policy(workplace, password_history=0)
    assert await refused(workplace, "password number 9") == ""
    rows = await workplace.store.read(
        lambda tx: tx.rows("SELECT kind FROM credential WHERE principal = ?", workplace.ivanov.id)
    )
    assert "former" not in {kind for (kind,) in rows}


async def test_what_others_know(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "known.txt"
    security = replace(SECURITY, breached_passwords=str(file))
    directory = await Directory.open(store, Config(directory=tmp_path, security=security))
    try:
        await directory.create_department("Digital", ["digital.example"])
        person = await directory.create_person(IVANOV, password=PASSWORD)  # the list is not there
        file.write_text(hashlib.sha1(b"correct horse").hexdigest().upper() + ":5\n")
        with pytest.raises(PasswordRefused) as error:
            await directory.set_password(person.id, "correct horse")
        assert error.value.rule == "breached"
        await directory.set_password(person.id, "correct horse battery")
    finally:
        await directory.close()


@pytest.mark.parametrize(
    ("password", "is_refused"),
    [
        ("ivanov", True),
        ("IVANOV@digital.example", True),
        ("digital.example", True),
        ("ivanov123", True),
        ("пётр2026", True),
        ("ivanov has a long sentence", False),
        ("correct horse", False),
        ("test-password", False),
    ],
)
def test_what_repeats_the_name(password: str, is_refused: bool) -> None:
    assert is_own(password, IVANOV, "Иванов Пётр") is is_refused
