# SPDX-License-Identifier: Apache-2.0
"""The index while much changes at once, while it is read anew, and when reading fails or is given up."""

from __future__ import annotations

import asyncio

from armgs_server.directory import structure
from armgs_server.directory.candidates import Has, candidates
from armgs_server.directory.index import Index
from armgs_server.directory.index_block import BLOCK
from armgs_server.storage.tx import Tx
from tests.directory.conftest import Workplace
from tests.directory.test_index import found


async def test_a_search_goes_on_while_the_index_is_read_anew(workplace: Workplace) -> None:
    directory, index = workplace.directory, Index(workplace.directory)

    async def work(tx: Tx) -> list[int]:
        names = (f"Участок {number}" for number in range(2 * BLOCK))
        return [(await structure.create_unit(tx, workplace.digital.id, name, 0, "", {})).id for name in names]

    units = await directory.store.write(work)
    await index.refresh()
    parts = candidates(index, Has("участок"), -1)
    seen = [line.id for _, line in next(parts)]
    index._on_gap()
    reading = asyncio.create_task(index.refresh())
    await asyncio.sleep(0)
    seen += [line.id for part in parts for _, line in part]
    assert seen == units
    await reading
    assert await found(index, Has("участок")) == units
    index.close()


class _Counted(Index):
    loads = 0

    async def _load(self) -> None:
        self.loads += 1
        await super()._load()


async def test_a_gap_while_it_is_read_is_not_forgotten(workplace: Workplace) -> None:
    index = _Counted(workplace.directory)
    reading = asyncio.create_task(index.refresh())
    await asyncio.sleep(0)
    index._on_gap()
    await reading
    assert index.loads == 2
    index.close()
