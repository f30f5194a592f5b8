# SPDX-License-Identifier: Apache-2.0
"""Security keys and answered challenges as rows, on both engines."""

from __future__ import annotations

import asyncio

from armgs_server.storage import Store, clock, webauthn
from armgs_server.storage.tx import Tx
from armgs_server.storage.webauthn import Credential

NOW = clock.now()


def credential(principal: int, id_: bytes, sign_count: int = 0, created: int = NOW) -> Credential:
    return Credential(principal, id_, "token", b"\0key", sign_count, 1, "nfc usb", created, 0)


async def test_rows(store: Store) -> None:
    first, second = credential(1, b"\0a", 5), credential(1, b"b", created=NOW + 1)

    async def work(tx: Tx) -> None:
        assert not await webauthn.has_any(tx, 1)
        assert await webauthn.add(tx, second) and await webauthn.add(tx, first)
        assert not await webauthn.add(tx, first)
        assert await webauthn.add(tx, credential(2, b"\0a"))
        assert await webauthn.of(tx, 1) == [first, second]
        assert await webauthn.find(tx, 1, b"\0a") == first
        assert await webauthn.find(tx, 2, b"b") is None
        assert await webauthn.has_any(tx, 1)
        assert await webauthn.remove(tx, 1, b"b") and not await webauthn.remove(tx, 1, b"b")
        assert await webauthn.remove_all(tx, 1) == 1
        assert await webauthn.has_any(tx, 2)

    await store.write(work)


async def test_the_counter_goes_up_or_is_not_there(store: Store) -> None:
    async def work(tx: Tx) -> None:
        await webauthn.add(tx, credential(1, b"a", 5))
        await webauthn.add(tx, credential(1, b"b", 0))
        for id_, sign_count, is_good in (
            (b"a", 5, False),
            (b"a", 4, False),
            (b"a", 0, False),
            (b"a", 6, True),
            (b"a", 6, False),
            (b"b", 0, True),
            (b"b", 0, True),
            (b"b", 1, True),
            (b"b", 0, False),
            (b"c", 1, False),
        ):
            used = credential(1, id_)
            assert await webauthn.note_use(tx, used, sign_count, NOW + 7) == is_good, (id_, sign_count)
        found = await webauthn.find(tx, 1, b"a")
        assert found is not None and (found.sign_count, found.last_used) == (6, NOW + 7)

    await store.write(work)


async def test_a_challenge_is_spent_once(store: Store) -> None:
    async def spend(tx: Tx) -> bool:
        return await webauthn.spend(tx, 1, b"\0challenge", NOW + 10)

    assert sorted(await asyncio.gather(*(store.write(spend) for _ in range(5)))) == [False] * 4 + [True]
    assert await store.write(lambda tx: webauthn.spend(tx, 2, b"\0challenge", NOW + 20))
    assert await store.write(lambda tx: webauthn.expire(tx, NOW + 10)) == 1
    assert await store.write(spend)
