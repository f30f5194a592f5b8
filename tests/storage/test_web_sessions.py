# SPDX-License-Identifier: Apache-2.0
"""Who is signed in on the pages, as rows, on both engines."""

from __future__ import annotations

from armgs_server.storage import Store, clock, web_sessions
from armgs_server.storage.tx import Tx
from armgs_server.storage.web_sessions import WebSession

NOW = clock.now()


def session(principal: int, token: str, seen: int = NOW, expires: int = NOW + clock.DAY) -> WebSession:
    return WebSession(principal, web_sessions.hash_of(token), "whole", NOW, seen, expires, "::1", "x")


async def test_rows(store: Store) -> None:
    async def work(tx: Tx) -> None:
        for number in range(4):
            await web_sessions.add(tx, session(1, str(number), NOW + number), limit=3)
        await web_sessions.add(tx, session(2, "0"), limit=3)
        assert [each.token for each in await web_sessions.of(tx, 1)] == [
            web_sessions.hash_of(each) for each in "321"
        ]
        first = web_sessions.hash_of("1")
        assert await web_sessions.find(tx, 1, first, NOW, clock.HOUR) == session(1, "1", NOW + 1)
        assert await web_sessions.find(tx, 2, first, NOW, clock.HOUR) is None
        assert await web_sessions.find(tx, 1, first, NOW + 2 * clock.HOUR, clock.HOUR) is None
        assert await web_sessions.find(tx, 1, first, NOW + clock.DAY, 2 * clock.DAY) is None
        await web_sessions.note_use(tx, session(1, "1"), NOW + 9, "::2")
        found = (await web_sessions.of(tx, 1))[0]
        assert (found.last_seen, found.peer, found.id) == (NOW + 9, "::2", first.hex()[:16])
        assert await web_sessions.remove(tx, 1, web_sessions.hash_of("2"))
        assert not await web_sessions.remove(tx, 1, web_sessions.hash_of("2"))
        assert await web_sessions.remove_all(tx, 1, besides=first) == 1
        assert await web_sessions.remove_all(tx, 1) == 1
        assert await web_sessions.expire(tx, NOW + clock.DAY) == 1

    await store.write(work)
