# SPDX-License-Identifier: Apache-2.0
"""storage/uploads.py on both engines."""

from __future__ import annotations

from dataclasses import replace

from armgs_server.storage import Store, clock, uploads
from armgs_server.storage.uploads import Upload


async def test_a_link_is_completed_once_and_stale_ones_go(store: Store) -> None:
    later = clock.now() + clock.HOUR
    link = Upload("token", 1, 5, 0, "снимок.png", 10, "image/png", later)
    await store.write(lambda tx: uploads.create(tx, link))
    assert await store.read(lambda tx: uploads.get(tx, "token")) == link
    assert await store.read(lambda tx: uploads.get(tx, "other")) is None
    assert await store.write(lambda tx: uploads.complete(tx, "token", 7))
    assert not await store.write(lambda tx: uploads.complete(tx, "token", 8))
    assert await store.read(lambda tx: uploads.get(tx, "token")) == replace(link, uid=7)
    stale = replace(link, token="stale", expires=1)
    await store.write(lambda tx: uploads.create(tx, stale))
    await store.write(lambda tx: uploads.create(tx, replace(link, token="next")))
    assert await store.read(lambda tx: uploads.get(tx, "stale")) is None
    assert await store.read(lambda tx: uploads.get(tx, "token")) is not None
