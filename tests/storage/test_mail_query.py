# SPDX-License-Identifier: Apache-2.0
"""What IMAP asks of a mailbox, on both engines."""

from __future__ import annotations

from typing import Any

import pytest

from armgs_server.formats import mime
from armgs_server.storage import Store, accounts, collections, item_flags, items, mail, mail_query, trees
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Flags
from armgs_server.storage.mail_query import HEADER, Selection
from armgs_server.storage.tx import Row, Tx

OWNER = 7
MESSAGE = b"Subject: number %d\r\n\r\nbody\r\n"


@pytest.fixture
async def inbox(store: Store) -> Collection:
    """A mailbox with five messages; 2 is seen, 3 and 4 are deleted, 5 has keywords."""

    async def work(tx: Tx) -> Collection:
        await accounts.create(tx, OWNER)
        inbox = await collections.create(tx, OWNER, "mail", "INBOX", role="inbox")
        marks = [(0, ""), (Flags.SEEN, ""), (Flags.DELETED, "b"), (Flags.DELETED, ""), (0, "b A")]
        for number, (flags, keywords) in enumerate(marks, 1):
            data = MESSAGE % number
            ref = store.blobs.small(data)
            await mail.append(tx, inbox, ref, mime.index(data), flags=flags, keywords=keywords)
        return await collections.get(tx, OWNER, inbox.id)

    return await store.write(work)


async def select(
    store: Store, inbox: Collection, columns: str, selection: Selection, **options: Any
) -> list[Row]:
    options.setdefault("limit", 100)
    return await store.read(lambda tx: mail_query.select(tx, OWNER, inbox.id, columns, selection, **options))


async def test_uids_come_in_pages(store: Store, inbox: Collection) -> None:
    assert await store.read(lambda tx: mail_query.uids(tx, OWNER, inbox.id, 0, 3)) == [1, 2, 3]
    assert await store.read(lambda tx: mail_query.uids(tx, OWNER, inbox.id, 3, 3)) == [4, 5]


async def test_what_select_tells(store: Store, inbox: Collection) -> None:
    assert await store.read(lambda tx: mail_query.first_unseen(tx, inbox)) == 1
    assert await store.read(lambda tx: mail_query.keywords(tx, OWNER, inbox.id)) == ["A", "b"]
    assert await store.read(lambda tx: mail_query.deleted(tx, OWNER, inbox.id)) == [3, 4]
    assert await store.read(lambda tx: mail_query.deleted_sums(tx, OWNER, inbox.id)) == (
        2,
        2 * len(MESSAGE % 3),
    )
    await store.write(lambda tx: mail_query.mark_seen(tx, inbox, [1, 2, 3, 4, 5]))
    seen = await store.read(lambda tx: collections.get(tx, OWNER, inbox.id))
    assert await store.read(lambda tx: mail_query.first_unseen(tx, seen)) is None


async def test_ranges_lists_and_conditions(store: Store, inbox: Collection) -> None:
    assert await select(store, inbox, "", Selection(2, 4)) == [(2,), (3,), (4,)]
    assert await select(store, inbox, "i.flags", Selection(1, 5, [5, 2, 9])) == [(2, 1), (5, 0)]
    assert await select(store, inbox, "", Selection(1, 5), limit=2) == [(1,), (2,)]
    unseen = await select(
        store, inbox, "", Selection(1, 5), where=" AND (i.flags & 1) = 0 AND i.size > ?", arguments=[1]
    )
    assert unseen == [(1,), (3,), (4,), (5,)]
    modseq = (await select(store, inbox, "i.modseq", Selection(4, 4)))[0][1]
    assert await select(store, inbox, "", Selection(1, 5, None, modseq)) == [(5,)]


async def test_columns_of_message_and_blob(store: Store, inbox: Collection) -> None:
    rows = await select(store, inbox, "m.subject, b.data, i.size", Selection(2, 2))
    assert rows == [(2, "number 2", MESSAGE % 2, len(MESSAGE % 2))]
    assert await select(store, inbox, HEADER, Selection(1, 1)) == [(1, b"Subject: number 1\r\n\r\n")]


async def test_marking_as_seen_changes_only_what_is_not(store: Store, inbox: Collection) -> None:
    modseq = await store.write(lambda tx: mail_query.mark_seen(tx, inbox, [1, 2]))
    assert modseq is not None
    rows = await store.read(lambda tx: mail_query.flags_of(tx, OWNER, inbox.id, [1, 2, 3]))
    assert [(row[0], row[1], row[3] == modseq) for row in rows] == [
        (1, 1, True),
        (2, 1, False),
        (3, 8, False),
    ]
    assert await store.write(lambda tx: mail_query.mark_seen(tx, inbox, [1, 2])) is None


async def test_changes_since(store: Store, inbox: Collection) -> None:
    assert await store.read(lambda tx: mail_query.changes(tx, OWNER, inbox.id, inbox.modseq)) == (
        mail_query.MailChanges((), (), inbox.modseq)
    )
    await store.write(lambda tx: item_flags.set_flags(tx, inbox, [(2, 3, "x")]))
    await store.write(lambda tx: items.remove(tx, inbox, [3, 4]))
    found = await store.read(lambda tx: mail_query.changes(tx, OWNER, inbox.id, inbox.modseq))
    assert found is not None
    assert [row[:3] for row in found.rows] == [(2, 3, "x")]
    assert found.removed == [3, 4]
    assert found.modseq > inbox.modseq
    await store.write(lambda tx: trees.delete(tx, inbox))
    assert await store.read(lambda tx: mail_query.changes(tx, OWNER, inbox.id, 0)) is None
