# SPDX-License-Identifier: Apache-2.0
"""The window in which recurring objects are expanded, moved along as time goes by (`calindex`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from armgs_server.errors import Invalid, NotFound
from armgs_server.formats.icalendar import check
from armgs_server.formats.recurrence import DAY
from armgs_server.storage import clock, items
from armgs_server.storage.calindex import entry, put
from armgs_server.storage.tx import Row, Tx

if TYPE_CHECKING:
    from armgs_server.storage import Store

EXTEND_BELOW = 640 * DAY  # objects expanded less far than this are expanded anew: four times a year
EXTEND_PAGE = 100


async def extend(store: Store, now: int | None = None) -> int:
    """Moves the window of every recurring object along; how many. Done by maintenance, once a day."""
    now = clock.now() if now is None else now
    after = (0, 0, 0)
    count = 0
    while rows := await store.read(lambda tx, after=after: _to_extend(tx, now + EXTEND_BELOW, after)):  # type: ignore[misc]
        for owner, collection, uid, blob in rows:
            count += await _extend_one(store, (owner, collection, uid), blob, now)
            await asyncio.sleep(0)  # others' turn
        after = rows[-1][:3]
    return count


async def _to_extend(tx: Tx, below: int, after: tuple[int, int, int]) -> list[Row]:
    return await tx.rows(
        "SELECT owner, collection, uid, blob FROM event JOIN item USING (owner, collection, uid)"
        " WHERE expanded < ? AND (owner, collection, uid) > (?, ?, ?)"
        " ORDER BY owner, collection, uid LIMIT ?",
        below,
        *after,
        EXTEND_PAGE,
    )


async def _extend_one(store: Store, key: tuple[int, int, int], blob: bytes, now: int) -> bool:
    try:
        made = entry(check(await store.blobs.read(blob)), now)
    except (Invalid, NotFound):
        return False  # stored by an older version, or gone meanwhile: expanded on demand

    async def work(tx: Tx) -> bool:
        item = await items.get(tx, *key)
        if item is None or item.blob != blob:
            return False
        await put(tx, item, made)
        return True

    return await store.write(work)
