# SPDX-License-Identifier: Apache-2.0
"""Requests by form, as rows, on both engines."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import Store, clock, requests
from armgs_server.storage.requests import Decision, Request
from armgs_server.storage.tx import Tx


async def test_rows(store: Store) -> None:
    id_ = clock.unique_id()
    made = Request(1, id_, "trip", "waiting", 0, 8, 10, 10, {"place": "Казань"}, (8, 9))

    async def work(tx: Tx) -> None:
        await requests.put(tx, made)
        assert await requests.get(tx, 1, id_) == made
        assert await requests.get(tx, 2, id_) is None
        assert await requests.of(tx, 1, 5) == [made]
        assert await requests.count_waiting(tx, 1) == 1
        assert await requests.waiting_for(tx, [7, 8], 5) == [made]
        assert await requests.waiting_for(tx, [9, 0], 5) == []
        decided = replace(
            made,
            state="granted",
            step=1,
            waits_for=0,
            changed=11,
            decisions=(Decision(8, 11, True, "ok"),),
            file="a/b.txt",
        )
        await requests.put(tx, decided)
        assert await requests.get(tx, 1, id_) == decided
        assert await requests.count_waiting(tx, 1) == 0
        assert await requests.waiting_for(tx, [8, 0], 5) == []

    await store.write(work)
