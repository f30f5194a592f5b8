# SPDX-License-Identifier: Apache-2.0
"""Keys of ID tokens take one another's place: published before they sign, until the last token is over."""

from __future__ import annotations

import pytest

from armgs_server.directory import oauth_keys
from armgs_server.directory.oauth_keys import SET_LIFETIME, TOKEN_LIFETIME
from armgs_server.errors import Conflict
from armgs_server.storage import Store, clock
from armgs_server.storage import oauth_keys as rows
from armgs_server.storage.tx import Tx

NOW = clock.now()


async def test_one_takes_the_place_of_another(store: Store) -> None:
    first = await store.write(lambda tx: oauth_keys.signing(tx, NOW))
    assert await store.write(lambda tx: oauth_keys.signing(tx, NOW + 1)) == first
    assert first.private not in repr(first)
    second = await store.write(lambda tx: oauth_keys.replace(tx, NOW))
    assert second.starts - NOW > SET_LIFETIME * clock.SECOND
    with pytest.raises(Conflict):
        await store.write(lambda tx: oauth_keys.replace(tx, NOW + 1))

    async def at(tx: Tx, moment: int) -> tuple[str, list[str]]:
        published = await rows.published(tx, moment)
        return (await oauth_keys.signing(tx, moment)).id, [each.id for each in published]

    over = second.starts + TOKEN_LIFETIME * clock.SECOND
    for moment, signing, published in (
        (NOW, first.id, [first.id, second.id]),
        (second.starts - 1, first.id, [first.id, second.id]),
        (second.starts, second.id, [first.id, second.id]),
        (over, second.id, [first.id, second.id]),
        (over + clock.HOUR, second.id, [second.id]),
    ):
        assert await store.write(lambda tx, moment=moment: at(tx, moment)) == (signing, published)


async def test_by_age(store: Store) -> None:
    async def replaced(after: int, days: int = 90) -> int:
        return await store.write(lambda tx: oauth_keys.replace_old(tx, NOW + after, days))

    assert await replaced(0) == 0  # nobody has asked for a token: there is no key
    first = await store.write(lambda tx: oauth_keys.signing(tx, NOW))
    assert await replaced(89 * clock.DAY) == 0
    assert await replaced(91 * clock.DAY, days=0) == 0
    assert await replaced(90 * clock.DAY) == 1
    assert await replaced(90 * clock.DAY) == 0  # one waits already
    assert len(await store.read(lambda tx: rows.published(tx, NOW + 90 * clock.DAY))) == 2
    assert await replaced(92 * clock.DAY) == 1  # the first is over
    [left] = await store.read(lambda tx: rows.published(tx, 0))
    assert left.id != first.id and left.ends == 0


async def test_at_once(store: Store) -> None:
    first = await store.write(lambda tx: oauth_keys.signing(tx, NOW))
    waiting = await store.write(lambda tx: oauth_keys.replace(tx, NOW))
    made = await store.write(lambda tx: oauth_keys.replace(tx, NOW, at_once=True))
    assert made.id not in (first.id, waiting.id)
    assert await store.read(lambda tx: rows.published(tx, NOW)) == [made]
    assert (await store.write(lambda tx: oauth_keys.signing(tx, NOW))) == made
