# SPDX-License-Identifier: Apache-2.0
"""The chain of administrative acts: what was changed, taken out or cut off is found."""

from __future__ import annotations

from functools import partial

import pytest

from armgs_server.storage import Store, acts
from armgs_server.storage.acts import NO_HASH, first_broken


async def written(store: Store, count: int = 3) -> None:
    for number in range(count):
        await store.write(
            partial(acts.append, owner=7, actor="me", verb="people.change", arguments={"n": number})
        )


async def test_each_follows_from_the_one_before(store: Store) -> None:
    await written(store)
    await store.write(partial(acts.append, owner=0, actor="me", verb="departments.create", arguments={}))
    chain = await store.read(lambda tx: acts.page(tx, 7))
    assert [(each.id, each.arguments) for each in chain] == [
        (1, '{"n": 0}'),
        (2, '{"n": 1}'),
        (3, '{"n": 2}'),
    ]
    assert first_broken(chain, NO_HASH, 1) is None
    assert first_broken(chain[1:], chain[0].hash, 2) is None
    latest = await store.read(lambda tx: acts.latest(tx, 7, 3, 10))
    assert [each.id for each in latest] == [2, 1]
    assert await store.read(acts.owners) == [0, 7]
    assert await store.read(lambda tx: acts.count(tx, 7)) == 3


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE act SET actor = 'you' WHERE id = 2", 2),
        ("UPDATE act SET arguments = '{}' WHERE id = 1", 1),
        ("UPDATE act SET moment = moment + 1 WHERE id = 3", 3),
        ("DELETE FROM act WHERE id = 2", 3),
    ],
)
async def test_what_was_changed_is_found(store: Store, statement: str, broken: int) -> None:
    await written(store)
    await store.write(lambda tx: tx.execute(statement))
    found = first_broken(await store.read(lambda tx: acts.page(tx, 7)), NO_HASH, 1)
    assert found is not None and found.id == broken


async def test_what_was_cut_off_is_missed(store: Store) -> None:
    await written(store)
    await store.write(lambda tx: tx.execute("DELETE FROM act WHERE id = 3"))
    assert first_broken(await store.read(lambda tx: acts.page(tx, 7)), NO_HASH, 1) is None
    assert await store.read(lambda tx: acts.count(tx, 7)) == 3


async def test_of_what_is_very_long_the_hash_is_kept(store: Store) -> None:
    await store.write(partial(acts.append, owner=7, actor="me", verb="v", arguments={"text": "x" * 20_000}))
    [act] = await store.read(lambda tx: acts.page(tx, 7))
    assert len(act.arguments) < 200 and '"characters"' in act.arguments
