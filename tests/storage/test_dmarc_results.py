# SPDX-License-Identifier: Apache-2.0
"""Counts of what came under other domains, by day."""

from __future__ import annotations

from armgs_server.storage import Store, dmarc_results
from armgs_server.storage.dmarc_results import Counted


async def test_counts_add_up_and_go(store: Store) -> None:
    counts = {
        Counted("a.example", 1, "x"): 2,
        Counted("a.example", 1, "y"): 5,
        Counted("b.example", 2, "x"): 1,
    }
    await store.write(lambda tx: dmarc_results.add(tx, counts))
    await store.write(lambda tx: dmarc_results.add(tx, {Counted("a.example", 1, "x"): 1}))
    assert await store.read(lambda tx: dmarc_results.complete(tx, 3, 10)) == [
        ("a.example", 1),
        ("b.example", 2),
    ]
    assert await store.read(lambda tx: dmarc_results.complete(tx, 2, 10)) == [("a.example", 1)]
    assert await store.read(lambda tx: dmarc_results.complete(tx, 3, 1)) == [("a.example", 1)]
    assert await store.read(lambda tx: dmarc_results.details(tx, "a.example", 1, 10)) == [("y", 5), ("x", 3)]
    assert await store.write(lambda tx: dmarc_results.remove(tx, "a.example", 1)) == 2
    assert await store.write(lambda tx: dmarc_results.remove(tx, "a.example", 1)) == 0
