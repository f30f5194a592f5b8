# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that outlive their mailboxes: RFC 3501 §6.3.6."""

from __future__ import annotations

from armgs_server.storage import Store, accounts, documents, subscriptions

OWNER = 7


async def test_names_are_kept_until_they_are_let_go(store: Store) -> None:
    await store.write(lambda tx: accounts.create(tx, OWNER))
    for name in ("Проекты", "a/b", "Проекты"):
        await store.write(lambda tx, name=name: subscriptions.add(tx, OWNER, name))  # type: ignore[misc]
    assert await store.read(lambda tx: subscriptions.names(tx, OWNER)) == ["a/b", "Проекты"]
    assert await store.write(lambda tx: subscriptions.discard(tx, OWNER, "a/b")) is True
    assert await store.write(lambda tx: subscriptions.discard(tx, OWNER, "a/b")) is False
    assert await store.write(lambda tx: subscriptions.discard(tx, OWNER, "Проекты")) is True
    assert await store.read(lambda tx: documents.get(tx, OWNER, subscriptions.DOCUMENT)) is None
