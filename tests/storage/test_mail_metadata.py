# SPDX-License-Identifier: Apache-2.0
"""Annotations: each place and each person has its own, no more than the limit."""

from __future__ import annotations

import pytest

from armgs_server.errors import TooLarge
from armgs_server.storage import Store, mail_metadata
from tests.storage.shelf import OWNER

LIMIT = 2
PERSON = 9


async def change(store: Store, values: dict[str, bytes | None], collection: int = 1, person: int = 0) -> None:
    await store.write(lambda tx: mail_metadata.change(tx, OWNER, collection, person, values, LIMIT))


async def of(store: Store, collection: int = 1, person: int = 0) -> dict[str, bytes]:
    return await store.read(lambda tx: mail_metadata.of(tx, OWNER, collection, person))


async def test_values_are_set_changed_and_removed(store: Store) -> None:
    await change(store, {"comment": b"one", "x": b"\0\xff"})
    await change(store, {"comment": b"two"}, person=PERSON)
    await change(store, {"comment": b"three"}, collection=0)
    assert await of(store) == {"comment": b"one", "x": b"\0\xff"}
    assert await of(store, person=PERSON) == {"comment": b"two"}
    assert await of(store, collection=0) == {"comment": b"three"}
    await change(store, {"comment": None, "x": b"", "y": b"1"})
    assert await of(store) == {"x": b"", "y": b"1"}


async def test_no_more_than_the_limit(store: Store) -> None:
    await change(store, {"a": b"1", "b": b"2"})
    with pytest.raises(TooLarge):
        await change(store, {"c": b"3"})
    assert await of(store) == {"a": b"1", "b": b"2"}
