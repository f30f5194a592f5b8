# SPDX-License-Identifier: Apache-2.0
"""\\Recent: each message is claimed once, whoever comes."""

from __future__ import annotations

from armgs_server.storage import Store, recent
from tests.storage.shelf import OWNER, mailbox, provision, put


async def test_claims(store: Store) -> None:
    await provision(store)
    inbox = (await mailbox(store)).id
    for number in range(3):
        await put(store, number)
    assert await store.read(lambda tx: recent.boundary(tx, OWNER, inbox)) == 1
    assert await store.read(lambda tx: recent.count(tx, OWNER, inbox)) == 3
    assert await store.write(lambda tx: recent.claim(tx, OWNER, inbox, 3)) == 1
    assert await store.read(lambda tx: recent.count(tx, OWNER, inbox)) == 1
    assert await store.write(lambda tx: recent.claim(tx, OWNER, inbox, 4)) == 3
    assert await store.write(lambda tx: recent.claim(tx, OWNER, inbox, 2)) == 4  # nothing is given back
    assert await store.read(lambda tx: recent.boundary(tx, OWNER, inbox)) == 4
    other = (await mailbox(store, "sent")).id
    assert await store.read(lambda tx: recent.boundary(tx, OWNER, other)) == 1
