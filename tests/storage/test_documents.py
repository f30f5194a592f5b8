# SPDX-License-Identifier: Apache-2.0
"""storage/documents.py on both engines."""

from __future__ import annotations

from armgs_server.storage import Store, documents


async def test_a_document_has_one_value_and_counts_its_changes(store: Store) -> None:
    assert await store.read(lambda tx: documents.get(tx, 1, "vcard-temp")) is None
    assert await store.write(lambda tx: documents.put(tx, 1, "vcard-temp", b"a")) == 1
    assert await store.write(lambda tx: documents.put(tx, 1, "vcard-temp", b"\x00b")) == 2
    assert await store.read(lambda tx: documents.get(tx, 1, "vcard-temp")) == b"\x00b"
    assert await store.read(lambda tx: documents.get(tx, 2, "vcard-temp")) is None
    assert await store.write(lambda tx: documents.delete(tx, 1, "vcard-temp"))
    assert not await store.write(lambda tx: documents.delete(tx, 1, "vcard-temp"))


async def test_names_by_prefix(store: Store) -> None:
    for name in ("private b", "private a", "privat", "other", "private я"):
        await store.write(lambda tx, n=name: documents.put(tx, 1, n, b""))
    found = await store.read(lambda tx: documents.names(tx, 1, "private "))
    assert found == ["private a", "private b", "private я"]
