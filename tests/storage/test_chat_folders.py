# SPDX-License-Identifier: Apache-2.0
"""Chats as mailboxes, in the store: what is taken up, once, by whoever comes first, and what is let go."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from armgs_server.errors import NotFound
from armgs_server.storage import (
    Store,
    accounts,
    archive,
    blobs,
    chat_arrivals,
    chat_folders,
    clock,
    collections,
    derived,
    items,
    transfer,
)
from armgs_server.storage.collections import Collection
from armgs_server.storage.tx import Tx

OWNER, OTHER = 1, 2
ME, PEER = "ivanov@digital.example", "petrova@digital.example"


async def say(store: Store, text: str, *, peer: str = PEER, owner: int = OWNER) -> int:
    data = (
        f"<message xmlns='jabber:client' from='{peer}/a' to='{ME}' id='{text}' type='chat'>"
        f"<body>{text}</body></message>"
    ).encode()
    return await store.write(lambda tx: archive.append(tx, owner, peer, text, data))


async def show(store: Store) -> list[Collection]:
    """What a look brings to light, shown; the folders below the root."""

    async def look(tx: Tx) -> chat_folders.News:
        return await chat_folders.news(tx, OWNER, ME, ())

    found = await store.read(look)
    if not found.is_none:
        named = [dataclasses.replace(chat, name=chat.address) for chat in found.chats]
        news = dataclasses.replace(found, chats=named)
        await store.write(lambda tx: chat_folders.show(tx, OWNER, news))
    every = await store.read(lambda tx: collections.all_of(tx, OWNER, "mail"))
    return [each for each in every if chat_folders.is_inside(each) and each.parent]


async def subjects(store: Store, folder: Collection) -> list[tuple[int, str]]:
    async def work(tx: Tx) -> list[tuple[int, str]]:
        rows = await tx.rows(
            "SELECT uid, subject FROM message WHERE owner = ? AND collection = ? ORDER BY uid",
            folder.owner,
            folder.id,
        )
        return [(row[0], row[1]) for row in rows]

    return await store.read(work)


@pytest.fixture
async def folder(store: Store) -> Collection:
    """One conversation with one message, taken up."""
    for owner in (OWNER, OTHER):
        await store.write(lambda tx, owner=owner: accounts.provision(tx, owner))  # type: ignore[misc]
    await say(store, "one")
    [made] = await show(store)
    await chat_arrivals.catch_up(store, made, 100)
    return made


async def test_each_message_is_taken_up_once(store: Store, folder: Collection) -> None:
    assert await subjects(store, folder) == [(1, "one")]
    await say(store, "two")
    assert await store.read(lambda tx: chat_arrivals.is_behind(tx, folder.owner, folder.id))
    await asyncio.gather(*(chat_arrivals.catch_up(store, folder, 100) for _ in range(4)))
    assert await subjects(store, folder) == [(1, "one"), (2, "two")]
    assert not await store.read(lambda tx: chat_arrivals.is_behind(tx, folder.owner, folder.id))
    again = await store.read(lambda tx: collections.get(tx, folder.owner, folder.id))
    assert (again.items, again.unseen, again.uid_next) == (2, 0, 3)


async def test_only_what_is_new_makes_folders(store: Store, folder: Collection) -> None:
    assert await show(store) == [await store.read(lambda tx: collections.get(tx, folder.owner, folder.id))]
    await say(store, "x", peer="sidorov@digital.example")
    await say(store, "y", peer="no-address")
    assert [each.name for each in await show(store)] == [PEER, "sidorov@digital.example"]


async def test_where_to_go_on_is_noted_now_and_then(store: Store, folder: Collection) -> None:
    async def root() -> int:
        found = await store.read(lambda tx: tx.value("SELECT last FROM chat_folder WHERE source = 0"))
        return int(found)

    before = await root()
    await say(store, "text")
    await show(store)
    assert await root() == before, "one message is no reason to write"
    entry = archive.Entry(OWNER, PEER, "x", b"<message xmlns='jabber:client'/>")
    await store.write(lambda tx: archive.append_all(tx, [entry] * chat_folders.RECENT))
    last = await say(store, "x", peer="sidorov@digital.example")
    assert [each.name for each in await show(store)] == [PEER, "sidorov@digital.example"]
    assert await root() == last


async def test_the_bytes_are_made_when_they_are_read(store: Store, folder: Collection) -> None:
    [item] = await store.read(lambda tx: items.scan(tx, folder.owner, folder.id))
    row = await store.read(lambda tx: tx.row("SELECT data, place FROM blob WHERE hash = ?", item.blob))
    assert row == (None, None)
    data = await store.blobs.read(item.blob)
    assert len(data) == item.size
    assert store.blobs.small(data).hash == item.blob
    assert data.endswith(b"\r\n\r\none\r\n")
    assert b"".join([chunk async for chunk in store.blobs.stream(item.blob, 0, 4)]) == data[:4]


async def test_what_goes_from_the_archive_goes_from_the_folder(store: Store, folder: Collection) -> None:
    await say(store, "two")
    await chat_arrivals.catch_up(store, folder, 100)
    first, second = await store.read(lambda tx: items.scan(tx, folder.owner, folder.id))
    trash = await store.read(lambda tx: collections.by_role(tx, OTHER, "mail", "trash"))
    assert trash is not None
    await store.write(lambda tx: transfer.copy(tx, [first], trash))
    assert await store.write(lambda tx: archive.expire(tx, OWNER, clock.now() + clock.DAY, 10)) == 2
    assert await subjects(store, folder) == []
    assert (await store.blobs.read(first.blob)).endswith(b"\r\n\r\none\r\n"), "the copy has bytes of its own"
    with pytest.raises(NotFound):
        await store.blobs.read(second.blob)
    assert await store.read(lambda tx: derived.of(tx, OWNER, [1])) == []
    changes = await store.read(lambda tx: collections.get(tx, folder.owner, folder.id))
    assert changes.items == 0


async def test_an_account_that_goes_takes_its_chats_along(store: Store, folder: Collection) -> None:
    [item] = await store.read(lambda tx: items.scan(tx, folder.owner, folder.id))
    inbox = await store.read(lambda tx: collections.by_role(tx, OTHER, "mail", "inbox"))
    assert inbox is not None
    await store.write(lambda tx: transfer.copy(tx, [item], inbox))
    await store.write(lambda tx: accounts.delete(tx, OWNER))
    assert (await store.blobs.read(item.blob)).endswith(b"one\r\n")
    for table in ("chat_folder", "derived"):
        assert await store.read(lambda tx, table=table: tx.value(f"SELECT COUNT(*) FROM {table}")) == 0  # type: ignore[misc]


async def test_what_nobody_names_is_forgotten(
    store: Store, folder: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "GRACE", -clock.DAY)
    await store.write(lambda tx: items.remove(tx, folder, [1]))
    assert await store.blobs.collect() == 1
    assert await store.read(lambda tx: tx.value("SELECT COUNT(*) FROM derived")) == 0
