# SPDX-License-Identifier: Apache-2.0
"""Everything that may fail, in the middle of fifty clients: nothing acknowledged is lost, nothing doubled.

Two hosts over PostgreSQL, NATS and S3 (tests.faults.site), one fault after another. `FAULT_CLIENTS` and
`FAULT_PACE` in the environment change the load (tests.faults.load).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.faults import site as sites
from tests.faults.load import Load
from tests.faults.site import Site
from tests.world import free_offset

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]
# Within so many seconds of the fault's end every client has had something acknowledged: a room waits for
# the lease of a process that died (15 s).
BACK = 25.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sites.running(tmp_path_factory.mktemp("faults"), free_offset()) as found:
        yield found


@pytest.fixture
async def load(site: Site) -> AsyncIterator[Load]:
    """The load, running; what it wrote is counted at the end of the test."""
    load = Load(site)
    await load.start()
    yield load
    back = await load.all_answered(BACK)
    await load.stop()
    print(f"back after {back:.1f} s; {load.summary()}")
    await load.check()


async def test_a_worker_is_killed(site: Site, load: Load) -> None:
    os.kill(site.hosts[0].workers()[0], signal.SIGKILL)
    await asyncio.sleep(1)
