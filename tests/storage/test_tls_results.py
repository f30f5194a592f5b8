# SPDX-License-Identifier: Apache-2.0
"""storage/tls_results.py on both engines: counts of several processes add up, a day is finished once."""

from __future__ import annotations

from armgs_server.storage import Store, tls_results
from armgs_server.storage.tls_results import Observed

GOOD = Observed(5, "other.example", "sts", "mx.other.example", "")
BAD = Observed(5, "other.example", "sts", "mx.other.example", "certificate-expired")
LATER = Observed(6, "other.example", "tlsa", "mx.other.example", "")


async def test_counts_add_up_and_a_day_is_finished_once(store: Store) -> None:
    await store.write(lambda tx: tls_results.add(tx, {GOOD: 2, BAD: 1}))
    await store.write(lambda tx: tls_results.add(tx, {GOOD: 3, LATER: 1}))
    assert await store.read(lambda tx: tls_results.of_day(tx, "other.example", 5)) == {GOOD: 5, BAD: 1}
    assert await store.read(lambda tx: tls_results.days_before(tx, 6)) == [("other.example", 5)]
    assert await store.write(lambda tx: tls_results.finish(tx, "other.example", 5))
    assert not await store.write(lambda tx: tls_results.finish(tx, "other.example", 5))
    assert await store.read(lambda tx: tls_results.days_before(tx, 7)) == [("other.example", 6)]
