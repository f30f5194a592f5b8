# SPDX-License-Identifier: Apache-2.0
"""storage/sts_policies.py: a policy holds until its time is over, or another takes its place."""

from __future__ import annotations

from armgs_server.storage import Store, sts_policies
from armgs_server.storage.sts_policies import KeptPolicy

POLICY = KeptPolicy("other.example", "1", "version: STSv1\r\n", 100)
NEWER = KeptPolicy("other.example", "2", "version: STSv1\r\nmode: none\r\n", 200)


async def get(store: Store, now: int) -> KeptPolicy | None:
    return await store.read(lambda tx: sts_policies.get(tx, "other.example", now))


async def test_a_policy_is_kept_and_replaced(store: Store) -> None:
    assert await get(store, 1) is None
    await store.write(lambda tx: sts_policies.put(tx, POLICY))
    assert await get(store, 99) == POLICY
    assert await get(store, 100) is None
    await store.write(lambda tx: sts_policies.put(tx, NEWER))
    assert await get(store, 199) == NEWER


async def test_what_holds_no_more_is_forgotten(store: Store) -> None:
    await store.write(lambda tx: sts_policies.put(tx, POLICY))
    assert await store.write(lambda tx: sts_policies.expire(tx, 99)) == 0
    assert await store.write(lambda tx: sts_policies.expire(tx, 100)) == 1
