# SPDX-License-Identifier: Apache-2.0
"""An office for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rules.sieve.running import Office


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await Office.open(tmp_path)
    yield office
    await office.close()
