# SPDX-License-Identifier: Apache-2.0
"""A message arrives with its index row, and takes it along when it moves."""

from __future__ import annotations

from armgs_server.formats import mime
from armgs_server.storage import Store, accounts, collections, items, mail, transfer
from armgs_server.storage.tx import Tx

MESSAGE = b"From: a@digital.example\r\nSubject: =?utf-8?b?0J/RgNC40LLQtdGC?=\r\n\r\nhello\r\n"


async def test_append_and_move(store: Store) -> None:
    await store.write(lambda tx: accounts.provision(tx, 7))
    ref, index = store.blobs.small(MESSAGE), mime.index(MESSAGE)

    async def work(tx: Tx) -> list[items.Item]:
        inbox = await collections.by_role(tx, 7, "mail", "inbox")
        archive = await collections.by_role(tx, 7, "mail", "archive")
        assert inbox and archive
        item = await mail.append(tx, inbox, ref, index, created=1_700_000_000_000_000)
        return await transfer.move(tx, [item], inbox, archive)

    moved = await store.write(work)
    rows = await store.read(
        lambda tx: tx.rows("SELECT collection, uid, subject, sent, header_size FROM message")
    )
    header = MESSAGE.index(b"\r\n\r\n") + 4
    assert rows == [(moved[0].collection, 1, "Привет", 1_700_000_000_000_000, header)]
    assert moved[0].created == 1_700_000_000_000_000
