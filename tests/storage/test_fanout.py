# SPDX-License-Identifier: Apache-2.0
"""A message for many people lies in each mailbox as if it had come alone, on both engines."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from armgs_server.errors import NotFound, OverQuota
from armgs_server.formats import mime
from armgs_server.storage import Store, accounts, collections, fanout, mail, trees
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

MESSAGE = b"From: a@digital.example\r\nSubject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n\r\nhello\r\n"
CREATED = 1_700_000_000_000_000
PEOPLE = range(1, fanout.PART + 8)


async def inbox(store: Store, owner: int) -> Collection:
    found = await store.read(lambda tx: collections.by_role(tx, owner, "mail", "inbox"))
    assert found is not None
    return found


async def make_people(store: Store) -> list[Collection]:
    async def work(tx: Tx) -> None:
        for owner in PEOPLE:
            await accounts.create(tx, owner)
            await collections.create(tx, owner, "mail", "INBOX", role="inbox")

    await store.write(work)
    return [await inbox(store, owner) for owner in PEOPLE]


async def test_all_at_once_is_each_alone(store: Store) -> None:
    inboxes = await make_people(store)
    ref, index = store.blobs.small(MESSAGE), mime.index(MESSAGE)
    heard: list[bytes] = []
    store.bus.subscribe(f"changes:{PEOPLE[-1]}", heard.append)
    await store.write(lambda tx: mail.append(tx, inboxes[0], ref, index, created=CREATED))
    await store.write(lambda tx: fanout.append_all(tx, inboxes, ref, index, created=CREATED))
    assert heard == [b"%d 2" % inboxes[-1].id]

    async def read(tx: Tx) -> None:
        columns = (
            "i.uid, i.name, i.blob, i.size, i.content_type, i.created, i.modified, i.flags, i.keywords, m.*"
        )
        join = "item i JOIN message m ON m.owner = i.owner AND m.collection = i.collection AND m.uid = i.uid"
        alone, again = await tx.rows(f"SELECT {columns} FROM {join} WHERE i.owner = 1 ORDER BY i.uid")
        assert (alone[0], again[0]) == (1, 2)
        assert alone[1:6] == again[1:6]
        assert alone[7:9] == again[7:9]
        assert alone[12:] == again[12:]  # after the key of the table message
        assert await tx.value("SELECT refs FROM blob") == len(PEOPLE) + 1
        assert await tx.value(f"SELECT COUNT(*) FROM {join}") == len(PEOPLE) + 1

    await store.read(read)
    for owner in (1, 2, PEOPLE[-1]):
        found = await inbox(store, owner)
        count = 2 if owner == 1 else 1
        assert (found.items, found.unseen, found.bytes, found.uid_next, found.modseq) == (
            count,
            count,
            count * len(MESSAGE),
            count + 1,
            count + 1,
        )
        usage = await store.read(lambda tx, owner=owner: accounts.usage(tx, owner))  # type: ignore[misc]
        assert (usage.items, usage.bytes) == (count, count * len(MESSAGE))


async def test_one_who_cannot_take_it_keeps_it_from_all(store: Store) -> None:
    inboxes = await make_people(store)
    ref, index = store.blobs.small(MESSAGE), mime.index(MESSAGE)
    await store.write(lambda tx: accounts.set_quota(tx, 5, len(MESSAGE) - 1))
    with pytest.raises(OverQuota):
        await store.write(lambda tx: fanout.append_all(tx, inboxes, ref, index, created=CREATED))
    await store.write(lambda tx: accounts.set_quota(tx, 5, len(MESSAGE)))
    await store.write(lambda tx: trees.delete(tx, inboxes[6]))
    with pytest.raises(NotFound):
        await store.write(lambda tx: fanout.append_all(tx, inboxes, ref, index, created=CREATED))
    assert await store.read(lambda tx: tx.value("SELECT COUNT(*) FROM item")) == 0
    assert (await inbox(store, 1)).modseq == inboxes[0].modseq


@pytest.mark.postgres
async def test_lists_and_letters_at_once_never_wait_for_each_other(
    postgresql_url: str, tmp_path: Path
) -> None:
    store = await Store.open(postgresql_url, tmp_path)
    inboxes = await make_people(store)
    index = mime.index(MESSAGE)
    runs = 0

    async def deliver(number: int) -> None:
        text = b"X-Number: %d\r\n" % number + MESSAGE
        targets = random.Random(number).sample(inboxes, 40 if number % 2 else 1)

        async def work(tx: Tx) -> None:
            nonlocal runs
            runs += 1
            ref = store.blobs.small(text)
            if len(targets) == 1:
                await mail.append(tx, targets[0], ref, index, created=CREATED)
            else:
                await fanout.append_all(tx, targets, ref, index, created=CREATED)

        await store.write(work)

    await asyncio.gather(*(deliver(number) for number in range(60)))
    assert runs == 60, "some were run again after a deadlock"
    assert await store.read(lambda tx: tx.value("SELECT COUNT(*) FROM item")) == 30 * 40 + 30
    await store.close()
