# SPDX-License-Identifier: Apache-2.0
"""A server of its own for each test, on both loops: uvloop, which the daemon uses, and asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from armgs_server.net.certificates import make_certificates
from tests.net.harness import Harness


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    make_certificates(directory, "localhost", ["digital.example"])
    return directory


@pytest.fixture
async def harness(certificates: Path) -> AsyncIterator[Harness]:
    harness = Harness(certificates)
    yield harness
    await harness.stop()
