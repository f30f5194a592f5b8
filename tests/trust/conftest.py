# SPDX-License-Identifier: Apache-2.0
"""A DNS of the test's own, and the look-ups that ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from armgs_server.config import Config, SmtpSettings
from armgs_server.trust.lookups import Lookups
from tests.name_server import Records, name_server

MakeLookups = Callable[[Records], Awaitable[Lookups]]


@pytest.fixture
async def make_lookups(tmp_path: Path) -> AsyncIterator[MakeLookups]:
    """Look-ups in a DNS that has these records."""
    async with AsyncExitStack() as stack:

        async def make(records: Records) -> Lookups:
            address = await stack.enter_async_context(name_server(records))
            return Lookups(Config(tmp_path, smtp=SmtpSettings(dns_servers=(address,), dns_timeout=10.0)))

        yield make
