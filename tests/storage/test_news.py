# SPDX-License-Identifier: Apache-2.0
"""Posts of news and who has read them, as rows, on both engines."""

from __future__ import annotations

from armgs_server.storage import Store, clock, news
from armgs_server.storage.news import Post
from armgs_server.storage.tx import Tx

NOW = clock.now()


def post(id_: int, remind: int = 0) -> Post:
    return Post(1, id_, 5, NOW, f"Title {id_}", "Text", int(remind > 0), remind, 0, "new", 0, 3, 4)


async def test_rows(store: Store) -> None:
    ids = [clock.unique_id() for _ in range(3)]

    async def work(tx: Tx) -> None:
        for number, id_ in enumerate(ids):
            await news.add(tx, post(id_, NOW + number if number else 0))
        assert [each.id for each in await news.page(tx, 1, limit=2)] == [ids[2], ids[1]]
        assert [each.id for each in await news.page(tx, 1, before=ids[1], limit=2)] == [ids[0]]
        assert await news.page(tx, 2, limit=2) == []
        assert await news.get(tx, 1, ids[0]) == post(ids[0])
        assert await news.get(tx, 2, ids[0]) is None
        assert [each.id for each in await news.claim(tx, NOW, 60, 2)] == ids[:2]
        assert [each.id for each in await news.claim(tx, NOW, 60, 2)] == ids[2:]
        assert [each.id for each in await news.claim(tx, NOW + 60, 60, 9)] == ids
        await news.finish(tx, post(ids[0]))
        assert await news.claim(tx, NOW + 60, 60, 9) == []
        assert [each.id for each in await news.claim(tx, NOW + 120, 60, 9)] == ids[1:]

        assert await news.acknowledge(tx, post(ids[0]), 7, NOW)
        assert not await news.acknowledge(tx, post(ids[0]), 7, NOW + 1)
        assert await news.readers(tx, 1, ids[0]) == {7: NOW}
        assert await news.read_by(tx, 1, 7) == {ids[0]: NOW}
        assert [await news.is_any_to_read(tx, owner) for owner in (1, 2)] == [True, False]
        assert [each.id for each in await news.unread(tx, 1, 7)] == ids[:0:-1]
        assert await news.acknowledge(tx, post(ids[2]), 7, NOW)
        assert [each.id for each in await news.unread(tx, 1, 7)] == [ids[1]]

        assert await news.to_remind(tx, NOW, 9) == []
        [due] = await news.to_remind(tx, NOW + 1, 9)
        assert due.id == ids[1]
        assert await news.reminded(tx, due, NOW + 9)
        assert not await news.reminded(tx, due, NOW + 9)
        again = await news.get(tx, 1, ids[1])
        assert again is not None and (again.remind, again.reminders) == (NOW + 9, 1)

        await news.let_go(tx, post(ids[0]))
        assert await news.get(tx, 1, ids[0]) is None
        [gone] = [each for each in await news.claim(tx, NOW, 60, 9) if each.state == "gone"]
        await news.finish(tx, gone)
        assert await news.readers(tx, 1, ids[0]) == {}

    await store.write(work)
