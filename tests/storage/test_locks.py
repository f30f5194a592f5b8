# SPDX-License-Identifier: Apache-2.0
"""Locks in the store: what covers what, which live together, and when they end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from armgs_server.errors import Conflict
from armgs_server.storage import Store, accounts, clock, collections, items, locks, trees
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx

OWNER = 7


def lock(collection: int, uid: int = 0, token: str = "t", scope: str = "exclusive", deep: int = 0) -> Lock:
    expires = clock.now() + clock.HOUR
    return Lock(OWNER, collection, uid, token, scope, deep, 1, "", expires, "/x")


async def tree(tx: Tx) -> list[int]:
    """Three folders, one in the other, and a file with uid 1 in each."""
    await accounts.create(tx, OWNER)
    ids = [0]
    for name in ("a", "b", "c"):
        made = await collections.create(tx, OWNER, "files", name, parent=ids[-1])
        await items.add(tx, made, _empty(), name="f")
        ids.append(made.id)
    return ids[1:]


def _empty() -> items.BlobRef:
    return items.BlobRef(b"\0" * 32, 0, b"")


async def tokens(tx: Tx, chain: list[int], uid: int = 0) -> list[str]:
    return [each.token for each in await locks.covering(tx, OWNER, chain, uid)]


async def test_what_a_lock_covers(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a, b, c = await tree(tx)
        assert await locks.take(tx, lock(a, deep=1, scope="shared", token="deep"), [a]) == []
        assert await locks.take(tx, lock(b, scope="shared", token="flat"), [a, b]) == []
        assert await locks.take(tx, lock(c, 1, scope="shared", token="file"), [a, b, c]) == []
        assert await tokens(tx, [a]) == ["deep"]
        assert await tokens(tx, [a], 1) == ["deep"]
        assert await tokens(tx, [a, b]) == ["deep", "flat"]
        assert await tokens(tx, [a, b], 1) == ["deep"]
        assert await tokens(tx, [a, b, c], 1) == ["deep", "file"]
        assert await tokens(tx, [a, b, c], 2) == ["deep"]
        assert [each.token for each in await locks.below(tx, OWNER, a)] == ["flat", "file"]
        assert [each.token for each in await locks.below(tx, OWNER, b)] == ["file"]

    await store.write(work)


async def test_which_live_together(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a, b, _ = await tree(tx)
        assert await locks.take(tx, lock(b, 1, scope="shared", token="one"), [a, b]) == []
        assert await locks.take(tx, lock(b, 1, scope="shared", token="two"), [a, b]) == []
        against = await locks.take(tx, lock(b, 1, token="three"), [a, b])
        assert [each.token for each in against] == ["one", "two"]
        # A deep lock above meets those below it; a flat one does not.
        assert len(await locks.take(tx, lock(a, deep=1, token="four"), [a])) == 2
        assert await locks.take(tx, lock(a, deep=1, scope="shared", token="five"), [a]) == []
        assert await locks.take(tx, lock(a, 1, scope="shared", token="six"), [a]) == []
        assert [each.token for each in await locks.take(tx, lock(b, token="seven"), [a, b])] == ["five"]

    await store.write(work)


async def test_an_expired_lock_counts_for_nothing(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a, _, _ = await tree(tx)
        await locks.take(tx, replace(lock(a, 1, token="old"), expires=clock.now() - 1), [a])
        assert await tokens(tx, [a], 1) == []
        assert await locks.take(tx, lock(a, 1, token="new"), [a]) == []
        assert await tx.value("SELECT COUNT(*) FROM lock WHERE owner = ?", OWNER) == 1

    await store.write(work)


async def test_refresh_and_release(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a, _, _ = await tree(tx)
        held = lock(a, 1)
        await locks.take(tx, held, [a])
        later = held.expires + clock.HOUR
        assert (await locks.refresh(tx, held, later)).expires == later
        assert (await locks.covering(tx, OWNER, [a], 1))[0].expires == later
        await locks.release(tx, held)
        assert await tokens(tx, [a], 1) == []
        with pytest.raises(Conflict):
            await locks.refresh(tx, held, later)

    await store.write(work)


async def test_locks_go_with_what_they_protect(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a, b, _ = await tree(tx)
        await locks.take(tx, lock(a, 1, token="one"), [a])
        await locks.take(tx, lock(b, 1, token="two"), [a, b])
        await items.remove(tx, await collections.get(tx, OWNER, a), [1])
        await trees.delete(tx, await collections.get(tx, OWNER, b))
        assert await tx.value("SELECT COUNT(*) FROM lock WHERE owner = ?", OWNER) == 0

    await store.write(work)


async def test_remove(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a, _, _ = await tree(tx)
        await locks.take(tx, lock(a, token="folder"), [a])
        await locks.take(tx, lock(a, 1, token="file"), [a])
        await locks.remove(tx, OWNER, a, [0])
        assert await tokens(tx, [a]) == [] and await tokens(tx, [a], 1) == ["file"]

    await store.write(work)


async def test_shared_locks_are_bounded(store: Store) -> None:
    async def work(tx: Tx) -> None:
        a, _, _ = await tree(tx)
        for number in range(locks.MAX_SHARED):
            assert await locks.take(tx, lock(a, 1, f"{number}", "shared"), [a]) == []
        with pytest.raises(Conflict):
            await locks.take(tx, lock(a, 1, "one more", "shared"), [a])

    await store.write(work)
