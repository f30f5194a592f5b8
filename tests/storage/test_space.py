# SPDX-License-Identifier: Apache-2.0
"""What fills an owner's space, on both engines, over several pages of items."""

from __future__ import annotations

import pytest

from armgs_server.formats import mime
from armgs_server.storage import Store, accounts, collections, items, mail, space
from armgs_server.storage.space import Large, Share
from armgs_server.storage.tx import Tx

LETTER = b"Subject: a letter\r\n\r\n" + b"x" * 500


async def test_shares_and_the_largest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_PAGE", 3)

    async def work(tx: Tx) -> None:
        await accounts.create(tx, 1)
        folder = await collections.create(tx, 1, "files", "docs")
        inbox = await collections.create(tx, 1, "mail", "INBOX")
        for number in range(1, 9):
            ref = store.blobs.small(bytes([number]) * (number * 10))
            await items.add(tx, folder, ref, name=f"file {number}")
        await mail.append(tx, inbox, store.blobs.small(LETTER), mime.index(LETTER))
        assert await space.by_kind(tx, 1) == [Share("mail", "", 1, 521), Share("files", "", 8, 360)]
        assert await space.by_collection(tx, 1, 1) == [Share("mail", "INBOX", 1, 521)]

    await store.write(work)
    assert await space.largest(store, 1, 3) == [
        Large(521, "mail", "INBOX", "a letter"),
        Large(80, "files", "docs", "file 8"),
        Large(70, "files", "docs", "file 7"),
    ]
    assert await space.largest(store, 2, 3) == []
