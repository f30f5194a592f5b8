# SPDX-License-Identifier: Apache-2.0
"""When somebody was last here: the latest end counts, and goes with the account."""

from __future__ import annotations

from armgs_server.storage import Store, accounts, last_activity
from armgs_server.storage.last_activity import LastActivity


async def test_the_last_end_is_kept(store: Store) -> None:
    await store.write(lambda tx: accounts.create(tx, 7))
    assert await store.read(lambda tx: last_activity.get(tx, 7)) is None
    for activity in (LastActivity(1, 2), LastActivity(3, 4)):
        await store.write(lambda tx, each=activity: last_activity.put(tx, 7, each))  # type: ignore[misc]
        assert await store.read(lambda tx: last_activity.get(tx, 7)) == activity
    await store.write(lambda tx: accounts.delete(tx, 7))
    assert await store.read(lambda tx: last_activity.get(tx, 7)) is None


async def test_nothing_is_kept_of_who_is_deleted(store: Store) -> None:
    await store.write(lambda tx: last_activity.put(tx, 8, LastActivity(1, 2)))
    assert await store.read(lambda tx: last_activity.get(tx, 8)) is None
