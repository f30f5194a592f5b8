# SPDX-License-Identifier: Apache-2.0
"""`ministry`: one world for a module, with a few units, groups and rooms; its tests change nothing.

The department of finance shows nothing of itself to that of digital, and neither the other way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.world import IVANOV, PASSWORD, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ministry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with World(tmp_path_factory.mktemp("ministry")) as world:
        await populate(world)
        yield world


async def populate(world: World) -> None:
    directory = world.directory
    digital = directory.domains["digital.example"]
    books = await directory.create_unit(digital, "Бухгалтерия")
    payroll = await directory.create_unit(digital, "Расчётный отдел", parent=books.id)
    chief = await directory.create_person(
        "kuznetsov@digital.example",
        "Кузнецов Пётр Ильич",
        unit=books.id,
        post="Главный бухгалтер",
        head=True,
        data={"family": "Кузнецов", "given": "Пётр", "telephone": "+7 495 123-45-67"},
    )
    clerk = await directory.create_person(
        "smirnova@digital.example",
        "Смирнова Алёна",
        unit=payroll.id,
        post="Бухгалтер",
        data={"family": "Смирнова", "given": "Алёна", "mobile": "8 (916) 000-11-22"},
        password=PASSWORD,
    )
    gone = await directory.create_person("gone@digital.example", "Ушедший Глеб", password=PASSWORD)
    ivanov = await directory.by_address(IVANOV)
    assert ivanov is not None
    inner = await directory.create_group("payroll@digital.example", "Расчётчики", [clerk.id, gone.id])
    await directory.create_group("books@digital.example", "Бухгалтеры", [chief.id, inner.id])
    await directory.create_group("empty@digital.example", "Никого")
    await directory.create_room("hall@digital.example", "Большой зал", 40)
    await directory.create_equipment("car@digital.example", "Служебная машина")
    await directory.add_alias(chief, "chief@digital.example")
    await directory.disable(gone.id)
