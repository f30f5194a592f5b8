# SPDX-License-Identifier: Apache-2.0
"""Many time-outs on one timer."""

from __future__ import annotations

import asyncio

from armgs_server.net.deadlines import NEVER, RESOLUTION, Deadlines


class Waiting:
    def __init__(self) -> None:
        self.deadline = NEVER
        self.slot = 0
        self.passed: list[float] = []

    def deadline_passed(self) -> None:
        self.passed.append(asyncio.get_running_loop().time())


async def test_deadlines_pass_in_time_and_moved_ones_later() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    now = loop.time()
    early, moved, nearer, ended, gone = (Waiting() for _ in range(5))
    deadlines.watch(early, now + 0.1)
    deadlines.watch(moved, now + 0.1)
    deadlines.watch(moved, now + 0.3)
    deadlines.watch(nearer, now + 60)
    deadlines.watch(nearer, now + 0.2)
    deadlines.watch(ended, now + 0.1)
    ended.deadline = NEVER
    deadlines.watch(gone, now + 0.1)
    deadlines.forget(gone)
    await asyncio.sleep(0.3 + 4 * RESOLUTION)
    deadlines.close()
    assert [len(each.passed) for each in (early, moved, nearer, ended, gone)] == [1, 1, 1, 0, 0]
    for each, after in ((early, 0.1), (moved, 0.3), (nearer, 0.2)):
        assert each.passed[0] >= now + after


async def test_watched_again_from_its_own_deadline() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)

    class Again(Waiting):
        def deadline_passed(self) -> None:
            super().deadline_passed()
            if len(self.passed) < 3:
                deadlines.watch(self, loop.time() + 0.01)

    again = Again()
    deadlines.watch(again, loop.time())
    async with asyncio.timeout(5):
        while len(again.passed) < 3:
            await asyncio.sleep(0.01)
    deadlines.close()
    assert again.deadline == NEVER
