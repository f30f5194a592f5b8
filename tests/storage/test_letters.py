# SPDX-License-Identifier: Apache-2.0
"""Letters that wait, as rows, on both engines: taken by one, and taken again when the lease is over."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import Store, letters
from armgs_server.storage.letters import Letter
from armgs_server.storage.tx import Tx

LETTER = Letter(7, "trip@digital.example", "Командировка", "текст", "<a@b.example>", "<c@d.example>")


async def test_a_letter_is_taken_out_once(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await letters.add(tx, LETTER, 100)
        assert await letters.claim(tx, 99, 50, 10) == []
        [taken] = await letters.claim(tx, 100, 50, 10)
        assert replace(taken, id=0) == LETTER and taken.id
        assert await letters.claim(tx, 149, 50, 10) == []
        assert await letters.claim(tx, 150, 50, 10) == [taken]
        assert await letters.finish(tx, taken)
        assert not await letters.finish(tx, taken)
        assert await letters.claim(tx, 10_000, 50, 10) == []

    await store.write(work)
