# SPDX-License-Identifier: Apache-2.0
"""Lessons for the filter: the last word counts, the bytes stay, rows come back when their lease is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from armgs_server.storage import Store, accounts, blobs, clock, collections, training
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

OWNER = 7
LEASE = 5 * clock.MINUTE


async def blob(store: Store, text: bytes) -> bytes:
    """A message's bytes, kept for one reference."""
    ref = store.blobs.small(text)
    await store.write(lambda tx: blobs.retain(tx, ref))
    return ref.hash


async def references(store: Store, digest: bytes) -> int:
    value = await store.read(lambda tx: tx.value("SELECT refs FROM blob WHERE hash = ?", digest))
    assert isinstance(value, int)
    return value


async def claim(store: Store, now: int = 0) -> list[training.Lesson]:
    moment = now or clock.now()
    return await store.write(lambda tx: training.claim(tx, moment, LEASE, 10))


async def test_the_last_word_counts(store: Store) -> None:
    digest = await blob(store, b"offer")
    await store.write(lambda tx: training.add(tx, OWNER, [digest, digest], is_spam=True))
    await store.write(lambda tx: training.add(tx, OWNER, [digest], is_spam=False))
    assert await references(store, digest) == 2
    [lesson] = await claim(store)
    assert (lesson.owner, lesson.blob, lesson.is_spam) == (OWNER, digest, False)
    await store.write(lambda tx: training.finish(tx, [lesson]))
    assert await references(store, digest) == 1
    assert await claim(store, clock.now() + 2 * LEASE) == []


async def test_a_lease_that_is_over_gives_rows_back(store: Store) -> None:
    digest = await blob(store, b"offer")
    await store.write(lambda tx: training.add(tx, OWNER, [digest], is_spam=True))
    [lesson] = await claim(store)
    assert await claim(store) == []
    assert await claim(store, clock.now() + 2 * LEASE) == [lesson]
    later = clock.now() + 10 * LEASE
    await store.write(lambda tx: training.postpone(tx, [lesson], later))
    assert await claim(store, later - 1) == []
    assert await claim(store, later) == [lesson]


async def test_a_word_said_meanwhile_is_not_lost(store: Store) -> None:
    digest = await blob(store, b"offer")
    await store.write(lambda tx: training.add(tx, OWNER, [digest], is_spam=True))
    [lesson] = await claim(store)
    await store.write(lambda tx: training.add(tx, OWNER, [digest], is_spam=False))
    await store.write(lambda tx: training.finish(tx, [lesson]))
    [again] = await claim(store)
    assert not again.is_spam


async def test_a_deleted_account_teaches_nothing(store: Store) -> None:
    await store.write(lambda tx: accounts.provision(tx, OWNER, 0))
    digest = await blob(store, b"offer")
    await store.write(lambda tx: training.add(tx, OWNER, [digest], is_spam=True))
    await store.write(lambda tx: training.remove_of(tx, OWNER))
    assert await references(store, digest) == 1
    assert await claim(store) == []


@pytest.mark.parametrize(
    ("origin", "target", "lesson"),
    [
        ("inbox", "junk", True),
        ("junk", "inbox", False),
        ("junk", "", False),
        ("junk", "trash", None),
        ("junk", "junk", None),
        ("inbox", "archive", None),
    ],
)
async def test_what_a_move_teaches(store: Store, origin: str, target: str, lesson: bool | None) -> None:
    await store.write(lambda tx: accounts.provision(tx, OWNER, 0))

    async def work(tx: Tx) -> Collection:
        found = await collections.by_role(tx, OWNER, "mail", "inbox")
        assert found is not None
        return found

    inbox = await store.read(work)
    assert training.lesson_of_move(replace(inbox, role=origin), replace(inbox, role=target)) is lesson


def test_what_keywords_teach() -> None:
    assert training.lesson_of_keywords(["$JUNK", "x"]) is True
    assert training.lesson_of_keywords(["$NotJunk"]) is False
    assert training.lesson_of_keywords(["$Junk", "$NotJunk"]) is None
    assert training.lesson_of_keywords(["Important"]) is None
