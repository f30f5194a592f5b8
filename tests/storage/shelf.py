# SPDX-License-Identifier: Apache-2.0
"""An owner's mailboxes, filled and emptied: what the tests of keeping, rules and Restored share."""

from __future__ import annotations

from armgs_server.formats import mime
from armgs_server.storage import Store, accounts, blobs, collections, items, mail
from armgs_server.storage.accounts import Usage
from armgs_server.storage.collections import Collection
from armgs_server.storage.items import Item
from armgs_server.storage.tx import Tx

OWNER = 7
DEPARTMENT = 3


def message(number: int) -> bytes:
    return b"Subject: %d\r\n\r\n12345\r\n" % number


async def provision(store: Store, owner: int = OWNER, quota: int = 0) -> None:
    """An owner who belongs to DEPARTMENT."""

    async def work(tx: Tx) -> None:
        await accounts.provision(tx, owner, quota)
        await tx.execute(
            "INSERT INTO principal (id, kind, address, name, department, unit, post, head, disabled, data)"
            " VALUES (?, 'person', ?, '', ?, 0, '', 0, 0, '{}')",
            owner,
            f"{owner}@digital.example",
            DEPARTMENT,
        )

    await store.write(work)


async def mailbox(store: Store, role: str = "inbox", owner: int = OWNER, kind: str = "mail") -> Collection:
    found = await store.read(lambda tx: collections.by_role(tx, owner, kind, role))
    assert found is not None
    return found


async def put(store: Store, number: int = 1, role: str = "inbox", owner: int = OWNER, flags: int = 0) -> Item:
    """A message into a mailbox."""
    where, data = await mailbox(store, role, owner), message(number)
    ref, index = await store.blobs.put(data), mime.index(data)
    return await store.write(lambda tx: mail.append(tx, where, ref, index, flags=flags))


async def put_file(store: Store, name: str, data: bytes) -> Item:
    root, ref = await mailbox(store, "root", kind="files"), await store.blobs.put(data)
    return await store.write(lambda tx: items.add(tx, root, ref, name=name, content_type="text/plain"))


async def remove(store: Store, item: Item, keep_days: int = 0) -> None:
    async def work(tx: Tx) -> None:
        where = await collections.get(tx, item.owner, item.collection)
        await items.remove(tx, where, [item.uid], keep_days=keep_days)

    await store.write(work)


async def usage(store: Store, owner: int = OWNER) -> Usage:
    return await store.read(lambda tx: accounts.usage(tx, owner))


async def collected(store: Store, item: Item) -> bool:
    """Whether the bytes of an item are gone when the collector has passed, hours later."""
    await store.write(lambda tx: tx.execute("UPDATE blob SET touched = touched - ?", 2 * blobs.GRACE))
    await store.blobs.collect()
    return await store.read(lambda tx: tx.row("SELECT 1 FROM blob WHERE hash = ?", item.blob)) is None
