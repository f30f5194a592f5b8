# SPDX-License-Identifier: Apache-2.0
"""A world for SMTP: a running daemon; or, where a test turns the clock, store and directory alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from armgs_server.config import Config, ServerSettings, SmtpSettings
from armgs_server.directory import Directory
from armgs_server.service import Core
from armgs_server.storage import Store
from tests.world import IVANOV, PETROVA, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        yield world


MakeCore = Callable[..., Awaitable[Core]]


@pytest.fixture
async def make_core(tmp_path: Path) -> AsyncIterator[MakeCore]:
    """A core without any service, its `[smtp]` settings as given; ivanov and petrova are there."""
    opened: list[Core] = []

    async def make(**smtp: Any) -> Core:
        config = Config(
            directory=tmp_path,
            server=ServerSettings(domains=("digital.example",), hostname="mx.digital.example"),
            smtp=SmtpSettings(**{"relay_idle": 0.0} | smtp),
        )
        store = await Store.open("sqlite", tmp_path / "data")
        directory = await Directory.open(store, config)
        await directory.create_department("Digital", ["digital.example"])
        for address in (IVANOV, PETROVA):
            await directory.create_person(address)
        opened.append(Core(config, store, directory, None))
        return opened[-1]

    yield make
    for core in opened:
        await core.directory.close()
        await core.store.close()
