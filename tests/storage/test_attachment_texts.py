# SPDX-License-Identifier: Apache-2.0
"""Texts of attachments: one for all who have a message."""

from __future__ import annotations

from armgs_server.storage import Store, attachment_texts, blobs
from armgs_server.storage.tx import Tx


async def test_they_go_with_their_messages(store: Store) -> None:
    ref = store.blobs.small(b"a message")

    async def work(tx: Tx) -> None:
        await blobs.retain(tx, ref)
        await attachment_texts.put(tx, ref.hash, b"text")
        await attachment_texts.put(tx, ref.hash, b"other")
        await attachment_texts.put(tx, bytes(32), b"nobody has it")

    await store.write(work)
    found = await store.read(lambda tx: attachment_texts.of(tx, [ref.hash, bytes(32)]))
    assert found == {ref.hash: b"text", bytes(32): b"nobody has it"}
    after = await store.write(lambda tx: attachment_texts.forget(tx, b"", 1))
    assert after == bytes(32)
    assert await store.write(lambda tx: attachment_texts.forget(tx, after, 5)) is None
    assert await store.read(lambda tx: attachment_texts.of(tx, [ref.hash, bytes(32)])) == {ref.hash: b"text"}
    assert await store.read(lambda tx: attachment_texts.of(tx, [])) == {}
