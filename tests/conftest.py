# SPDX-License-Identifier: Apache-2.0
"""Fixtures for every test: `store`, the real store on each of its engines, and how work is shared out.

`make test` runs two workers. A file's tests stay in one worker, in their order; those against real clients,
and the faults, come first, because they take longest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import postgres
from tests.debian import debian as debian

settings.register_profile("armgs", deadline=None)  # two cores, shared: a slow example proves nothing
settings.load_profile("armgs")

LONGEST = {Path(__file__).parent / name for name in ("faults", "peers")}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.isdisjoint(item.path.parents))


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """A reload or a daemon in this process sets the log up; the next test finds it as this one did."""
    kept = [
        (logger, logger.level, list(logger.handlers), logger.propagate)
        for logger in (logging.getLogger("armgs_server"), logging.getLogger("asyncio"))
    ]
    yield
    for logger, level, handlers, propagate in kept:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    with postgres.running() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql: postgres.Server) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of the test's own."""
    url = postgresql.create_database()
    yield url
    postgresql.drop_database(url)


@pytest.fixture(scope="session")
def prepared_url(postgresql: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the schema and nothing in it, to be copied (it is faster)."""
    from armgs_server.storage import Store

    url = postgresql.create_database()

    async def prepare() -> None:
        store = await Store.open(url, tmp_path_factory.mktemp("prepared"))
        await store.close()

    asyncio.run(prepare())
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """`[store] url` for an empty store: whoever asks for it runs once on each engine."""
    if request.param == "sqlite":
        yield "sqlite"
        return
    server: postgres.Server = request.getfixturevalue("postgresql")
    url = server.create_database(request.getfixturevalue("prepared_url"))
    yield url
    server.drop_database(url)


@pytest.fixture
async def store(store_url: str, tmp_path: Path) -> AsyncIterator[Any]:
    from armgs_server.storage import Store

    store = await Store.open(store_url, tmp_path / "store")
    yield store
    await store.close()
