# SPDX-License-Identifier: Apache-2.0
"""`office`: the IMAP service over SQLite. `offices` makes one with settings, over any store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from armgs_server.storage import Store
from tests.imap.client import Office

Offices = Callable[..., Awaitable[Office]]


@pytest.fixture
async def offices(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Offices]:
    if "store_url" in request.fixturenames:  # a database must outlive the services that write to it
        request.getfixturevalue("store_url")
    made: list[Office] = []
    stores: list[Store] = []

    async def make(url: str = "sqlite", **settings: Any) -> Office:
        path = tmp_path / f"store{len(stores)}"
        store = await Store.open(url, path)
        stores.append(store)
        office = Office(store, path, settings)
        await office.start()
        made.append(office)
        return office

    yield make
    for office in made:
        await office.stop()
    for store in stores:
        await store.close()


@pytest.fixture
async def office(offices: Offices) -> Office:
    return await offices()
