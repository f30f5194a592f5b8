# SPDX-License-Identifier: Apache-2.0
"""A directory on each engine, with hashes that cost little, and two departments of people in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from armgs_server.config import Config, SecuritySettings
from armgs_server.directory import Directory, Principal
from armgs_server.storage import Store

PASSWORD = "test-password"
SECURITY = SecuritySettings(argon2_memory=64 * 1024, argon2_passes=1, scram_iterations=4096, login_failures=3)


@dataclass(frozen=True)
class Workplace:
    """digital: a head, the unit `web` with ivanov (its head) and petrova, below it `tests` with orlov."""

    directory: Directory
    digital: Principal
    finance: Principal
    web: Principal
    tests: Principal
    head: Principal
    ivanov: Principal
    petrova: Principal
    orlov: Principal
    sidorov: Principal

    @property
    def store(self) -> Store:
        return self.directory.store


@pytest.fixture
async def directory(store: Store, tmp_path: Path) -> AsyncIterator[Directory]:
    opened = await Directory.open(store, Config(directory=tmp_path, security=SECURITY))
    yield opened
    await opened.close()


@pytest.fixture
async def workplace(directory: Directory) -> Workplace:
    digital = await directory.create_department("Digital", ["digital.example", "цифра.example"])
    finance = await directory.create_department("Finance", ["finance.example"])
    web = await directory.create_unit(digital.id, "Web", address="web@digital.example")
    tests = await directory.create_unit(digital.id, "Tests", parent=web.id)
    return Workplace(
        directory,
        digital,
        finance,
        web,
        tests,
        head=await directory.create_person("head@digital.example", "Head", post="Director", head=True),
        ivanov=await directory.create_person(
            "ivanov@digital.example", "Иванов Иван", unit=web.id, post="Lead", head=True, password=PASSWORD
        ),
        petrova=await directory.create_person(
            "petrova@digital.example", "Петрова", unit=web.id, data={"telephone": "+7 495 1"}
        ),
        orlov=await directory.create_person("orlov@digital.example", "Orlov", unit=tests.id),
        sidorov=await directory.create_person("sidorov@finance.example", "Sidorov"),
    )
