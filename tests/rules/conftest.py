# SPDX-License-Identifier: Apache-2.0
"""One running world for all tests of a file: each begins with empty mailboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    # Nobody else's server is asked: what is sent elsewhere waits in the queue.
    routes = ["*=127.0.0.1:1"]
    async with World(tmp_path, settings={"smtp": {"relay_routes": routes}}) as world:
        yield world
